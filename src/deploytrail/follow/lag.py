"""How far a view is behind the log, and waiting until it has read far enough."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple

from deploytrail import entry
from deploytrail.clock import Clock
from deploytrail.errors import Behind, EvidenceError
from deploytrail.log.reading import entry_at
from deploytrail.log.store import LogReader, Reading

_FIRST_SECONDS: Final = 0.005
_LONGEST_SECONDS: Final = 0.1


class Lag(NamedTuple):
    """`entries` were logged and not taken in yet; the oldest of them was logged `seconds` ago.

    None where that one can't be read, so that nobody knows.
    """

    entries: int
    seconds: float | None


def lag(reading: Reading[LogReader], cursor: int, now: datetime) -> Lag:
    """Of a follower that wants the entry at `cursor` next."""
    with reading() as reader:
        size = reader.tree().size
        if cursor >= size:
            return Lag(0, 0.0)
        try:
            logged = entry.logged_of(entry_at(reader, cursor))
        except EvidenceError:
            # Who wants it can't go on either, and says why; this says that it does not.
            return Lag(size - cursor, None)
    since = (now - datetime.fromisoformat(logged)).total_seconds()
    return Lag(size - cursor, max(0.0, since))


def behind(index: int, cursor: int, *, seconds_max: float, name: str = "index") -> Behind:
    """What whoever waited for an entry for so long is told."""
    return Behind(
        f"{name}: expected it to have read entry {index} within {seconds_max:g} s, found "
        f"it at {cursor}; ask again later, or without 'after'. Where it stays behind, "
        "'deploytrail stats' says what keeps it"
    )


def wait_until(
    cursor: Callable[[], int], index: int, *, seconds_max: float, clock: Clock, name: str = "index"
) -> int:
    """Wait until a view has taken in the entry at `index`, in whatever process; its cursor then.

    `cursor` reads the view's own, as it is durable: it is asked at once, then ever less often.
    Raises Behind where that takes longer than `seconds_max`.
    """
    until = clock.monotonic() + seconds_max
    pause, nobody = _FIRST_SECONDS, threading.Event()
    while (found := cursor()) <= index:
        left = until - clock.monotonic()
        if left <= 0:
            raise behind(index, found, seconds_max=seconds_max, name=name)
        clock.wait(nobody, min(pause, left))
        pause = min(2 * pause, _LONGEST_SECONDS)
    return found
