"""Engines of the index's contract: each makes an empty index and opens it as often as asked."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from deploytrail.index.engine import SegmentedIndex
from deploytrail.index.sqlite.shelf import SqliteShelf
from tests.index.entries import ORIGIN


class IndexEngine(Protocol):
    """Empty indexes of `ORIGIN`, each by a name. `bytes` is all that is kept of one on the disk."""

    def writer(self, name: str = "index", *, home_entries: int = 1 << 20) -> SegmentedIndex: ...
    def reader(self, name: str = "index") -> SegmentedIndex: ...
    def bytes(self, name: str = "index") -> bytes: ...
    def close(self) -> None: ...


class SqliteIndexEngine:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._opened: list[SegmentedIndex] = []

    def writer(self, name: str = "index", *, home_entries: int = 1 << 20) -> SegmentedIndex:
        if not (self._directory / name).exists():
            SqliteShelf.create(self._directory / name, ORIGIN)
        return self._open(name, is_writer=True, home_entries=home_entries)

    def reader(self, name: str = "index") -> SegmentedIndex:
        return self._open(name, is_writer=False, home_entries=1 << 20)

    def _open(self, name: str, *, is_writer: bool, home_entries: int) -> SegmentedIndex:
        shelf = SqliteShelf(self._directory / name, is_writer=is_writer)
        index = SegmentedIndex(shelf, home_entries=home_entries)
        self._opened.append(index)
        return index

    def bytes(self, name: str = "index") -> bytes:
        return b"".join(path.read_bytes() for path in sorted((self._directory / name).iterdir()))

    def close(self) -> None:
        for index in self._opened:
            index.close()
        self._opened.clear()


INDEX_ENGINES = {"sqlite": SqliteIndexEngine}
