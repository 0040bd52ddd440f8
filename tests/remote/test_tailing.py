"""A tail over HTTP goes on whatever the server says that passes, and ends with what does not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest

from deploytrail.errors import (
    DeploytrailError,
    Malformed,
    NotPermitted,
    Overloaded,
    Unknown,
    Unreachable,
)
from deploytrail.kit.answer import Request, Response, Streamed
from deploytrail.remote import RemoteTrail
from tests.fakes import FakeClock


class Sends(NamedTuple):
    """A stream with these events, which then ends, or breaks."""

    indexes: Sequence[int]
    is_broken: bool = False


class Refuses(NamedTuple):
    """An answer that is a problem."""

    status: int
    kind: str = ""
    headers: dict[str, str] = {}  # noqa: RUF012 (never written to)


class Away:
    """Nobody answers."""


Answer = Sends | Refuses | Away


class Scripted:
    """A server that gives these answers one behind the other, and notes when it was asked for what.

    Behind the last it refuses for ever, so that a tail ends.
    """

    def __init__(self, clock: FakeClock, *answers: Answer) -> None:
        self._clock = clock
        self._answers = [*answers, Refuses(403, "not-permitted")]
        self.asked: list[tuple[float, int]] = []

    def request(self, asked: Request) -> Response:
        raise AssertionError(f"{asked.url}: nobody asks for it here")

    @contextmanager
    def stream(self, asked: Request) -> Iterator[Streamed]:
        first = int(parse_qs(urlsplit(asked.url).query)["first"][0])
        self.asked.append((self._clock.monotonic(), first))
        answer = self._answers.pop(0)
        if isinstance(answer, Away):
            raise Unreachable("server: no connection came about")
        if isinstance(answer, Sends):
            yield Streamed(200, {}, _sent(answer))
            return
        problem = {"type": f"/problems/{answer.kind}", "detail": "it says why"}
        body = json.dumps(problem).encode() if answer.kind else b"<html>"
        yield Streamed(answer.status, answer.headers, iter([body]))

    def close(self) -> None:
        pass


def _sent(answer: Sends) -> Iterator[bytes]:
    for index in answer.indexes:
        shown = {"index": index, "leaf": "00", "event": {}}
        yield f"id: {index}\ndata: {json.dumps(shown)}\n\n".encode()
    if answer.is_broken:
        raise Unreachable("server: the connection broke")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def tailed(clock: FakeClock, *answers: Answer) -> tuple[list[int], DeploytrailError, Scripted]:
    """What comes behind entry 6, the error with which it ends, and who was asked."""
    server = Scripted(clock, *answers)
    trail = RemoteTrail("http://127.0.0.1:1", clock=clock, http=server)
    found: list[int] = []

    with pytest.raises(DeploytrailError) as raised:
        # What came before it ended is kept.
        found.extend(one.index for one in trail.tail(after=6))
    return found, raised.value, server


PASSING: dict[str, Answer] = {
    "too many listen": Refuses(429, "overloaded"),
    "a proxy says so": Refuses(429),
    "the store is busy": Refuses(503, "busy"),
    "the server ends": Refuses(503, "unreachable"),
    "a proxy finds nobody": Refuses(502),
    "nobody answers": Away(),
}


@pytest.mark.parametrize("passing", PASSING.values(), ids=PASSING)
def test_what_passes_is_waited_for(clock: FakeClock, passing: Answer) -> None:
    broken = Sends([7, 9], is_broken=True)
    # For longer than any question is asked again.
    found, _, server = tailed(clock, broken, *[passing] * 40, Sends([11]))
    assert found == [7, 9, 11]
    assert [first for _, first in server.asked] == [7, *[10] * 41, 12]
    assert clock.monotonic() > 60


AGAIN = {
    "as it says": (7, 7.0),
    "not at once": (0, 0.25),
    "a day": (86_400, 60.0),
}


@pytest.mark.parametrize(("said", "seconds"), AGAIN.values(), ids=AGAIN)
def test_a_server_says_when_to_come_back_within_bounds(
    clock: FakeClock, said: int, seconds: float
) -> None:
    later = Refuses(429, "overloaded", {"retry-after": str(said)})
    _, _, server = tailed(clock, Sends([7]), later, Sends([8]))
    moments = [moment for moment, _ in server.asked]
    assert moments[2] - moments[1] == pytest.approx(seconds)


FOR_EVER: dict[str, tuple[Refuses, type[DeploytrailError]]] = {
    "no live token": (Refuses(401, "unknown"), Unknown),
    "no permission": (Refuses(403, "not-permitted"), NotPermitted),
    "no query": (Refuses(400, "malformed"), Malformed),
    "a proxy that asks for more": (Refuses(407), NotPermitted),
}


@pytest.mark.parametrize(("refusal", "kind"), FOR_EVER.values(), ids=FOR_EVER)
def test_what_does_not_pass_ends_it(
    clock: FakeClock, refusal: Refuses, kind: type[DeploytrailError]
) -> None:
    for before in ([], [Sends([7], is_broken=True)]):
        found, error, _ = tailed(clock, *before, refusal)
        assert type(error) is kind
        assert found == [7][: len(before)]
        if refusal.kind:
            assert str(error) == "it says why"


def test_who_was_never_let_in_is_told_why_in_the_end(clock: FakeClock) -> None:
    found, error, _ = tailed(clock, *[Refuses(429, "overloaded")] * 60)
    assert (found, type(error)) == ([], Overloaded)


def test_a_server_that_ends_each_stream_is_not_asked_without_a_pause(clock: FakeClock) -> None:
    _, _, server = tailed(clock, *[Sends([])] * 5)
    assert clock.monotonic() >= 5
    assert len(server.asked) == 6
