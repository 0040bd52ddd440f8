"""The index of a trail, moved by whoever asks where no server does: caught up, or made anew."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final, NamedTuple

from deploytrail.app.followers.disclosing import Disclosing
from deploytrail.app.questions.indexes import IndexStore
from deploytrail.app.trails.stored import StoredTrail
from deploytrail.clock import Clock
from deploytrail.follow.hosting import ViewHost
from deploytrail.follow.rebuild import rebuild
from deploytrail.follow.rounds import Rounds

Progress = Callable[[int, int], None]
"""Told how many of the log's entries are taken in, and how many there are."""
_MAKERS_MAX: Final = 4
"""Of more, what is left to the one who reads, discloses and writes is the bound."""
_PIECES: Final = 4
"""Read at once, to be made beside each other."""
_ROUNDS_IDLE_MAX: Final = 3
"""Rounds without anything to read: what has caught up takes its place in the next one."""


def catch_up(
    trail: StoredTrail, clock: Clock, progress: Progress = lambda _done, _total: None
) -> None:
    """Let the index take in what the log has now, made first where there is none.

    What comes meanwhile is left to whoever asks next. Nothing where another process moves it, which
    then is about as far. Where something fails, the index stays where it is: whoever asks is told
    how far that was.
    """
    with ExitStack() as opened:
        moving = _moving(trail, clock, opened)
        idle, wanted = 0, trail.size()
        while idle < _ROUNDS_IDLE_MAX and moving.host.standing().state != "broken":
            idle = 0 if moving.rounds.round() else idle + 1
            found = moving.host.standing()
            if found.state == "elsewhere":
                break
            at = found.cursor if found.successor is None else found.successor
            progress(at or 0, trail.size())
            if found.successor is None and (found.cursor or 0) >= wanted > 0:
                break
        # Nobody else does it, and what is begun here is lost with this process.
        while moving.host.rest():
            pass


def rebuild_index(
    trail: StoredTrail, clock: Clock, progress: Progress = lambda _done, _total: None
) -> None:
    """Make the index anew beside what answers meanwhile, here or by whoever follows.

    Raises Behind where nothing moves for too long.
    """
    with ExitStack() as opened:
        moving = _moving(trail, clock, opened)
        rebuild(
            moving.store,
            moving.host,
            moving.rounds,
            size=trail.size,
            clock=clock,
            progress=progress,
        )


class _Moving(NamedTuple):
    store: IndexStore
    host: ViewHost
    rounds: Rounds


def _moving(trail: StoredTrail, clock: Clock, opened: ExitStack) -> _Moving:
    if gc.isenabled():
        # As the process that follows: entries become many small objects, none of them in cycles.
        gc.disable()
        opened.callback(gc.enable)
    store = trail.index()
    cores = len(os.sched_getaffinity(0))
    makers = min(cores, _MAKERS_MAX) if cores > 1 else 0
    store.use_makers(makers)
    opened.callback(store.close)
    lease = trail.lease(store.name)
    host = ViewHost(store, lease, origin=trail.origin, clock=clock, tell=_silent)
    opened.callback(host.close)
    disclosing = Disclosing(
        trail.store.reading, trail.keyring.subject, origin=trail.origin, tell=_silent
    )
    pieces = _PIECES if makers else 1
    rounds = Rounds(trail.store.reading, disclosing, [host], clock, pieces=pieces)
    return _Moving(store, host, rounds)


def _silent(_: str, /, **__: str | int | float) -> None:
    """Whoever asks sees in the answer how far the index is."""
