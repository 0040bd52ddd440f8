"""What is refused before it is a request: counted each, told as often as a journal bears."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

from deploytrail.errors import Malformed, Overloaded
from deploytrail.web.journal import Journal
from deploytrail.web.metrics import Metrics
from deploytrail.web.refusals import LINES_MAX, Refusals
from tests.fakes import FakeClock


class Told:
    """Refusals with what they write, and a second that goes by when it is told to."""

    def __init__(self) -> None:
        self._sink = io.StringIO()
        self._journal = Journal(self._sink, FakeClock())
        self._journal.start()
        self._metrics = Metrics()
        self._waiting: list[Callable[[], None]] = []
        self.refusals = Refusals(
            self._journal, self._metrics, lambda _, call: self._waiting.append(call)
        )

    def a_second_later(self) -> None:
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            call()

    def lines(self) -> list[tuple[int, object]]:
        """Of each its status, and why or how many."""
        self._journal.end()
        lines = [json.loads(line) for line in self._sink.getvalue().splitlines()]
        assert {line["what"] for line in lines} <= {"refused"}
        return [(line["status"], line.get("why") or line.get("count")) for line in lines]

    def counted(self, status: int) -> int:
        start = f'deploytrail_requests_total{{route="none",status="{status}"}} '
        (line,) = [one for one in self._metrics.text({}).split("\n") if one.startswith(start)]
        return int(line.removeprefix(start))


def test_each_is_counted_and_a_line_says_why() -> None:
    told = Told()
    told.refusals.tell(Malformed("request: expected HTTP/1.1"))
    told.refusals.tell(Overloaded("server: expected fewer"))
    assert (told.counted(400), told.counted(429)) == (1, 1)
    assert told.lines() == [(400, "request: expected HTTP/1.1"), (429, "server: expected fewer")]


def test_of_a_flood_a_line_says_how_many_there_were() -> None:
    told = Told()
    for _ in range(1_000):
        told.refusals.tell(Malformed("request"))
    told.refusals.tell(Overloaded("server"))
    told.a_second_later()
    assert (told.counted(400), told.counted(429)) == (1_000, 1)
    assert told.lines() == [(400, "request")] * LINES_MAX + [(400, 1_000 - LINES_MAX), (429, 1)]


def test_a_second_later_they_are_told_one_by_one_again() -> None:
    told = Told()
    for _ in range(3):
        for _ in range(LINES_MAX):
            told.refusals.tell(Malformed("request"))
        told.a_second_later()
    assert told.lines() == [(400, "request")] * (3 * LINES_MAX)


def test_the_end_tells_what_was_not_told_yet() -> None:
    told = Told()
    for _ in range(LINES_MAX + 5):
        told.refusals.tell(Malformed("request"))
    told.refusals.end()
    told.a_second_later()
    assert told.lines()[LINES_MAX:] == [(400, 5)]
