"""Nobody is held up by one input: what took too long is tried again, since machines have pauses."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

SECONDS_MAX: Final = 0.1
_STALLED_SECONDS_MAX: Final = 5.0
_TRIES: Final = 6
_Found = TypeVar("_Found")


def quickly(answer: Callable[[], _Found]) -> _Found:
    """The answer; fails where it takes longer than a tenth of a second each time it is asked.

    Where the machine leaves no quiet moment (others compute, a disk is busy), the time counts that
    this process computed, in all of its threads; and that it ends at all.
    """
    shortest = computed = float("inf")
    attempt = 0
    while True:
        time.sleep(0.2 * attempt)
        attempt += 1
        begun, before = time.process_time(), time.perf_counter()
        found = answer()
        shortest = min(shortest, time.perf_counter() - before)
        computed = min(computed, time.process_time() - begun)
        if shortest <= SECONDS_MAX:
            return found
        if attempt == _TRIES:
            break
    if computed <= SECONDS_MAX and shortest <= _STALLED_SECONDS_MAX:
        return found
    raise AssertionError(
        f"expected an answer within {SECONDS_MAX} s, found {shortest:.3f} s, {computed:.3f} s of "
        "them computed"
    )
