"""The databases as an examiner opens them: to read only, with no lock file and no fence touched.

Whatever SQLite can't read is Tampered here, not a reason to fence: the file may be a copy that
somebody handed over.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import apsw

from deploytrail.errors import Busy, DeploytrailError, NotFound, NotPermitted, Tampered
from deploytrail.stores.packing import unpacked
from deploytrail.stores.sqlite import log_sql as sql
from deploytrail.stores.sqlite.keys import SHAPE as KEYS_SHAPE
from deploytrail.stores.sqlite.keys import KeyRows
from deploytrail.stores.sqlite.log import SHAPE, SqliteReader
from deploytrail.stores.sqlite.shape import refuse_foreign
from deploytrail.vault.subject import Subject

_BUSY_MILLISECONDS: Final = 10_000
_COPIES_TRIED_MAX: Final = 20
_VALUE_BYTES_MAX: Final = 20 * 1024 * 1024
"""A bundle has at most 256 entries of 64 KB, packed to hardly more than that."""
_NO_OBJECTION: Final = frozenset({"ok", "*** in database main ***"})
_OF_A_TREE: Final = re.compile(r"^Tree \d+ ")
"""How SQLite calls a table or index by its first page, which tells nobody anything."""
_OBJECTIONS_MAX: Final = 10
_HEADER_BYTES: Final = 100
_STORED: Final = 1
"""The state of a bundle whose entries are there."""


class ExaminedLog(SqliteReader):
    """Reads of one file. `renew` ends the moment and begins another, so that none lasts long."""

    def __init__(self, connection: apsw.Connection) -> None:
        super().__init__(connection)
        try:
            with unreadable("log.db, page 1 (its header and tables)"):
                self._refuse_foreign()
        except Tampered as error:
            raise Tampered(f"{error}{_cut_off(Path(connection.filename))}") from None
        connection.execute("BEGIN")
        self._ahead = ThreadPoolExecutor(max_workers=1)
        self._next: tuple[int, Future[bytes]] | None = None

    def _refuse_foreign(self) -> None:
        if self._connection.pragma("application_id") != sql.APPLICATION_ID:
            raise Tampered("log.db: expected a log of Deploytrail, found another's file")
        # A view in a table's place could compute for ever.
        refuse_foreign(self._connection, SHAPE, Path("log.db"))

    def bundle(self, number: int) -> bytes | None:
        """As `SqliteReader.bundle`; the one behind it is unpacked meanwhile by another thread.

        Whoever examines reads in order, and unpacking leaves the interpreter's lock alone.
        """
        waiting, self._next = self._next, None
        if waiting is None or waiting[0] != number:
            waiting = self._unpacking(number)
        # A page that can't be read is told when the bundle on it is asked for.
        with suppress(apsw.Error):
            self._next = self._unpacking(number + 1)
        return None if waiting is None else waiting[1].result()

    def _unpacking(self, number: int) -> tuple[int, Future[bytes]] | None:
        row = self._connection.execute(sql.BUNDLE, (number,)).fetchone()
        return None if row is None else (number, self._ahead.submit(_examined_bundle, row, number))

    def close(self) -> None:
        self._ahead.shutdown()

    def renew(self) -> None:
        self._connection.execute("ROLLBACK")
        self._connection.execute("BEGIN")

    def structure(self) -> list[str]:
        """What SQLite's own check of pages and trees finds, by table; empty where all is sound."""
        found = self._checked("PRAGMA integrity_check")
        if not found:
            return []
        tables = [row[0] for row in self._connection.execute(sql.TABLES)]
        by_table = [
            f"table {table}: {what}"
            for table in tables
            for what in self._checked(f"PRAGMA integrity_check({table})")
        ]
        # What no table owns up to lies between them: pages that nobody uses, or two do.
        return by_table or found

    def _checked(self, pragma: str) -> list[str]:
        """The first lines of such a check."""
        lines: list[str] = []
        try:
            for (text,) in self._connection.execute(pragma):
                lines += str(text).split("\n")
        except apsw.Error as error:
            lines.append(str(error))
        told = [_OF_A_TREE.sub("", line) for line in lines if line not in _NO_OBJECTION]
        return told[:_OBJECTIONS_MAX]

    def count(self, kind: str) -> int:
        """How many rows there are of a kind; named as the fields of `Inventory`."""
        ((found,),) = self._connection.execute(sql.COUNTS[kind])
        return int(found)

    def newest_note(self) -> tuple[int, bytes] | None:
        """Size and note, without cosignatures, of the newest checkpoint."""
        row = self._connection.execute(sql.NEWEST_NOTE).fetchone()
        return None if row is None else (row[0], row[1])

    def cosignature_rows(self, size: int) -> list[tuple[bytes, bytes]]:
        """Those of a checkpoint: (id of its key, its line)."""
        return list(self._connection.execute(sql.COSIGNATURE_ROWS, (size,)))

    def stray_cosignatures(self) -> list[int]:
        """Sizes, up to a hundred, that have a cosignature and no checkpoint."""
        return [row[0] for row in self._connection.execute(sql.STRAY_COSIGNATURES)]


class ExaminedKeys:
    """Reads of a copy of `keys.db`. Raises Tampered where a key does not unwrap."""

    def __init__(self, connection: apsw.Connection, wrapping_key: bytes) -> None:
        self._rows = KeyRows(connection, wrapping_key)
        with unreadable("keys.db"):
            refuse_foreign(connection, KEYS_SHAPE, Path("keys.db"))
        try:
            with unreadable("keys.db"):
                self.secrets = self._rows.secrets()
        except Tampered as error:
            raise Tampered(f"keys.db: {str(error).removeprefix('keys.db: ')}") from None

    def subject(self, id: bytes) -> Subject | None:
        with unreadable("keys.db"):
            return self._rows.subject(id)

    def identities_checked(self) -> int:
        with unreadable("keys.db"):
            return self._rows.identities_checked()


def _examined_bundle(row: tuple[Any, ...], number: int) -> bytes:
    """As `unpacked`; nothing reads the state of a bundle but whoever examines it."""
    if row[0] != _STORED:
        raise Tampered(f"bundle {number}: expected state {_STORED}, found {row[0]!r:.20}")
    return unpacked(row[1], number)


@contextmanager
def unreadable(what: str) -> Iterator[None]:
    """SQLite's errors within the block as Tampered."""
    try:
        yield
    except DeploytrailError:
        raise
    except apsw.Error as error:
        raise Tampered(f"{what}: can't be read: {error}") from error
    except (TypeError, ValueError) as error:
        raise Tampered(f"{what}: holds a value of another type: {error}") from error


@contextmanager
def examined(path: Path) -> Iterator[apsw.Connection]:
    """A database, read where it lies if its directory may be written, else from a copy.

    SQLite reads a write-ahead log only with its index beside it, which it must be able to make.
    Never opened as immutable: that would silently leave out what is only in the write-ahead log.
    """
    if not path.exists():
        raise NotFound(f"{path}: expected a database, found nothing")
    with ExitStack() as stack:
        if not _may_be_shared(path):
            path = _copied(path, Path(stack.enter_context(TemporaryDirectory())))
        try:
            connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        except apsw.CantOpenError:
            raise NotPermitted(f"{path}: expected to read it, but may not") from None
        stack.callback(connection.close)
        # What lies in the file may be anybody's: no code in it, no value larger than ours can be.
        connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
        connection.limit(apsw.SQLITE_LIMIT_LENGTH, _VALUE_BYTES_MAX)
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.set_busy_timeout(_BUSY_MILLISECONDS)
        yield connection


def _cut_off(path: Path) -> str:
    """Where a database ends that should go on; empty where it doesn't say so.

    Told only of one that can't be read: a checkpoint of the write-ahead log that was stopped
    leaves a file that is too short, and sound.
    """
    with path.open("rb") as stream:
        head = stream.read(_HEADER_BYTES)
    size = path.stat().st_size
    # Database File Format §1.3: the page's size, where 1 is 65,536, and how many pages there are.
    page = int.from_bytes(head[16:18], "big")
    whole = max(_HEADER_BYTES, (65_536 if page == 1 else page) * int.from_bytes(head[28:32], "big"))
    return f"; it ends at byte {size:,} of {whole:,}" if size < whole else ""


def _copied(path: Path, directory: Path) -> Path:
    """A copy of one moment; raises Busy where writers leave none."""
    for _ in range(_COPIES_TRIED_MAX):
        before = _stamps(path)
        for suffix in ("", "-wal"):
            if Path(f"{path}{suffix}").exists():
                shutil.copyfile(f"{path}{suffix}", directory / f"{path.name}{suffix}")
        # A checkpoint between the two would leave entries in neither.
        if _stamps(path) == before:
            return directory / path.name
    raise Busy(f"{path}: expected a moment without writers to copy it, found none; try again")


def _stamps(path: Path) -> list[tuple[int, int] | None]:
    """Size and time of the last change, of the database and its write-ahead log."""
    stamps: list[tuple[int, int] | None] = []
    for each in (path, Path(f"{path}-wal")):
        try:
            found = each.stat()
            stamps.append((found.st_size, found.st_mtime_ns))
        except FileNotFoundError:
            stamps.append(None)
    return stamps


def _may_be_shared(path: Path) -> bool:
    beside = [Path(f"{path}{suffix}") for suffix in ("", "-wal", "-shm")]
    return all(os.access(each, os.W_OK) for each in (path.parent, *beside) if each.exists())
