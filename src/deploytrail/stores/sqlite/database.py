"""One SQLite database as a durable thing: opened, written and read so that nothing is pretended.

The rules are those of LOG.md, "Commit"; each stands at its line. Knows no table.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

import apsw

from deploytrail.errors import (
    Busy,
    CommitUnknown,
    DiskFull,
    Fenced,
    NotFound,
    NotPermitted,
)
from deploytrail.stores.sqlite.locks import FileLock
from deploytrail.stores.sqlite.place import (
    MOUNTS,
    identity,
    is_first_use,
    raise_fence,
    refuse_fenced,
    refuse_network,
)
from deploytrail.stores.sqlite.shape import Shape, refuse_foreign, refuse_sqlite, step_forward

WAL_PAGES_PASSIVE: Final = 16_384
WAL_PAGES_TRUNCATE: Final = 131_072
WRITER_LOCK: Final = "log.lock"
PAGE_BYTES: Final = 4_096
_SYNC_ERRORS: Final = {
    apsw.SQLITE_IOERR_FSYNC,
    apsw.SQLITE_IOERR_DIR_FSYNC,
    apsw.SQLITE_IOERR_TRUNCATE,
}
_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT}
_NOT_OURS: Final = (
    apsw.CorruptError, apsw.NotADBError, apsw.ConstraintError, apsw.MismatchError,
    apsw.SchemaChangeError, apsw.SQLError,
)  # fmt: skip
"""What SQLite only says of pages, rows or tables that are not as we wrote them."""


Row = tuple[str, tuple[str | int | bytes, ...]]
"""A statement with its values."""


class Settling(Protocol):
    """What a crash may have left visible and not durable, until it is settled."""

    def settle(self) -> None: ...


class Guard:
    """The locks and the fence of one directory, shared by its databases.

    `opened` is held shared for as long as a database is open; the fence is a file that every
    writer looks for. `log.lock`, around every commit and every checkpoint of the write-ahead log,
    is held by each database through a descriptor of its own.
    From so many pages of write-ahead log on, a commit first moves them into the database.
    """

    def __init__(
        self,
        directory: Path,
        *,
        wait_seconds_max: float = 10.0,
        wal_pages_passive: int = WAL_PAGES_PASSIVE,
        wal_pages_truncate: int = WAL_PAGES_TRUNCATE,
        mounts: Path = MOUNTS,
    ) -> None:
        refuse_network(directory, mounts=mounts)
        self.directory = directory
        self.fence = directory / "fence"
        self.wait_seconds_max = wait_seconds_max
        self.wal_pages_passive = wal_pages_passive
        self.wal_pages_truncate = wal_pages_truncate
        self.opened = FileLock(directory / "open.lock")
        self.fenced_because: str | None = None
        self.is_alone = self._enter()

    def _enter(self) -> bool:
        """Whether nobody else has the directory open: then what a crash left must be synced."""
        # The writer's lock is not held meanwhile: whoever is alone needs it to sync.
        is_alone = self.opened.try_exclusive()
        if not is_alone:
            self.opened.share(seconds_max=self.wait_seconds_max)
        return is_alone

    def settle(self, *databases: Settling) -> None:
        """Make durable what a crash may have left visible in these, then let others in.

        Before anything is acknowledged, by whoever opens them while nobody else has them open.
        """
        if not self.is_alone:
            return
        # A failed sync is never repeated: behind a fence that is for `doctor`.
        if not self.fence.exists():
            for database in databases:
                database.settle()
        self.opened.share(seconds_max=self.wait_seconds_max)
        self.is_alone = False

    def refuse_fenced(self) -> None:
        if self.fenced_because is not None:
            raise Fenced(f"the log is fenced: {self.fenced_because}")
        refuse_fenced(self.fence)

    def raise_fence(self, reason: str) -> Fenced:
        """Fence the directory; returns the error to raise."""
        self.fenced_because = reason
        raise_fence(self.fence, reason)
        return Fenced(
            f"the log is fenced: {reason}. Nothing was acknowledged; "
            "'deploytrail doctor --clear-fence' examines it"
        )

    def close(self) -> None:
        self.opened.close()


class Database:
    """A connection that writes and one that reads. Belongs to one thread.

    With `is_durability_told`, `is_durable` says whether what was just read survives a crash.
    """

    def __init__(
        self,
        path: Path,
        guard: Guard,
        shape: Shape,
        *,
        vfs: str | None = None,
        is_durability_told: bool = False,
    ) -> None:
        self.path = path
        self._is_durability_told = is_durability_told
        self._version_durable: int | None = None
        self.guard = guard
        self._vfs = vfs
        self._shape = shape
        self._wal_pages = 0
        # A descriptor of its own: flock lets one descriptor in twice, and a second thread that
        # makes keys would let go of what the first holds for its commit.
        self._lock = FileLock(guard.directory / WRITER_LOCK)
        self._reader: apsw.Connection | None = None
        self._writer = self._connect(apsw.SQLITE_OPEN_READWRITE)
        with self._own_errors():
            self._set_up()
            self._identity = identity(path)

    @classmethod
    def create(
        cls, path: Path, shape: Shape, rows: Iterable[Row] = (), *, vfs: str | None = None
    ) -> None:
        """Make a database, tables and first rows in one transaction, durable on return.

        Not its name: whoever makes it may give it another one, and then syncs the directory.
        """
        try:
            _make(path, shape, rows, vfs)
        except (apsw.FullError, apsw.IOError) as error:
            raise DiskFull(
                f"{path}: expected to make a database, but its disk gave no room or an error: "
                f"{error}. Nothing was made; free some room or look at the disk, then try again"
            ) from error
        except (apsw.ReadOnlyError, apsw.CantOpenError) as error:
            raise NotPermitted(f"{path}: expected to make it, but may not: {error}") from error

    @contextmanager
    def writing(self) -> Iterator[apsw.Connection]:
        """One transaction under the writer's lock; committed, with fsync, where the block ends."""
        with self._lock.held(seconds_max=self.guard.wait_seconds_max), self._own_errors():
            self.guard.refuse_fenced()
            # Before the transaction, not after it: what was committed is acknowledged even where
            # this fails.
            self._checkpoint_if_long()
            with self._transaction():
                yield self._writer
            self._note_durable()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._refuse_replaced()
            self._commit()
        except BaseException:
            # If this fails too, the transaction ends with the connection.
            with suppress(apsw.Error):
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
            raise

    def _commit(self) -> None:
        try:
            self._writer.execute("COMMIT")
        except apsw.IOError as error:
            if self._is_full(error):
                raise
            self.guard.raise_fence(f"{self.path.name}: {error}")
            raise CommitUnknown(
                f"{self.path.name}: the commit failed: {error}. Nothing was acknowledged, and only "
                "a look-up tells what is stored: once 'deploytrail doctor --clear-fence' has "
                "examined the log, send the same again"
            ) from error

    @contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """One moment of the database. Keep it under a second: it holds back checkpoints."""
        with self._own_errors():
            reader = self._opened_reader()
            reader.execute("BEGIN")
            try:
                yield reader
            finally:
                if reader.in_transaction:
                    reader.execute("ROLLBACK")

    def _opened_reader(self) -> apsw.Connection:
        if self._reader is None:
            self._reader = self._connect(apsw.SQLITE_OPEN_READONLY)
        return self._reader

    def settle(self) -> None:
        """Make durable whatever is visible, waiting for no reader.

        Must succeed before the first receipt after a crash: until then, what a killed writer left
        is visible but maybe not durable.
        """
        with self._lock.held(seconds_max=self.guard.wait_seconds_max), self._own_errors():
            self.guard.refuse_fenced()
            if not self._is_emptied():
                # The sync of this commit is one of the whole write-ahead log.
                with self._transaction():
                    self._writer.execute(f"PRAGMA user_version = {self._made}")
            self._note_durable()

    def is_durable(self) -> bool:
        """Whether everything in this moment of `reading` was synced, by us, after it was written.

        Another process may have been killed between the two; `settle` makes it durable.
        """
        return self._version_durable is not None and self._version() == self._version_durable

    def _note_durable(self) -> None:
        """What stands there now was just synced, and nobody else writes while we hold the lock."""
        if self._is_durability_told:
            self._version_durable = self._version()

    def _version(self) -> int:
        """Changes with each commit by another connection, so that of our writer as well."""
        return int(str(self._opened_reader().pragma("data_version")))

    def _is_emptied(self) -> bool:
        """Moves the write-ahead log into the database, with fsync, unless a reader needs it."""
        self._writer.set_busy_timeout(0)
        try:
            self._writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        except apsw.BusyError:
            # An examiner holds no lock of ours, and may read for as long as it likes.
            return False
        finally:
            self._writer.set_busy_timeout(int(self.guard.wait_seconds_max * 1000))
        return True

    def sync_all(self) -> None:
        """Move the whole write-ahead log into the database, with fsync, and empty it.

        Raises Busy where a reader needed it for longer than the time allowed.
        """
        with self._lock.held(seconds_max=self.guard.wait_seconds_max), self._own_errors():
            self._writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def scrub(self) -> None:
        """Remove what was deleted from the write-ahead log too: without this it would stay there.

        Raises Busy where a reader kept the old pages for longer than the time allowed.
        """
        self.guard.refuse_fenced()
        self.sync_all()

    def close(self) -> None:
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()
        self._lock.close()

    def _connect(self, flags: int) -> apsw.Connection:
        refuse_sqlite(apsw.sqlite_lib_version())
        if not self.path.exists():
            raise NotFound(f"{self.path}: expected a database, found nothing")
        try:
            connection = apsw.Connection(str(self.path), flags=flags, vfs=self._vfs)
        except apsw.CantOpenError:
            raise NotPermitted(f"{self.path}: expected to open it, but may not") from None
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        # Whoever may write the file could plant statements in it; we have none there.
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_VIEW, 0)
        connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
        connection.execute("PRAGMA cell_size_check = ON")
        connection.set_busy_timeout(int(self.guard.wait_seconds_max * 1000))
        return connection

    def _set_up(self) -> None:
        writer = self._writer
        self._made = refuse_foreign(writer, self._shape, self.path)
        writer.pragma("synchronous", "FULL")
        writer.pragma("cache_size", -16_384)
        # An I/O error of an automatic checkpoint would never surface; ours are explicit.
        writer.wal_autocheckpoint(0)
        writer.set_wal_hook(self._note_wal_pages)
        # What is behind a fence is for `doctor`, as it is.
        if self._made < self._shape.version and not self.guard.fence.exists():
            with self._lock.held(seconds_max=self.guard.wait_seconds_max):
                self._made = step_forward(writer, self._shape, self.path)

    def _note_wal_pages(self, _: apsw.Connection, __: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _checkpoint_if_long(self) -> None:
        if self._wal_pages < self.guard.wal_pages_passive:
            return
        # TRUNCATE waits for readers, so it is only for a log that PASSIVE can't keep short.
        is_long = self._wal_pages >= self.guard.wal_pages_truncate
        mode = apsw.SQLITE_CHECKPOINT_TRUNCATE if is_long else apsw.SQLITE_CHECKPOINT_PASSIVE
        with suppress(apsw.BusyError, apsw.FullError):
            self._writer.wal_checkpoint(mode=mode)
        self._wal_pages = 0

    def _refuse_replaced(self) -> None:
        found = identity(self.path)
        if found != self._identity and not is_first_use(self._identity, found):
            raise self.guard.raise_fence(
                f"{self.path.name}: its files are not those that were opened; "
                "they were removed or replaced"
            )
        self._identity = found

    @contextmanager
    def _own_errors(self) -> Iterator[None]:
        """SQLite's errors as ours; whatever shakes the trust in the files fences them."""
        try:
            yield
        except apsw.BusyError as error:
            raise Busy(f"{self.path.name}: another process holds it; nothing was stored") from error
        except apsw.FullError as error:
            raise self._disk_full() from error
        except apsw.IOError as error:
            if self._is_full(error):
                raise self._disk_full() from error
            raise self.guard.raise_fence(f"{self.path.name}: {error}") from error
        except _NOT_OURS as error:
            raise self.guard.raise_fence(f"{self.path.name}: {error}") from error
        except (apsw.ReadOnlyError, apsw.CantOpenError) as error:
            raise NotPermitted(f"{self.path}: expected to write, but may not: {error}") from error

    def _is_full(self, error: apsw.IOError) -> bool:
        """Whether an I/O error only means a full disk: not of a sync, which can't be repeated."""
        is_sync = getattr(error, "extendedresult", 0) in _SYNC_ERRORS
        return not is_sync and self._writer.system_errno in _NO_ROOM

    def _disk_full(self) -> DiskFull:
        return DiskFull(f"{self.path}: no room left on its disk; nothing was stored. Free some")


def _make(path: Path, shape: Shape, rows: Iterable[Row], vfs: str | None) -> None:
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    with closing(apsw.Connection(str(path), flags=flags, vfs=vfs)) as connection:
        path.chmod(0o600)
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        for statement in shape.statements(shape.version):
            connection.execute(statement)
        for statement, values in rows:
            connection.execute(statement, values)
        connection.execute(f"PRAGMA application_id = {shape.application_id}")
        connection.execute(f"PRAGMA user_version = {shape.version}")
        connection.execute("COMMIT")
        # Closing would do this too, and would not tell that it failed: then the file would be
        # empty, and everything in a write-ahead log that a rename of the file leaves behind.
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
