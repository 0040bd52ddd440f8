"""A SQLite database of the index: opened, written and read. A view is rebuilt where one is broken.

The log's own door is another one: what is acknowledged there must survive everything, what stands
here follows from it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import apsw

from deploytrail.errors import Busy, DiskFull, Misconfigured, NotFound, NotPermitted
from deploytrail.index.sqlite import sql

_CACHE_KIB: Final = 16_384
_BUSY_MS: Final = 10_000
_WAL_PAGES: Final = 8_192
_WAL_BYTES_MAX: Final = 32 * 1024 * 1024


def connected(path: Path, *, is_writer: bool) -> apsw.Connection:
    """A connection to a database that is there."""
    if not path.exists():
        raise NotFound(f"{path}: expected an index, found nothing; 'deploytrail index rebuild'")
    flags = apsw.SQLITE_OPEN_READWRITE if is_writer else apsw.SQLITE_OPEN_READONLY
    with own_errors(path):
        connection = apsw.Connection(str(path), flags=flags)
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_VIEW, 0)
        connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
        connection.set_busy_timeout(_BUSY_MS)
        connection.pragma("cache_size", -_CACHE_KIB)
        if is_writer:
            # What an erased person's words stood in is overwritten, not only let go.
            connection.pragma("secure_delete", True)
            # Whatever is lost with the power is read from the log again; rows and cursor go
            # together, since a write-ahead log is lost from its end.
            connection.pragma("synchronous", "NORMAL")
            connection.wal_autocheckpoint(_WAL_PAGES)
            # What replaces a million entries makes it long once.
            connection.pragma("journal_size_limit", _WAL_BYTES_MAX)
    return connection


def create(path: Path, statements: str, rows: tuple[tuple[str, tuple[object, ...]], ...]) -> None:
    """Make a database with its tables, all of it or nothing: it gets its name at the end."""
    making = path.with_name(path.name + ".making")
    making.unlink(missing_ok=True)
    with own_errors(path):
        connection = bare(making)
        with connection:
            connection.execute(statements).fetchall()
            for statement, values in rows:
                connection.execute(statement, values)
        seal(connection)
    making.rename(path)
    sync(path.parent)


def bare(path: Path) -> apsw.Connection:
    """A new database that nobody else sees: without a journal, since nobody misses it."""
    connection = apsw.Connection(str(path))
    connection.pragma("page_size", sql.PAGE_BYTES)
    connection.pragma("journal_mode", "OFF")
    connection.pragma("synchronous", "OFF")
    connection.pragma("locking_mode", "EXCLUSIVE")
    return connection


def seal(connection: apsw.Connection) -> None:
    """End what `bare` began: others may read it, and it is durable but for its name."""
    path = Path(connection.filename)
    connection.pragma("locking_mode", "NORMAL")
    connection.pragma("journal_mode", "WAL")
    connection.close()
    sync(path)


def sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """A database with what SQLite keeps beside it."""
    for beside in ("", "-wal", "-shm"):
        path.with_name(path.name + beside).unlink(missing_ok=True)


@contextmanager
def transaction(connection: apsw.Connection, path: Path, how: str) -> Iterator[None]:
    """`how` is DEFERRED for a moment to read in, IMMEDIATE for one to write in."""
    with own_errors(path):
        connection.execute(f"BEGIN {how}")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            with suppress(apsw.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            raise


def scrub(connection: apsw.Connection, path: Path) -> None:
    """Move what was written into the database and empty the write-ahead log."""
    with own_errors(path):
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)


@contextmanager
def own_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except apsw.BusyError as error:
        raise Busy(f"{path}: another process holds it; try again") from error
    except apsw.FullError as error:
        raise DiskFull(f"{path}: no room left on its disk; free some, then it goes on") from error
    except (apsw.CorruptError, apsw.NotADBError, apsw.SQLError, apsw.IOError) as error:
        raise Misconfigured(
            f"{path}: expected an index as we write it, found {error}; "
            "'deploytrail index rebuild' makes it anew from the log"
        ) from error
    except (apsw.ReadOnlyError, apsw.CantOpenError) as error:
        raise NotPermitted(f"{path}: expected to open or write it, but may not: {error}") from error
