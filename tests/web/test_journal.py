"""The journal: one line each, in order, written by a thread of its own."""

from __future__ import annotations

import io
import json
import threading

from deploytrail.web.journal import Journal
from tests.fakes import FakeClock


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_each_is_a_line_in_order_and_the_end_writes_what_waits() -> None:
    sink = io.StringIO()
    journal = Journal(sink, FakeClock())
    journal.start()
    for number in range(1_200):
        journal.tell("request", number=number, route="/v1/events")
    journal.end()
    assert [line["number"] for line in lines(sink.getvalue())] == list(range(1_200))
    assert lines(sink.getvalue())[0] == {
        "time": "2026-11-22T12:00:00.000000Z",
        "what": "request",
        "number": 0,
        "route": "/v1/events",
    }


def test_what_is_told_is_written_without_an_end() -> None:
    sink = Awaited()
    journal = Journal(sink, FakeClock())
    journal.start()
    journal.tell("request", number=1)
    assert sink.came.wait(20)
    journal.end()


def test_what_does_not_fit_is_left_out() -> None:
    sink = io.StringIO()
    journal = Journal(sink, FakeClock(), waiting_max=2)
    for number in range(5):
        journal.tell("request", number=number)
    journal.start()
    journal.end()
    written = lines(sink.getvalue())
    assert [line["number"] for line in written] == [0, 1]
    assert not any("dropped" in line for line in written)


def test_whoever_comes_after_some_were_dropped_says_so() -> None:
    sink = Awaited()
    journal = Journal(sink, FakeClock(), waiting_max=1)
    for number in range(4):
        journal.tell("request", number=number)
    journal.start()
    assert sink.came.wait(20)
    journal.tell("request", number=4)
    journal.end()
    assert [line.get("dropped") for line in lines(sink.getvalue())] == [None, 3]


def test_a_sink_that_nobody_reads_ends_nothing() -> None:
    sink = Awaited(OSError("broken pipe"))
    journal = Journal(sink, FakeClock())
    journal.start()
    journal.tell("request", number=1)
    assert sink.came.wait(20)
    journal.tell("request", number=2)
    journal.end()


class Awaited(io.StringIO):
    """Knows that something was written; or raises instead."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.came = threading.Event()
        self.error = error

    def write(self, text: str) -> int:
        self.came.set()
        if self.error is not None:
            raise self.error
        return super().write(text)

    def flush(self) -> None:
        self.came.set()
