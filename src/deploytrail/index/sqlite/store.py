"""Where the index of a directory stands: `follow.view.ViewStore` over folders and two names.

`current` and `successor` are files with the name of a folder; each is replaced in one step. What
no file names was left behind and is removed by whoever holds the follower's lease.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Final

from deploytrail.errors import Misconfigured, NotFound
from deploytrail.follow.view import Cursors
from deploytrail.index import contract
from deploytrail.index.engine import SegmentedIndex
from deploytrail.index.makers import Makers
from deploytrail.index.part import Memory
from deploytrail.index.sqlite.database import sync
from deploytrail.index.sqlite.shelf import SqliteShelf

_CURRENT: Final = "current"
_SUCCESSOR: Final = "successor"
_folder: Final = re.compile(r"v([0-9]{1,9})-([0-9]{1,9})").fullmatch


class SqliteIndexStore:
    """The indexes of one log below a directory, which need not be there yet."""

    def __init__(self, directory: Path, origin: str) -> None:
        self._directory = directory
        self._origin = origin
        self._makers = 0

    @property
    def name(self) -> str:
        return contract.NAME

    @property
    def version(self) -> int:
        return contract.VERSION

    def use_makers(self, count: int) -> None:
        self._makers = count

    def cursors(self) -> Cursors:
        current = self._named(_CURRENT)
        return Cursors(_cursor(current), _cursor(self._begun()))

    def current(self) -> SegmentedIndex | None:
        return self._opened(self._named(_CURRENT))

    def successor(self) -> SegmentedIndex | None:
        return self._opened(self._begun())

    def begin(self) -> None:
        if _cursor(self._begun()) is not None:
            return
        if not self._directory.exists():
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync(self._directory.parent)
        (self._directory / _SUCCESSOR).unlink(missing_ok=True)
        self._remove_strays()
        numbers = [int(found[2]) for each in self._folders() if (found := _folder(each.name))]
        folder = self._directory / f"v{self.version}-{max(numbers, default=0) + 1}"
        SqliteShelf.create(folder, self._origin)
        self._name(_SUCCESSOR, folder)

    def swap(self) -> None:
        successor = self._begun()
        if successor is not None:
            # Stopped behind this line, it is the current one, and no successor of itself.
            self._name(_CURRENT, successor)
        (self._directory / _SUCCESSOR).unlink(missing_ok=True)
        self._remove_strays()

    def discard(self) -> None:
        (self._directory / _SUCCESSOR).unlink(missing_ok=True)
        self._remove_strays()

    def reader(self, memory: Memory | None = None) -> SegmentedIndex | None:
        """Open the current one to ask it; None where there is none of this version."""
        current = self._named(_CURRENT)
        if current is None:
            return None
        try:
            return SegmentedIndex(SqliteShelf(current), memory)
        except NotFound:
            # It was swapped between the two.
            return None if self._named(_CURRENT) == current else self.reader(memory)

    def edition(self) -> str:
        """Changes when another index takes the place of the current one."""
        current = self._named(_CURRENT)
        return "" if current is None else current.name

    def close(self) -> None:
        """Nothing of it is open."""

    def _begun(self) -> Path | None:
        found = self._named(_SUCCESSOR)
        return None if found is None or found == self._named(_CURRENT) else found

    def _named(self, which: str) -> Path | None:
        """The folder that a file names, if it is of this version."""
        try:
            text = (self._directory / which).read_text(encoding="ascii")
        except (FileNotFoundError, UnicodeDecodeError):
            return None
        found = _folder(text)
        if found is None or int(found[1]) != self.version:
            return None
        return self._directory / text

    def _name(self, which: str, folder: Path) -> None:
        path = self._directory / which
        new = path.with_name(which + ".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, folder.name.encode("ascii"))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        new.rename(path)
        sync(self._directory)

    def _folders(self) -> list[Path]:
        return [each for each in self._directory.iterdir() if _folder(each.name)]

    def _remove_strays(self) -> None:
        if not self._directory.exists():
            return
        known = set()
        for which in (_CURRENT, _SUCCESSOR):
            path = self._directory / which
            # Of another version, too: it answers its readers until another takes its place.
            if path.exists():
                known.add(path.read_text(encoding="ascii", errors="replace"))
        for folder in self._folders():
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)

    def _opened(self, folder: Path | None) -> SegmentedIndex | None:
        if folder is None:
            return None
        makers = Makers(self._origin, self._makers) if self._makers else None
        return SegmentedIndex(SqliteShelf(folder, is_writer=True), makers=makers)


def _cursor(folder: Path | None) -> int | None:
    if folder is None:
        return None
    try:
        shelf = SqliteShelf(folder)
    except (NotFound, Misconfigured):
        # What is no index is as good as none: then it is made anew.
        return None
    try:
        with shelf.reading() as moment:
            return moment.cursor()
    finally:
        shelf.close()
