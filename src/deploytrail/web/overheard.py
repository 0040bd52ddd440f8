"""What the writer has just logged, kept for the tail for as long as it takes to be sent.

The tail needs not read again, open and check what this process still knows. What is missing here,
since others logged it or too much came at once, is in the log.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from deploytrail.app.events.recording import Recorded, Said
from deploytrail.errors import SenderError
from deploytrail.trail import Receipt

KEPT_BYTES_MAX: Final = 4 * 1024 * 1024
"""Of entries; as Python has them, their events take some five times as much."""


class New(NamedTuple):
    """An entry that is new in the log."""

    receipt: Receipt
    said: Said


class Overheard:
    """Entries by their index, the newest of them if there are too many. For any two threads."""

    def __init__(self, bytes_max: int = KEPT_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._turn = threading.Lock()
        self._kept: deque[New] = deque()
        self._bytes = 0

    def hear(self, answers: Iterable[Recorded | SenderError]) -> None:
        """What became of a commit, in the order of the commits."""
        new = [
            New(one.receipt, one.said)
            for one in answers
            if isinstance(one, Recorded) and one.said is not None
        ]
        with self._turn:
            self._kept.extend(new)
            self._bytes += sum(len(one.said.entry) for one in new)
            while self._bytes > self._bytes_max:
                self._drop()

    def next(self, index: int, count_max: int) -> list[New]:
        """Those from that index on, without a gap; none where it is not here. What lies before it
        is forgotten.
        """
        found: list[New] = []
        with self._turn:
            while self._kept and self._kept[0].receipt.index < index:
                self._drop()
            while (
                self._kept
                and len(found) < count_max
                and self._kept[0].receipt.index == index + len(found)
            ):
                found.append(self._drop())
        return found

    def first(self) -> int | None:
        """The index of the first that is here."""
        with self._turn:
            return self._kept[0].receipt.index if self._kept else None

    def forget(self) -> None:
        with self._turn:
            self._kept.clear()
            self._bytes = 0

    def _drop(self) -> New:
        dropped = self._kept.popleft()
        self._bytes -= len(dropped.said.entry)
        return dropped
