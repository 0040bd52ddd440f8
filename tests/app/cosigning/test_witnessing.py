"""The thread that asks witnesses: whatever fails in it, the log goes on, and so does it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from deploytrail.app.cosigning.witnessing import Witnessing, ask_once
from deploytrail.app.trails.directory import DirectoryTrail
from deploytrail.clock import SystemClock
from deploytrail.errors import Fenced, Unreachable
from deploytrail.kit.answer import Response
from tests.app.places import Place
from tests.app.witnessed import Neighbour, add
from tests.fakes import FakeClock
from tests.follow.hosted import Lines

PATIENCE = 60.0


@pytest.fixture
def bob(there: Place, tmp_path: Path) -> Neighbour:
    made = Neighbour(tmp_path, "bob", FakeClock(SystemClock().now()))
    with there.opened() as trail:
        add(trail, made)
        trail.publish()
    return made


class Thread:
    """One, with what it told."""

    def __init__(
        self,
        there: Place,
        bob: Neighbour,
        opening: Callable[[], None] = lambda: None,
        post: Callable[[str, bytes], Response] | None = None,
    ) -> None:
        self.lines = Lines()

        def opened() -> DirectoryTrail:
            opening()
            return there.open()

        self.witnessing = Witnessing(
            opened,
            clock=SystemClock(),
            tell=self.lines,
            post=post or (lambda _, body: bob.answer(body)),
        )

    @property
    def cursors(self) -> list[int | None]:
        return [one.cursor for one in self.witnessing.standings()]


def until(is_so: Callable[[], bool]) -> None:
    clock, nobody = SystemClock(), threading.Event()
    end = clock.monotonic() + PATIENCE
    while not is_so():
        assert clock.monotonic() < end
        clock.wait(nobody, 0.02)


def test_it_asks_by_itself_and_what_came_last_at_its_end(there: Place, bob: Neighbour) -> None:
    thread = Thread(there, bob)
    with thread.witnessing.running():
        until(lambda: thread.cursors == [4])
        there.record(2)
    with there.opened() as trail:
        (listed,) = trail.witnesses().listed()
    assert listed.size == 6
    assert thread.lines.said == []


def test_a_log_that_can_not_be_opened_is_waited_for(there: Place, bob: Neighbour) -> None:
    failures: list[Exception] = [Unreachable("no answer"), ValueError("a bug")]

    def opening() -> None:
        if failures:
            raise failures.pop()

    thread = Thread(there, bob, opening)
    with thread.witnessing.running():
        until(lambda: thread.cursors == [4])
    assert thread.lines.kinds == ["asking witnesses failed"] * 2


def test_a_fence_ends_it_and_it_says_so(there: Place, bob: Neighbour) -> None:
    def opening() -> None:
        raise Fenced("the log is fenced: a test wants it")

    thread = Thread(there, bob, opening)
    with thread.witnessing.running():
        until(lambda: thread.lines.kinds == ["witnesses are not asked"])


def test_who_hangs_keeps_nobody_from_ending(there: Place, bob: Neighbour) -> None:
    hanging, asked = threading.Event(), threading.Event()

    def post(_: str, body: bytes) -> Response:
        asked.set()
        hanging.wait(PATIENCE)
        return bob.answer(body)

    thread = Thread(there, bob, post=post)
    clock = SystemClock()
    with thread.witnessing.running():
        assert asked.wait(PATIENCE)
        there.record(1)
        started = clock.monotonic()
    assert clock.monotonic() - started < PATIENCE / 2
    hanging.set()
    with there.opened() as trail:
        assert trail.size() == 5


def test_the_second_of_two_stands_by(there: Place, bob: Neighbour) -> None:
    first, second = Thread(there, bob), Thread(there, bob)
    with first.witnessing.running():
        until(lambda: first.cursors == [4])
        with second.witnessing.running():
            there.record(1)
            until(lambda: first.cursors == [5])
            assert second.cursors == []


def test_asked_once_whoever_is_unreachable_is_not_waited_for(there: Place, tmp_path: Path) -> None:
    nobody = Neighbour(tmp_path, "nobody", there.clock)
    nobody.url = "http://127.0.0.1:1"
    with there.opened() as trail:
        add(trail, nobody)
        trail.publish()
        found = ask_once(trail, clock=SystemClock(), seconds_max=PATIENCE)
    assert not found.is_quorum_met
    (standing,) = found.standings()
    assert standing.state == "waiting"
    assert standing.reason.startswith("http://127.0.0.1:1: expected a server there")
