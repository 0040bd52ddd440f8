"""A clock that is wrong: behind is entered once, ahead of the uptime is refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from deploytrail.clock import Uptime
from deploytrail.entry import fields, logged_of
from deploytrail.errors import ClockSuspect
from tests.crash import oracle
from tests.crash.writing import Place, filled, recorded
from tests.fakes import NOON, FakeClock


class WrongClock(FakeClock):
    """Its time can be set apart from its uptime, and the machine can be started anew."""

    def __init__(self) -> None:
        super().__init__(NOON + timedelta(days=365))
        self.wrong_by = timedelta()
        self.boot = "first-boot"

    def now(self) -> datetime:
        return super().now() + self.wrong_by

    def uptime(self) -> Uptime:
        return Uptime(self.boot, super().uptime().microseconds)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    filled(place, 1)
    return place


def behind(place: Place) -> int:
    """How often the log says that its clock was behind; the log is verified on the way."""
    entries = oracle.whole(place.home / "log.db").entries
    times = [logged_of(entry) for entry in entries]
    assert times == sorted(set(times))
    return sum(fields(entry)["action"] == "audit.clock.behind" for entry in entries)


def test_a_clock_two_seconds_behind_is_entered_once(place: Place) -> None:
    clock = WrongClock()
    with place.open(clock=clock) as trail:
        recorded(trail, "right", clock=clock)
        clock.wrong_by = timedelta(seconds=-2)
        recorded(trail, "behind", clock=clock)
        recorded(trail, "still behind", clock=clock)
    assert behind(place) == 1


def test_a_clock_that_falls_behind_twice_is_entered_twice(place: Place) -> None:
    clock = WrongClock()
    with place.open(clock=clock) as trail:
        for at in range(2):
            clock.wrong_by = timedelta()
            clock.advance(seconds=1)
            recorded(trail, f"right-{at}", clock=clock)
            clock.wrong_by = timedelta(seconds=-2)
            recorded(trail, f"behind-{at}", clock=clock)
    assert behind(place) == 2


def test_a_clock_half_a_second_behind_is_only_clamped(place: Place) -> None:
    clock = WrongClock()
    with place.open(clock=clock) as trail:
        recorded(trail, "right", clock=clock)
        clock.wrong_by = timedelta(seconds=-0.5)
        recorded(trail, "a little behind", clock=clock)
    assert behind(place) == 0


def test_a_clock_61_seconds_ahead_of_the_uptime_is_refused(place: Place) -> None:
    clock = WrongClock()
    with place.open(clock=clock) as trail:
        recorded(trail, "right", clock=clock)
        clock.wrong_by = timedelta(seconds=61)
        with pytest.raises(ClockSuspect):
            recorded(trail, "ahead", clock=clock)
        assert trail.size() == 2
        clock.wrong_by = timedelta(seconds=59)
        recorded(trail, "nearly", clock=clock)


def test_after_another_boot_the_clock_is_believed(place: Place) -> None:
    clock = WrongClock()
    with place.open(clock=clock) as trail:
        recorded(trail, "right", clock=clock)
        clock.wrong_by, clock.boot = timedelta(seconds=61), "second-boot"
        recorded(trail, "after a boot", clock=clock)
        assert trail.size() == 3
