"""The clock by which inputs are judged: it sees what waits, and forgives what passes."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.quickly import SECONDS_MAX, quickly

_PAUSES = (0.0, 0.0)


def _busy() -> None:
    until = time.perf_counter() + 2 * SECONDS_MAX
    while time.perf_counter() < until:
        pass


@pytest.mark.parametrize("held_up", [_busy, lambda: time.sleep(2 * SECONDS_MAX)])
def test_what_holds_others_up_each_time_is_found(held_up: Callable[[], None]) -> None:
    with pytest.raises(AssertionError, match="the fastest of 3 tries"):
        quickly(held_up, pauses=_PAUSES)


def test_what_was_slow_once_is_asked_again() -> None:
    waits = iter((2 * SECONDS_MAX, 2 * SECONDS_MAX, 0.0))
    assert quickly(lambda: time.sleep(next(waits)), pauses=_PAUSES) is None
    assert next(waits, None) is None
