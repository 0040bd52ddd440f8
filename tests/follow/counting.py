"""A view for tests, real but small: how often each action came, and what subjects said.

In one SQLite file; its store is a directory with one file for each place. `stop` is called between
any two of its steps, so that a test can end it there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from deploytrail.entry import unbase64url
from deploytrail.errors import Conflict
from deploytrail.follow.view import Cursors, Read

ORIGIN: Final = "deploytrail.test/contract/1"
_SCHEMA: Final = """
CREATE TABLE place(cursor INTEGER NOT NULL, origin TEXT NOT NULL);
CREATE TABLE counted(action TEXT PRIMARY KEY, count INTEGER NOT NULL);
CREATE TABLE said(at INTEGER, digest TEXT, subjects TEXT NOT NULL, text TEXT,
  PRIMARY KEY(at, digest));
"""
Stop = Callable[[str], None]
Rows = tuple[list[tuple[str, int]], list[tuple[int, str, str | None]]]


class Counting:
    """The view; see `follow.view.View`."""

    name = "counting"

    def __init__(self, path: Path, version: int, stop: Stop) -> None:
        self.version = version
        self._stop = stop
        # No waiting for a lock: who has the lease is alone.
        self._file = sqlite3.connect(path, isolation_level=None, timeout=0)
        self._file.execute("PRAGMA synchronous = OFF")

    @property
    def origin(self) -> str:
        return str(self._file.execute("SELECT origin FROM place").fetchone()[0])

    def cursor(self) -> int:
        return int(self._file.execute("SELECT cursor FROM place").fetchone()[0])

    def apply(self, read: Read) -> None:
        self._file.execute("BEGIN IMMEDIATE")
        try:
            self._apply(read)
        except BaseException:
            self._file.execute("ROLLBACK")
            raise
        self._file.execute("COMMIT")
        self._stop("applied")

    def _apply(self, read: Read) -> None:
        if self.cursor() != read.first:
            raise Conflict(f"cursor: expected {read.first}, found {self.cursor()}")
        texts = read.disclosures(read.entries)
        for at, fields in enumerate(read.fields, read.first):
            self._file.execute(
                "INSERT INTO counted VALUES (?, 1) ON CONFLICT DO UPDATE SET count = count + 1",
                (fields["action"],),
            )
            owners: Any = fields.get("subjects", {})
            listed: Any = fields.get("_sd", ())
            for digest in listed:
                text = texts.get(unbase64url(digest))
                shown = None if text is None else text.decode()
                row = (at, digest, " ".join(sorted({*owners.values()})), shown)
                self._file.execute("INSERT INTO said VALUES (?, ?, ?, ?)", row)
        self._stop("rows")
        self._file.execute("UPDATE place SET cursor = ?", (read.until,))
        self._stop("cursor")

    def rest(self) -> bool:
        return False

    def erase(self, subject: str) -> None:
        self._file.execute("UPDATE said SET text = NULL WHERE instr(subjects, ?)", (subject,))
        self._stop("erased")

    def rows(self) -> Rows:
        counted = self._file.execute("SELECT action, count FROM counted ORDER BY 1").fetchall()
        said = self._file.execute(
            "SELECT at, subjects, text FROM said ORDER BY at, digest"
        ).fetchall()
        return counted, said

    def close(self) -> None:
        self._file.close()


class CountingStore:
    """`current-V` and `successor-V`, each whole or absent; see `follow.view.ViewStore`."""

    name = Counting.name

    def __init__(
        self,
        directory: Path,
        *,
        version: int = 1,
        origin: str = ORIGIN,
        stop: Stop = lambda _: None,
        kind: type[Counting] = Counting,
    ) -> None:
        self.version = version
        self._directory = directory
        self._origin = origin
        self._stop = stop
        self._kind = kind
        self.opened: list[Counting] = []
        directory.mkdir(exist_ok=True)

    def cursors(self) -> Cursors:
        return Cursors(self._cursor("current"), self._cursor("successor"))

    def current(self) -> Counting | None:
        return self._open("current")

    def successor(self) -> Counting | None:
        return self._open("successor")

    def begin(self) -> None:
        if self._path("successor").exists():
            return
        new = self._directory / "new"
        new.unlink(missing_ok=True)
        self._stop("beginning")
        with sqlite3.connect(new) as file:
            file.executescript(_SCHEMA)
            file.execute("INSERT INTO place VALUES (0, ?)", (self._origin,))
        file.close()
        self._stop("made")
        new.rename(self._path("successor"))
        self._stop("begun")

    def swap(self) -> None:
        self._stop("swapping")
        self._path("successor").replace(self._path("current"))
        self._stop("swapped")
        for path in self._directory.glob("current-*"):
            if path != self._path("current"):
                path.unlink()

    def discard(self) -> None:
        self._path("successor").unlink(missing_ok=True)

    def answering(self) -> Rows | None:
        """What readers are told: by the newest complete one, of whatever version."""
        found = sorted(self._directory.glob("current-*"))
        if not found:
            return None
        view = Counting(found[-1], self.version, lambda _: None)
        rows = view.rows()
        view.close()
        return rows

    def die(self) -> None:
        """What the end of a process does to what it has open: nothing is committed."""
        for view in self.opened:
            view.close()

    def _open(self, place: str) -> Counting | None:
        if not self._path(place).exists():
            return None
        view = self._kind(self._path(place), self.version, self._stop)
        self.opened.append(view)
        return view

    def _cursor(self, place: str) -> int | None:
        with suppress(sqlite3.OperationalError):
            path = self._path(place)
            if path.exists():
                file = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1)
                try:
                    return int(file.execute("SELECT cursor FROM place").fetchone()[0])
                finally:
                    file.close()
        return None

    def _path(self, place: str) -> Path:
        return self._directory / f"{place}-{self.version}"
