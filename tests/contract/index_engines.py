"""Engines of the index's contract: each makes an empty index and opens it as often as asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from deploytrail.index.engine import SegmentedIndex
from deploytrail.index.joining import Allowance
from deploytrail.index.makers import Makers
from deploytrail.index.postgres.shelf import PostgresShelf
from deploytrail.index.sqlite.shelf import SqliteShelf
from tests.index.entries import ORIGIN

if TYPE_CHECKING:
    from tests.postgresql import Server


USUAL = Allowance()


class IndexEngine(Protocol):
    """Empty indexes of `ORIGIN`, each by a name. `bytes` is all that is kept of one on the disk."""

    def writer(
        self,
        name: str = "index",
        *,
        home_entries: int = 1 << 20,
        part_entries: int = 4_096,
        makers: Makers | None = None,
        allowance: Allowance = USUAL,
    ) -> SegmentedIndex: ...
    def reader(self, name: str = "index") -> SegmentedIndex: ...
    def bytes(self, name: str = "index") -> bytes: ...
    def close(self) -> None: ...


class SqliteIndexEngine:
    def __init__(self, request: pytest.FixtureRequest, directory: Path) -> None:
        self._directory = directory
        self._opened: list[SegmentedIndex] = []

    def writer(self, name: str = "index", **options: Any) -> SegmentedIndex:
        if not (self._directory / name).exists():
            SqliteShelf.create(self._directory / name, ORIGIN)
        return self._open(name, is_writer=True, **options)

    def reader(self, name: str = "index") -> SegmentedIndex:
        return self._open(name, is_writer=False)

    def _open(self, name: str, *, is_writer: bool, **options: Any) -> SegmentedIndex:
        shelf = SqliteShelf(self._directory / name, is_writer=is_writer)
        index = SegmentedIndex(shelf, **options)
        self._opened.append(index)
        return index

    def bytes(self, name: str = "index") -> bytes:
        return b"".join(path.read_bytes() for path in sorted((self._directory / name).iterdir()))

    def close(self) -> None:
        for index in self._opened:
            index.close()
        self._opened.clear()


class PostgresIndexEngine:
    """A database of its own on the server of all tests; an index is a schema in it."""

    def __init__(self, request: pytest.FixtureRequest, directory: Path) -> None:
        self._server: Server = request.getfixturevalue("postgres_server")
        self._database = self._server.database()
        self._opened: list[SegmentedIndex] = []
        self._made: set[str] = set()

    def writer(self, name: str = "index", **options: Any) -> SegmentedIndex:
        if name not in self._made:
            PostgresShelf.create(self._server.url(self._database), name, ORIGIN)
            self._made.add(name)
        return self._open(name, is_writer=True, **options)

    def reader(self, name: str = "index") -> SegmentedIndex:
        return self._open(name, is_writer=False)

    def _open(self, name: str, *, is_writer: bool, **options: Any) -> SegmentedIndex:
        shelf = PostgresShelf(self._server.url(self._database), name, is_writer=is_writer)
        index = SegmentedIndex(shelf, **options)
        self._opened.append(index)
        return index

    def bytes(self, name: str = "index") -> bytes:
        return self._server.bytes(self._database)

    def close(self) -> None:
        for index in self._opened:
            index.close()
        self._opened.clear()


INDEX_ENGINES: dict[str, Callable[[pytest.FixtureRequest, Path], IndexEngine]] = {
    "postgres": PostgresIndexEngine,
    "sqlite": SqliteIndexEngine,
}
