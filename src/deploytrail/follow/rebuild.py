"""A rebuild that somebody asked for and watches: here, or by the process that follows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, Protocol

from deploytrail.clock import Clock
from deploytrail.errors import Behind
from deploytrail.follow.hosting import ViewHost
from deploytrail.follow.view import ViewStore

_LOOKED_SECONDS: Final = 0.2
STILL_SECONDS_MAX: Final = 60.0
"""So long it may stand still before whoever watches is told that nobody builds it."""


class Moving(Protocol):
    """What moves followers, a round at a time: `rounds.Rounds`."""

    def round(self) -> bool: ...


def rebuild(
    store: ViewStore,
    host: ViewHost,
    rounds: Moving,
    *,
    size: Callable[[], int],
    clock: Clock,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    stopping: threading.Event | None = None,
) -> bool:
    """Build a successor of a view and let it take its place; False where it was stopped before.

    `host` and `rounds` move it, unless another process has its lease: then that one does, and this
    one watches. `progress` is told how many of the log's entries it has. Stopped, it is gone on
    with by whoever follows next. Raises Behind where nothing moves for too long.
    """
    stopping = stopping or threading.Event()
    store.begin()
    furthest, moved = -1, clock.monotonic()
    while (at := store.cursors().successor) is not None:
        if stopping.is_set():
            return False
        progress(at, size())
        if at != furthest:
            furthest, moved = at, clock.monotonic()
        _refuse_still(host, at, clock.monotonic() - moved)
        if not rounds.round():
            clock.wait(stopping, _LOOKED_SECONDS)
    total = size()
    progress(total, total)
    return True


def _refuse_still(host: ViewHost, at: int, seconds: float) -> None:
    standing = host.standing()
    if standing.state == "broken" or seconds > STILL_SECONDS_MAX:
        why = standing.reason or "the process that follows may have told why"
        raise Behind(
            f"{standing.name}: expected its rebuild to go on, found it still at entry {at} after "
            f"{seconds:.0f} s: {why}. What stood before goes on answering; mend that, then rebuild"
        )
