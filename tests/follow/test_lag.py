"""How far behind, and waiting until it has read far enough: bounded, and told."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest

from deploytrail.errors import Behind, Tampered
from deploytrail.follow.lag import Lag, lag, wait_until
from tests.fakes import FakeClock
from tests.follow.logs import Log


def test_lag_is_that_of_the_oldest_entry_that_was_not_taken_in(log: Log, clock: FakeClock) -> None:
    assert lag(log.store.reading, 0, clock.now()) == Lag(0, 0.0)
    log.append(1)
    clock.advance(seconds=4)
    log.append(2)
    clock.advance(seconds=1)
    assert lag(log.store.reading, 0, clock.now()) == Lag(3, 5.0)
    assert lag(log.store.reading, 1, clock.now()) == Lag(2, 1.0)
    assert lag(log.store.reading, 3, clock.now()) == Lag(0, 0.0)
    # A log that was set back is nobody's lag.
    assert lag(log.store.reading, 7, clock.now()) == Lag(0, 0.0)


def test_a_clock_that_was_set_back_makes_no_negative_lag(log: Log, clock: FakeClock) -> None:
    log.append(1)
    clock.advance(seconds=-30)
    assert lag(log.store.reading, 0, clock.now()) == Lag(1, 0.0)


class Unreadable:
    """A moment of a log of which entries can't be read."""

    def __init__(self, size: int) -> None:
        self._size = size

    def tree(self) -> Any:
        return self

    @property
    def size(self) -> int:
        return self._size

    def bundle(self, number: int) -> bytes | None:
        raise Tampered(f"bundle {number}: expected what was written, found something else")


def test_an_entry_that_can_not_be_read_is_of_no_known_age(clock: FakeClock) -> None:
    reader: Any = Unreadable(300)
    assert lag(lambda: nullcontext(reader), 7, clock.now()) == Lag(293, None)
    assert lag(lambda: nullcontext(reader), 300, clock.now()) == Lag(0, 0.0)


class Rising:
    """A cursor that rises by one each time somebody asks."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> int:
        self.asked += 1
        return self.asked


def test_who_waits_for_what_is_there_does_not_wait(clock: FakeClock) -> None:
    assert wait_until(lambda: 8, 7, seconds_max=0, clock=clock) == 8
    assert clock.monotonic() == 0


def test_a_cursor_is_waited_for(clock: FakeClock) -> None:
    assert wait_until(Rising(), 5, seconds_max=5, clock=clock) == 6
    assert 0 < clock.monotonic() < 1


def test_waiting_ends_and_says_how_far_it_is(clock: FakeClock) -> None:
    asked = Rising()
    asked.asked = -1000
    with pytest.raises(Behind, match=r"index: expected it to have read entry 7 within 2 s, found"):
        wait_until(asked, 7, seconds_max=2, clock=clock)
    assert clock.monotonic() == pytest.approx(2)
    # Ever less often: not once in a millisecond.
    assert asked.asked + 1000 < 40
