"""The thread that asks tools: it asks by itself, one of two, and goes on whatever fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from deploytrail.app.connections.asking import Polling
from deploytrail.app.trails.directory import DirectoryTrail
from deploytrail.clock import SystemClock
from deploytrail.errors import Fenced, Unreachable
from tests.app.connections.polled import ASKED, put, told
from tests.app.connections.test_rounds import said, stanza
from tests.app.places import Place, place
from tests.fakes import FakeClock
from tests.follow.hosted import Lines
from tests.kit.servers import Server, says, serving

PATIENCE = 60.0


@pytest.fixture
def there(tmp_path: Path) -> Place:
    # The thread reads the real clock, from which the trail's must not be far.
    return place(tmp_path)._replace(clock=FakeClock(SystemClock().now()))


def thread(there: Place, lines: Lines, opening: Callable[[], None] = lambda: None) -> Polling:
    def opened() -> DirectoryTrail:
        opening()
        return there.open()

    environment = {"TOKEN": "t", "SECRET": "a secret"}
    return Polling(
        opened,
        clock=SystemClock(),
        environment=environment,
        tell=lines,
        sources={ASKED.name: ASKED},
    )


def until(is_so: Callable[[], bool]) -> None:
    clock, nobody = SystemClock(), threading.Event()
    end = clock.monotonic() + PATIENCE
    while not is_so():
        assert clock.monotonic() < end
        clock.wait(nobody, 0.02)


def declare(there: Place, server: Server) -> None:
    with there.opened() as trail:
        put(trail, there, stanza(server))


def test_it_asks_by_itself_and_one_of_two(there: Place) -> None:
    with serving(says(said({"place": 3})), is_kept=True) as server:
        declare(there, server)
        lines = Lines()
        first, second = thread(there, lines), thread(there, lines)
        with first.running():
            until(lambda: [one.state for one in first.standings()] == ["following"])
            until(lambda: len(server.requests) == 1)
            with second.running():
                until(lambda: threading.active_count() > 2)
                assert second.standings() == ()
    assert len(server.requests) == 1
    assert lines.said == []


def test_a_log_that_can_not_be_opened_is_waited_for(there: Place) -> None:
    failures: list[Exception] = [Unreachable("no answer"), ValueError("a bug")]

    def opening() -> None:
        if failures:
            raise failures.pop()

    with serving(says(said()), is_kept=True) as server:
        declare(there, server)
        lines = Lines()
        with thread(there, lines, opening).running():
            until(lambda: len(server.requests) == 1)
    assert lines.kinds == ["asking tools failed"] * 2


def test_a_fence_ends_it_and_it_says_so(there: Place) -> None:
    def opening() -> None:
        raise Fenced("the log is fenced: a test wants it")

    lines = Lines()
    with thread(there, lines, opening).running():
        until(lambda: lines.kinds == ["tools are not asked"])


def test_what_failed_in_one_process_is_over_in_the_next(there: Place) -> None:
    with serving(
        says(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"), is_kept=True
    ) as server:
        declare(there, server)
        lines = Lines()
        with thread(there, lines).running():
            until(lambda: "a tool could not be asked" in lines.kinds)
    with serving(says(said()), is_kept=True) as server:
        declare(there, server)
        second = thread(there, Lines())
        with second.running():
            until(lambda: [one.state for one in second.standings()] == ["following"])
    with there.opened() as trail:
        assert told(trail, "integration.connection.")[-1] == "integration.connection.recovered"
