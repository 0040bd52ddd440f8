"""What a server says of a query that it can't read, as whoever reads queries here says it."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from typing import Any

import pytest

from deploytrail.errors import Malformed
from deploytrail.kit.answer import Request, Response, Streamed
from deploytrail.query.parse import parse
from deploytrail.query.unreadable import Unreadable
from deploytrail.remote import RemoteTrail
from deploytrail.web.problem import encoded, problem
from tests.fakes import NOON, FakeClock

QUERY = "actor:alice envv:prod"


class Refusing:
    """A server that gives one answer to all questions."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def request(self, asked: Request) -> Response:
        return Response(400, {}, self._body)

    def stream(self, asked: Request) -> AbstractContextManager[Streamed]:
        raise AssertionError(f"{asked.url}: nobody asks for it here")

    def close(self) -> None:
        pass


def refused(body: bytes) -> Malformed:
    trail = RemoteTrail("http://127.0.0.1:1", clock=FakeClock(), http=Refusing(body))
    with pytest.raises(Malformed) as raised:
        trail.search(QUERY)
    return raised.value


def test_the_place_in_a_query_comes_over_the_wire() -> None:
    with pytest.raises(Unreadable) as raised:
        parse(QUERY, now=NOON)
    error = raised.value
    found = refused(encoded(problem(error, instance="some")))
    assert isinstance(found, Unreadable)
    assert str(found) == str(error)
    assert (found.column, found.expected, found.pointed) == (13, "a field", error.pointed)


NOWHERE: dict[str, Any] = {
    "an older server": {},
    "before it": {"column": 0},
    "behind it": {"column": len(QUERY) + 2},
}


@pytest.mark.parametrize("place", NOWHERE.values(), ids=NOWHERE)
def test_a_place_that_is_none_in_the_query_is_left_out(place: dict[str, int]) -> None:
    said = {"type": "/problems/unreadable", "status": 400, "detail": "query: it says why"}
    found = refused(json.dumps(said | place).encode())
    assert (type(found), str(found)) == (Malformed, "query: it says why")
