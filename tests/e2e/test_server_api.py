"""The OpenAPI document is true: schemathesis holds the running server against every word of it."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import given
from schemathesis import GenerationMode, checks
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok

from deploytrail.clock import SystemClock
from deploytrail.web import openapi
from deploytrail.web.routes.table import TABLE
from tests.searching import examples
from tests.web.running import Running, running

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
REJECTION: Final = checks.CHECKS.get_one("negative_data_rejection")
REFUSING: Final = [400, 401, 403, 404, 405, 406, 409, 413, 414, 415, 422, 431]
SCHEMA = schemathesis.openapi.from_dict(
    openapi.document(TABLE, version="test"),
    config=SchemathesisConfig.from_dict(
        {"checks": {"negative_data_rejection": {"expected-statuses": REFUSING}}}
    ),
)
OPERATIONS = {
    found.label: found
    for found in (each.ok() for each in SCHEMA.get_all_operations() if isinstance(each, Ok))
}
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
    # A stream has no end: it is read for as long as is allowed.
    count, seconds = (3, 0.5) if "/v1/tail" in label else (15, 10)

    @examples(count)
    @given(case=OPERATIONS[label].as_strategy(generation_mode=mode))
    def holds(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(
            base_url=server.url,
            headers={"Authorization": f"Bearer {server.token}"},
            checks=asked,
            timeout=seconds,
        )

    holds()


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_is_as_the_document_says(server: Running, label: str) -> None:
    check(server, label, GenerationMode.POSITIVE)


@pytest.mark.parametrize("label", TAKING)
def test_what_the_document_does_not_allow_is_refused_as_it_says(
    server: Running, label: str
) -> None:
    check(server, label, GenerationMode.NEGATIVE)
