"""The OpenAPI document is true: schemathesis holds the running server against every word of it."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import given
from schemathesis import GenerationMode, checks
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok

from deploytrail.clock import SystemClock
from deploytrail.web import openapi
from deploytrail.web.routes import spooling
from deploytrail.web.routes.table import TABLE
from deploytrail.zstd import zstd
from tests.searching import examples
from tests.web.running import Running, running


@schemathesis.serializer(spooling.MEDIA)
def spool(_: Any, value: Any) -> bytes:
    """Bytes of any kind; that lines of a spool are taken is shown elsewhere."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


checks.load_all_checks()
CHECKS: Final[list[Any]] = checks.CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "allow_header_conformance",
        "unsupported_method",
        "ignored_auth",
        "missing_required_header",
        "negative_data_rejection",
    ]
)
HEADERS_HOLD: Final[Any] = checks.CHECKS.get_one("response_headers_conformance")
REJECTION: Final = checks.CHECKS.get_one("negative_data_rejection")
REFUSING: Final = [400, 401, 403, 404, 405, 406, 409, 413, 414, 415, 422, 431]
DOCUMENT = openapi.document(TABLE, version="test")
SCHEMA = schemathesis.openapi.from_dict(
    DOCUMENT,
    config=SchemathesisConfig.from_dict(
        {"checks": {"negative_data_rejection": {"expected-statuses": REFUSING}}}
    ),
)
OPERATIONS = {
    found.label: found
    for found in (each.ok() for each in SCHEMA.get_all_operations() if isinstance(each, Ok))
}
PACKING: Final[dict[str, Callable[[bytes], bytes]]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "zstd": zstd.compress,
}
UNNAMED: Final = {
    "connection", "content-length", "content-security-policy", "content-type",
    "cross-origin-resource-policy", "date", "referrer-policy", "transfer-encoding",
    "x-content-type-options",
}  # fmt: skip
"""Headers of every answer, which say nothing of it."""
TAKING = [
    label
    for label, found in OPERATIONS.items()
    if found.query or found.path_parameters or found.body
]
"""Operations that can be given what they don't take."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("api") / "home") as found:
        until_searched(found)
        yield found


def until_searched(server: Running) -> None:
    """A server that has just started says 503 until its index stands."""
    clock, nobody = SystemClock(), Event()
    end = clock.monotonic() + 60
    while server.ask("GET", "/v1/events?limit=1").status != 200:
        assert clock.monotonic() < end
        clock.wait(nobody, 0.1)


def check(server: Running, label: str, mode: GenerationMode) -> None:
    asked = list(CHECKS)
    if label == "POST /v1/events":
        # Of several events each is answered by itself, also where all of them are refused.
        asked.remove(REJECTION)
    responses = responses_of(label)
    # A stream has no end: it is read for as long as is allowed. Its first reader waits until a
    # thread of the server has opened the trail, on a busy machine for half a second.
    count, seconds = (3, 2) if "/v1/tail" in label else (15, 10)

    @examples(count)
    @given(case=OPERATIONS[label].as_strategy(generation_mode=mode))
    def holds(case: schemathesis.Case[Any]) -> None:
        answer = case.call_and_validate(
            base_url=server.url,
            headers={"Authorization": f"Bearer {server.token}"},
            checks=asked,
            timeout=seconds,
            auth=packed,
        )
        named = responses[str(answer.status_code)]["headers"]
        assert set(answer.headers) - UNNAMED <= {name.lower() for name in named}

    holds()


def responses_of(label: str) -> dict[str, Any]:
    method, path = label.split(" ")
    found: dict[str, Any] = DOCUMENT["paths"][path][method.lower()]["responses"]
    return found


def packed(request: Any) -> Any:
    """As its header says, where that is one that there is."""
    pack = PACKING.get(request.headers.get("Content-Encoding"))
    if pack is not None and request.body:
        text = request.body
        request.body = pack(text.encode() if isinstance(text, str) else text)
    return request


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_is_as_the_document_says(server: Running, label: str) -> None:
    check(server, label, GenerationMode.POSITIVE)


@pytest.mark.parametrize("label", TAKING)
def test_what_the_document_does_not_allow_is_refused_as_it_says(
    server: Running, label: str
) -> None:
    check(server, label, GenerationMode.NEGATIVE)


ANSWERS: dict[str, tuple[str, dict[str, str], int, set[str]]] = {
    "a list of actions": ("GET /v1/actions", {}, 200, {"etag", "cache-control", "x-request-id"}),
    "what is the same": ("GET /v1/actions", {"If-None-Match": "*"}, 304, {"etag", "cache-control"}),
    "an export": ("GET /v1/export", {}, 200, {"content-disposition", "cache-control"}),
    "nobody's token": (
        "GET /v1/stats", {"Authorization": "Bearer x"}, 401, {"www-authenticate", "cache-control"},
    ),
    "a wrong method": ("GET /v1/stats", {}, 405, {"allow", "cache-control"}),
    "a type that is not read": (
        "POST /v1/events", {"Content-Type": "text/plain"}, 415, {"accept-encoding"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("reason", ANSWERS)
def test_an_answer_that_lacks_a_header_of_the_document_would_be_found(
    server: Running, reason: str
) -> None:
    """Else the tests above would hold of headers that nobody sends."""
    label, headers, status, names = ANSWERS[reason]
    case = OPERATIONS[label].Case(method="DELETE" if status == 405 else None)
    headers = {"Authorization": f"Bearer {server.token}"} | headers
    answer = case.call(base_url=server.url, headers=headers)
    assert answer.status_code == status
    case.validate_response(answer, [HEADERS_HOLD])
    for name in names:
        said = answer.headers.pop(name)
        with pytest.raises(FailureGroup):
            case.validate_response(answer, [HEADERS_HOLD])
        answer.headers[name] = ["another thing: 7!"]
        with pytest.raises(FailureGroup):
            case.validate_response(answer, [HEADERS_HOLD])
        answer.headers[name] = said
