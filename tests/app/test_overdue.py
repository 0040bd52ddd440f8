"""A start whose lease is over and that never ended is noticed, once."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from deploytrail.app.overdue import LEASE, Leases, Overdue
from deploytrail.app.trails.directory import DirectoryTrail, open_directory
from deploytrail.errors import Behind, NotFound
from deploytrail.event import Event, Links, Source
from tests.app.searched import Searched, silent
from tests.events import event
from tests.fakes import FakeClock

DAY = LEASE.total_seconds()


class Site:
    """A trail with its index, and who looks at its leases."""

    def __init__(self, clock: FakeClock, environment: Mapping[str, str]) -> None:
        self.clock = clock
        self.environment = environment
        self.trail = self.open()
        self.searched = Searched(self.trail, clock)
        self._spools = 0

    def open(self) -> DirectoryTrail:
        return open_directory(clock=self.clock, environment=self.environment)

    def started(self, action: str = "deployment.started") -> Event:
        self._spools += 1
        return self._recorded(action, f"spool:{self._spools:032x}:1")

    def ended(self, start: Event, action: str = "deployment.succeeded") -> None:
        delivery = str(start.source.delivery)[:-1] + "2"
        self._recorded(action, delivery, links=Links(caused_by=(start.id,)))

    def _recorded(self, action: str, delivery: str, **fields: object) -> Event:
        source = Source(tool="wrapper", instance="local", delivery=delivery)
        told = event(action=action, time=self.clock.now(), source=source, **fields)
        self.searched.record(told)
        return told

    def look(self) -> int:
        self.searched.follow()
        looking = Overdue(self.open(), self.clock)
        try:
            return looking.look()
        finally:
            looking.close()

    def noticed(self) -> list[str]:
        """The starts of which it was said."""
        shown: list[Mapping[str, Any]] = [one.event for one in self.trail.entries()]
        gaps = [one for one in shown if one["action"] == "audit.gap.noticed"]
        return [str(one["links"]["caused_by"][0]) for one in gaps]


@pytest.fixture
def site(clock: FakeClock, environment: Mapping[str, str]) -> Site:
    return Site(clock, environment)


@pytest.mark.parametrize("action", ["deployment.started", "runtime.command.started"])
def test_a_start_without_an_end_is_noticed_when_its_lease_is_over(site: Site, action: str) -> None:
    start = site.started(action)
    site.clock.advance(seconds=DAY - 60)
    assert site.look() == 0
    site.clock.advance(seconds=120)
    assert site.look() == 1
    assert site.noticed() == [start.id]


def test_it_is_noticed_once_whoever_looks(site: Site) -> None:
    start = site.started()
    site.clock.advance(seconds=DAY + 60)
    # The index hasn't read the first notice yet when the second one is made.
    first, second = Overdue(site.open(), site.clock), Overdue(site.open(), site.clock)
    site.searched.follow()
    for looking in (first, second):
        looking.look()
        site.searched.follow()
        looking.close()
    assert site.look() == 0
    assert site.noticed() == [start.id]


ENDS = ("deployment.succeeded", "deployment.failed", "deployment.cancelled")


@pytest.mark.parametrize("action", ENDS)
def test_what_ended_however_late_is_no_gap(site: Site, action: str) -> None:
    start = site.started()
    site.clock.advance(seconds=2 * DAY)
    site.ended(start, action)
    assert site.look() == 0


def test_many_runs_are_told_apart(site: Site) -> None:
    starts = [site.started() for _ in range(5)]
    for start in starts[::2]:
        site.ended(start)
    site.clock.advance(seconds=DAY + 60)
    assert site.look() == 2
    assert site.noticed() == [one.id for one in starts[1::2]]


def test_what_did_not_come_from_a_run_of_ours_has_no_lease(site: Site) -> None:
    site.searched.record(event(time=site.clock.now()))
    site.clock.advance(seconds=DAY + 60)
    assert site.look() == 0


def test_where_the_index_is_behind_nothing_is_said(site: Site) -> None:
    site.started()
    site.searched.follow()
    site.clock.advance(seconds=DAY + 60)
    site.started()
    looking = Overdue(site.open(), site.clock)
    with pytest.raises((Behind, NotFound)):
        looking.look()
    looking.close()
    assert site.noticed() == []


class Once(FakeClock):
    """A clock by which somebody waits so many times, and is stopped then."""

    def __init__(self, start: datetime, rounds: int) -> None:
        super().__init__(start)
        self._rounds = rounds
        self.is_over = threading.Event()

    def wait(self, wake: threading.Event, seconds: float) -> bool:
        self._rounds -= 1
        if self._rounds < 0:
            self.is_over.set()
            return True
        return super().wait(wake, seconds)


def test_whoever_can_t_look_now_looks_again(site: Site) -> None:
    start = site.started()
    site.clock.advance(seconds=DAY + 60)
    site.searched.follow()
    tries: list[int] = []

    def opened() -> DirectoryTrail:
        tries.append(1)
        if len(tries) == 1:
            raise NotFound("log.db: expected a log, found none")
        return site.open()

    clock = Once(site.clock.now(), 2)
    with Leases(opened, clock=clock, tell=silent).running():
        assert clock.is_over.wait(30)
    assert site.noticed() == [start.id]
