"""Engines of the store's contract: each makes an empty log and opens it as often as asked."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, TypeVar

from deploytrail.clock import Clock
from deploytrail.log.store import Store
from deploytrail.stores.sqlite.database import Guard
from deploytrail.stores.sqlite.log import SqliteLog

LogKind = TypeVar("LogKind", bound=SqliteLog)
ORIGIN = "deploytrail.test/contract/1"


class Engine(Protocol):
    """One log of `ORIGIN`. `bytes` is everything that the engine keeps of it on the disk."""

    def open(self) -> Store: ...
    def bytes(self) -> bytes: ...
    def close(self) -> None: ...


class SqliteEngine:
    """A directory with a `log.db`; each opened store has locks of its own, as a process would."""

    def __init__(self, directory: Path, clock: Clock, *, wait_seconds_max: float = 0.2) -> None:
        self.path = directory / "log.db"
        self._clock = clock
        self._wait_seconds_max = wait_seconds_max
        self._opened: list[tuple[SqliteLog, Guard]] = []
        SqliteLog.create(self.path, ORIGIN)

    def open(self) -> SqliteLog:
        return self.open_as(SqliteLog)

    def open_as(self, kind: type[LogKind]) -> LogKind:
        guard = Guard(self.path.parent, wait_seconds_max=self._wait_seconds_max)
        store = kind(self.path, guard, self._clock)
        guard.settle(store)
        self._opened.append((store, guard))
        return store

    def bytes(self) -> bytes:
        return b"".join(path.read_bytes() for path in sorted(self.path.parent.glob("log.db*")))

    def close(self) -> None:
        for store, guard in self._opened:
            store.close()
            guard.close()
        self._opened.clear()


ENGINES = {"sqlite": SqliteEngine}
