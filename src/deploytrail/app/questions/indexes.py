"""The index to ask now: opened once, and again when another takes its place."""

from __future__ import annotations

from typing import Protocol

from deploytrail.follow.view import Cursors, ViewStore
from deploytrail.index.contract import Index
from deploytrail.index.part import Memory


class Stand(Protocol):
    """Where an index stands, for those who ask it."""

    def cursors(self) -> Cursors: ...
    def edition(self) -> str: ...
    def reader(self, memory: Memory | None = None) -> Index | None: ...
    def close(self) -> None: ...


class IndexStore(Stand, ViewStore, Protocol):
    """Where an index stands, for those who ask it and for whoever moves it."""

    def use_makers(self, count: int) -> None:
        """Let views that are opened from now on make what they take in by so many processes."""
        ...


class CurrentIndex:
    """`app.searching.Indexes` over where an index stands. Belongs to one thread.

    `memory` is shared by all threads of a process that ask the same log.
    """

    def __init__(self, stand: Stand, memory: Memory | None = None) -> None:
        self._stand = stand
        self._memory = memory
        self._opened: Index | None = None
        self._edition = ""

    def current(self) -> Index | None:
        edition = self._stand.edition()
        if self._opened is None or edition != self._edition:
            self._let_go()
            # What another index had under the same numbers is not what this one has.
            if self._memory is not None and self._edition:
                self._memory.clear()
            self._opened = self._stand.reader(self._memory)
            self._edition = edition
        return self._opened

    def cursor(self) -> int | None:
        return self._stand.cursors().current

    def close(self) -> None:
        self._let_go()
        self._stand.close()

    def _let_go(self) -> None:
        if self._opened is not None:
            self._opened.close()
        self._opened = None
