"""The databases as an examiner opens them: to read only, with no lock file and no fence touched.

Whatever SQLite can't read is Tampered here, not a reason to fence: the file may be a copy that
somebody handed over.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import apsw

from deploytrail.errors import Busy, DeploytrailError, NotFound, NotPermitted, Tampered
from deploytrail.stores.sqlite import log_sql as sql
from deploytrail.stores.sqlite.keys import SHAPE as KEYS_SHAPE
from deploytrail.stores.sqlite.keys import KeyRows
from deploytrail.stores.sqlite.log import SHAPE, SqliteReader
from deploytrail.stores.sqlite.packing import unpacked
from deploytrail.stores.sqlite.shape import refuse_foreign
from deploytrail.vault.subject import Subject

_BUSY_MILLISECONDS: Final = 10_000
_COPIES_TRIED_MAX: Final = 20
_VALUE_BYTES_MAX: Final = 20 * 1024 * 1024
"""A bundle has at most 256 entries of 64 KB, packed to hardly more than that."""
_STORED: Final = 1
"""The state of a bundle whose entries are there."""


class ExaminedLog(SqliteReader):
    """Reads of one file. `renew` ends the moment and begins another, so that none lasts long."""

    def __init__(self, connection: apsw.Connection) -> None:
        super().__init__(connection)
        with unreadable("log.db"):
            if connection.pragma("application_id") != sql.APPLICATION_ID:
                raise Tampered("log.db: expected a log of Deploytrail, found another's file")
            # A view in a table's place could compute for ever.
            refuse_foreign(connection, SHAPE, Path("log.db"))
            connection.execute("BEGIN")
        self._ahead = ThreadPoolExecutor(max_workers=1)
        self._next: tuple[int, Future[bytes]] | None = None

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
        """What SQLite's own check of pages and trees finds; empty where all is sound."""
        try:
            found = [str(row[0]) for row in self._connection.execute("PRAGMA integrity_check")]
        except apsw.Error as error:
            found = [str(error)]
        return [] if found == ["ok"] else found

    def newest_note(self) -> tuple[int, bytes] | None:
        """Size and note, without cosignatures, of the newest checkpoint."""
        row = self._connection.execute(sql.CHECKPOINT).fetchone()
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
            self.secrets = self._rows.secrets()

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
