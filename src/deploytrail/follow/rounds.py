"""Reading once for all: in rounds, each of which moves whoever wants something by one piece.

Who wants the same entries is handed the same piece. A laggard gets pieces of its own, which end
where the next one goes on, so that the two then go on together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final, Protocol

from deploytrail.clock import Clock
from deploytrail.errors import Fenced
from deploytrail.follow.reading import BYTES_MAX, ENTRIES_MAX, Disclose, Piece, Step, piece, steps
from deploytrail.log.store import LogReader, Reading
from deploytrail.log.tiles import WIDTH

_SECONDS_AIMED: Final = 1.0
"""So long at most a piece should take: whoever stops or waits for another is not kept waiting."""
_ENTRIES_LEAST: Final = 8 * WIDTH
"""Small pieces cost an index more an entry, a single bundle twice as much: where the machine is
slow for a while, small ones would keep it slow.
"""


class Head(Protocol):
    """Somebody at a place in the log. Neither call raises: whatever fails is its own affair."""

    @property
    def cursor(self) -> int: ...
    @property
    def pace(self) -> Pace: ...
    @property
    def has_rest(self) -> bool:
        """Whether it has more to do of what waited until there was nothing to be read."""
        ...

    def take(self, found: Piece, taken: Sequence[Step]) -> None:
        """Take in what is there from the cursor on; nothing, at the end of the log."""
        ...

    def starve(self, error: Exception) -> None:
        """What it wants can't be read."""
        ...


class Host(Protocol):
    """Who keeps followers, and says which of them can be moved now."""

    def heads(self) -> Sequence[Head]: ...


class Pace:
    """How many entries somebody is given at a time: as many as it takes in before others mind."""

    def __init__(self) -> None:
        self.entries = ENTRIES_MAX

    def took(self, seconds: float, count: int) -> None:
        if seconds > _SECONDS_AIMED:
            # Whole bundles: less than one would be unpacked several times.
            self.entries = max(_ENTRIES_LEAST, min(self.entries, count) // 2)
        elif seconds < _SECONDS_AIMED / 4:
            self.entries = min(ENTRIES_MAX, self.entries * 2)


class Rounds:
    """The read loop of one thread, one round at a time."""

    def __init__(
        self,
        reading: Reading[LogReader],
        disclose: Disclose,
        hosts: Sequence[Host],
        clock: Clock,
        *,
        is_stopping: Callable[[], bool] = lambda: False,
        pieces: int = 1,
    ) -> None:
        """With more `pieces` than one, as many are read at once, however long they take: for views
        that make several beside each other, and where nobody else waits.
        """
        self._reading = reading
        self._disclose = disclose
        self._hosts = hosts
        self._clock = clock
        self._is_stopping = is_stopping
        self._pieces = pieces
        self.is_behind = False
        """Whether there was more in the log than was given to somebody in the last round."""

    def round(self) -> bool:
        """Whether there was anything to do; else all are at the end, or can't go on now.

        Raises Fenced where the log is, and nothing else.
        """
        heads = sorted(
            (head for host in self._hosts for head in host.heads()), key=lambda head: head.cursor
        )
        until: int | None = None
        has_moved = self.is_behind = False
        # Those in front come first: a laggard has waited for long, and makes nobody else wait.
        for _, group in groupby(reversed(heads), key=lambda head: head.cursor):
            if self._is_stopping():
                break
            together = list(group)
            first = together[0].cursor
            has_moved = self._move(together, first, until) or has_moved
            # Where they are by now: who reads up to there goes on together with them.
            until = min(head.cursor for head in together)
        return has_moved

    def _move(self, group: Sequence[Head], first: int, until: int | None) -> bool:
        entries_max = min(head.pace.entries for head in group)
        try:
            found = piece(
                self._reading,
                first,
                entries_max=entries_max * self._pieces,
                octets_max=BYTES_MAX * self._pieces,
                until=until,
            )
            taken = steps(found, self._disclose)
        except Fenced:
            raise
        except Exception as error:  # noqa: BLE001 (told by each that wanted it, and tried again)
            for head in group:
                head.starve(error)
            return False
        for head in group:
            started = self._clock.monotonic()
            head.take(found, taken)
            if self._pieces == 1:
                head.pace.took(self._clock.monotonic() - started, len(found.entries))
        self.is_behind = self.is_behind or found.until < found.size
        return bool(found.entries) or any(head.has_rest for head in group)
