"""What follows a trail, in two threads: published, moved, stopped; one's fault is not another's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deploytrail.app.follow_process import followed
from deploytrail.app.followers.board import FileBoard, load_board
from deploytrail.app.followers.following import Followed, Following, Parts, Publishing
from deploytrail.app.followers.leases import FileLease
from deploytrail.app.trails.directory import DirectoryTrail, open_directory
from deploytrail.clock import SystemClock
from deploytrail.errors import Busy, Fenced, Incomplete, Unreachable
from deploytrail.event import Event
from deploytrail.follow.actor import Actor, Consequence, Seen
from deploytrail.follow.lag import wait_until
from deploytrail.follow.view import Read
from deploytrail.stores.bookmarks import FileBookmarks
from deploytrail.stores.sqlite.place import raise_fence, refuse_fenced
from tests.app.places import Place, place
from tests.follow.counting import Counting, CountingStore
from tests.follow.hosted import Lines

PATIENCE = 60.0


class Hurried(SystemClock):
    """A clock whose seconds last a hundredth of one, for whoever waits."""

    def monotonic(self) -> float:
        return super().monotonic() * 100

    def wait(self, wake: threading.Event, seconds: float) -> bool:
        return super().wait(wake, seconds / 100)


class Running:
    """The threads of a process that follows, over a place of tests."""

    def __init__(
        self,
        there: Place,
        *,
        kind: type[Counting] = Counting,
        names: Sequence[str] = ("view",),
        actors: Sequence[Actor] = (),
        publishing: Callable[[], Publishing] | None = None,
        opening: Callable[[], None] = lambda: None,
    ) -> None:
        self._there = there
        self.clock = Hurried()
        self.lines = Lines()
        self.stopping = threading.Event()
        self.ended: BaseException | None = None
        with self._trail() as trail:
            self.origin = trail.origin
        self.stores = [
            CountingStore(there.home / name, origin=self.origin, kind=kind if not at else Counting)
            for at, name in enumerate(names)
        ]

        def opened() -> Followed:
            opening()
            return followed(
                self._trail(),
                self.clock,
                self.lines,
                refuse_fenced=lambda: refuse_fenced(there.home / "fence"),
            )

        self._parts = Parts(
            followed_opened=opened,
            publishing_opened=publishing or self._trail,
            views=[
                (store, FileLease(there.home, name))
                for store, name in zip(self.stores, names, strict=True)
            ],
            actors=[(one, FileLease(there.home, one.name)) for one in actors],
            bookmarks=FileBookmarks(there.home / "actors"),
            board=FileBoard(there.home / "followers.json"),
            clock=self.clock,
            tell=self.lines,
        )
        self._thread = threading.Thread(target=self._run)

    def _trail(self) -> DirectoryTrail:
        there = self._there
        return open_directory(there.home, clock=there.clock, environment=there.environment)

    def _run(self) -> None:
        try:
            Following(self._parts, self.stopping).run()
        except Exception as error:  # noqa: BLE001 (looked at by the test)
            self.ended = error

    @contextmanager
    def running(self) -> Iterator[Running]:
        self._thread.start()
        try:
            yield self
        finally:
            self.stopping.set()
            self.join()

    def join(self) -> None:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def until(self, is_so: Callable[[], bool]) -> None:
        clock, nobody = SystemClock(), threading.Event()
        end = clock.monotonic() + PATIENCE
        while not is_so():
            assert clock.monotonic() < end, self.lines.said[-5:]
            assert self.ended is None, self.ended
            clock.wait(nobody, 0.01)

    def until_at(self, size: int, *, store: int = 0) -> None:
        wait_until(
            lambda: self.stores[store].cursors().current or 0,
            size - 1,
            seconds_max=PATIENCE,
            clock=SystemClock(),
        )

    def state(self, name: str = "counting") -> str | None:
        board = load_board(self._there.home / "followers.json")
        if board is None:
            return None
        return next((one.state for one in board.followers if one.name == name), None)


@pytest.fixture
def there(tmp_path: Path) -> Place:
    return place(tmp_path)


def test_what_is_appended_is_signed_and_taken_in(there: Place) -> None:
    there.record(3, publish=False)
    run = Running(there)
    with run.running():
        run.until_at(3)
        there.record(300, publish=False)
        run.until_at(303)
        run.until(lambda: there.verified().size_signed == 303)
        run.until(lambda: run.state() == "following")
    assert run.ended is None
    assert load_board(there.home / "followers.json") is None
    rows = run.stores[0].answering()
    assert rows is not None
    assert rows[0] == [("deployment.succeeded", 303)]
    assert all(text for _, _, text in rows[1])
    assert there.verified().exit_code == 0


def test_what_was_appended_last_is_signed_at_the_end(there: Place) -> None:
    there.record(1, publish=False)
    run = Running(there)
    with run.running():
        run.until(lambda: there.verified().size_signed == 1)
        there.record(2, publish=False)
    assert run.ended is None
    assert there.verified().size_signed == 3


def test_a_fence_ends_it(there: Place) -> None:
    there.record(1)
    run = Running(there)
    with run.running():
        run.until_at(1)
        # With its reason from the first moment on.
        raise_fence(there.home / "fence.new", "a test wants it")
        (there.home / "fence.new").rename(there.home / "fence")
        run.join()
    assert isinstance(run.ended, Fenced)
    assert "a test wants it" in str(run.ended)


class NoView(Counting):
    """A view that can take nothing in."""

    def apply(self, read: Read) -> None:
        raise RuntimeError("a table is missing")


def test_a_broken_view_stops_neither_the_publisher_nor_another_view(there: Place) -> None:
    there.record(3, publish=False)
    run = Running(there, kind=NoView, names=("broken", "whole"))
    with run.running():
        run.until_at(3, store=1)
        run.until(lambda: run.state() == "broken")
        there.record(4, publish=False)
        run.until_at(7, store=1)
        run.until(lambda: there.verified().size_signed == 7)
        board = load_board(there.home / "followers.json")
        assert board is not None
        assert board.followers[0].reason == "RuntimeError: a table is missing"
    assert run.ended is None
    assert "follower is broken" in run.lines.kinds


class Failing:
    """A publisher that fails so often, then does nothing."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.published = 0
        self.opened = 0

    def __call__(self) -> Failing:
        self.opened += 1
        return self

    def publish(self) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.published += 1

    def close(self) -> None:
        pass


def test_publishing_that_fails_is_tried_again_and_stops_no_view(there: Place) -> None:
    there.record(3)
    failing = Failing(Busy("another holds it"), Unreachable("no answer"), ValueError("a bug"))
    run = Running(there, publishing=failing)
    with run.running():
        run.until_at(3)
        run.until(lambda: failing.published > 1)
    assert run.ended is None
    assert run.lines.kinds.count("publishing failed") == 3
    assert run.lines.kinds.count("publishing goes on") == 1
    assert failing.opened == 4


def test_a_log_that_was_set_back_ends_it(there: Place) -> None:
    there.record(3)
    run = Running(there, publishing=Failing(Incomplete("log: expected at least 9 entries")))
    with run.running():
        run.join()
    assert isinstance(run.ended, Incomplete)


def test_a_log_that_can_not_be_opened_is_waited_for(there: Place) -> None:
    there.record(3)
    failures: list[Exception] = [Unreachable("no answer"), Busy("another holds it")]

    def opening() -> None:
        if failures:
            raise failures.pop()

    run = Running(there, opening=opening)
    with run.running():
        run.until_at(3)
    assert run.lines.kinds.count("log can't be opened") == 2


def test_it_can_be_stopped_while_it_waits_for_the_log(there: Place) -> None:
    there.record(1)
    waited = threading.Event()

    def opening() -> None:
        waited.set()
        raise Unreachable("no answer")

    run = Running(there, opening=opening)
    with run.running():
        assert waited.wait(PATIENCE)
    assert run.ended is None


class Repeater:
    """An actor: it appends something for each deployment that succeeded."""

    name = "repeater"
    version = 1

    def __init__(self, there: Place) -> None:
        self._there = there

    def begins(self, size: int) -> int:
        return 0

    def act(self, seen: Sequence[Seen]) -> Sequence[Consequence]:
        return [
            Consequence(one.entry_index, self._event())
            for one in seen
            if one.fields["action"] == "deployment.succeeded"
        ]

    def _event(self) -> Event:
        return self._there.event(0)

    def close(self) -> None:
        pass


def test_an_actor_acts_once_for_each_entry_also_over_several_runs(there: Place) -> None:
    there.record(3)
    for expected in (6, 10):
        run = Running(there, actors=[Repeater(there)])
        with run.running():
            # Its own events succeeded, too: it isn't shown them.
            run.until_at(expected)
        there.record(2)
    with there.opened() as trail:
        deliveries: list[Any] = [shown.event["source"] for shown in trail.entries(until=10)]
    own = [one["delivery"] for one in deliveries if one["tool"] == "deploytrail"]
    assert own == [f"actor/repeater/1/{index}" for index in (0, 1, 2, 6, 7)]
