"""The document says what answers say in their headers, by the same table that says it in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from deploytrail import errors
from deploytrail.web import openapi, problem
from deploytrail.web.problem import WrongMethod
from deploytrail.web.routes.table import TABLE

DOCUMENT: dict[str, Any] = openapi.document(TABLE, version="test")
HEADERS: dict[str, Any] = DOCUMENT["components"]["headers"]
OPERATIONS: dict[str, Any] = {
    f"{method.upper()} {path}": operation
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
}


def header(operation: str, status: int, name: str) -> Any:
    """What is said of it; None where nothing is."""
    found = OPERATIONS[operation]["responses"][str(status)]["headers"].get(name)
    return None if found is None else HEADERS[found["$ref"].rpartition("/")[2]]


def below(error: type[errors.DeploytrailError]) -> Iterator[type[errors.DeploytrailError]]:
    """All kinds of errors that the server's modules know."""
    for each in error.__subclasses__():
        if each.__module__.startswith("deploytrail."):
            yield from (each, *below(each))


def made(kind: type[errors.DeploytrailError]) -> errors.DeploytrailError:
    """One of them, made without what its own constructor asks for."""
    found = kind.__new__(kind)
    if isinstance(found, WrongMethod):
        found.allowed = "GET, HEAD"
    return found


KINDS = {each.__name__: each for each in below(errors.DeploytrailError)}


@pytest.mark.parametrize("name", KINDS)
def test_a_problem_has_the_headers_that_are_named_of_its_kind(name: str) -> None:
    kind = KINDS[name]
    found = problem.headers_of(made(kind))
    named = {one.name.lower(): one for one in problem.headers_named(kind)}
    assert found.keys() == named.keys()
    assert all(found.values())
    assert ("retry-after" in found) == (kind.status in {429, 503, 507})
    assert found.get("allow") == ("GET, HEAD" if kind is WrongMethod else None)


ALWAYS = {
    "what may be sent again": ("POST /v1/events", 503, "Retry-After"),
    "what is too much": ("GET /v1/tail", 429, "Retry-After"),
    "what has no room": ("POST /v1/events", 507, "Retry-After"),
    "a wrong method": ("GET /v1/events", 405, "Allow"),
    "nobody's token": ("GET /v1/events", 401, "WWW-Authenticate"),
    "a body that is not read": ("POST /v1/events", 415, "Accept-Encoding"),
    "what has a tag": ("GET /checkpoint", 200, "ETag"),
    "what is the same": ("GET /v1/actions", 304, "ETag"),
    "a tile": ("GET /tile/{level}/{index}", 200, "Cache-Control"),
    "a file": ("GET /v1/export", 200, "Content-Disposition"),
}


@pytest.mark.parametrize("reason", ALWAYS)
def test_the_document_names_the_header_of(reason: str) -> None:
    assert header(*ALWAYS[reason])["required"]


def test_every_answer_says_how_long_it_is_kept_and_which_request_it_is_for() -> None:
    for name, operation in OPERATIONS.items():
        for status in operation["responses"]:
            assert header(name, int(status), "Cache-Control")["required"]
            assert header(name, int(status), "X-Request-Id")["required"] == (int(status) < 400)


TAKEN = {
    "POST /v1/events": {
        "Content-Encoding", "ce-specversion", "ce-id", "ce-source", "ce-type", "ce-time",
        "ce-subject",
    },
    "POST /v1/events/query": {"Content-Encoding"},
    "GET /v1/tail": {"Last-Event-ID"},
    "POST /v1/tail/query": {"Last-Event-ID", "Content-Encoding"},
    "GET /checkpoint": {"If-None-Match"},
    "GET /v1/actions": {"If-None-Match"},
    "GET /openapi.json": {"If-None-Match"},
    "GET /tile/entries/{index}": {"Accept-Encoding"},
    "GET /v1/stats": set(),
}  # fmt: skip


@pytest.mark.parametrize("operation", TAKEN)
def test_the_document_names_the_headers_that_are_read_of(operation: str) -> None:
    named = {one["name"] for one in OPERATIONS[operation]["parameters"] if one["in"] == "header"}
    assert named == TAKEN[operation]
