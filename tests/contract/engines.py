"""Engines of the store's contract: each makes an empty log and opens it as often as asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

import pytest

from deploytrail.clock import Clock, microseconds
from deploytrail.log.store import Store
from deploytrail.stores.postgres.address import Address
from deploytrail.stores.postgres.creating import creating
from deploytrail.stores.postgres.database import Writing
from deploytrail.stores.postgres.fence import Fence
from deploytrail.stores.postgres.link import Waits
from deploytrail.stores.postgres.log import PostgresLog
from deploytrail.stores.sqlite.database import Guard
from deploytrail.stores.sqlite.log import SqliteLog
from tests.postgresql import Server

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


class PostgresEngine:
    """A database of its own; each opened store has connections of its own, as a process would."""

    def __init__(self, server: Server, clock: Clock, *, wait_seconds_max: float = 0.2) -> None:
        self._server = server
        self.name = server.database()
        self.address = Address(server.url(self.name))
        self.waits = Waits(lock=wait_seconds_max)
        self._clock = clock
        self._opened: list[PostgresLog] = []
        with creating(self.address, self.waits) as link:
            PostgresLog.create(link, ORIGIN, b"a policy")

    def open(self, address: Address | None = None, waits: Waits | None = None) -> PostgresLog:
        """By another way, or with other patience, if so asked."""
        address, waits = address or self.address, waits or self.waits
        store = PostgresLog(address, Fence(address, waits), self._clock, waits, now=self._now)
        self._opened.append(store)
        return store

    def _now(self, _: Writing) -> int:
        return microseconds(self._clock.now())

    def bytes(self) -> bytes:
        return self._server.bytes(self.name)

    def close(self) -> None:
        for store in self._opened:
            store.close()
        self._opened.clear()


ENGINES: dict[str, Callable[[pytest.FixtureRequest, Path, Clock], Engine]] = {
    "sqlite": lambda _, directory, clock: SqliteEngine(directory, clock),
    "postgres": lambda request, _, clock: PostgresEngine(
        request.getfixturevalue("postgres_server"), clock
    ),
}
