"""A disk that fails or rots below a database: what is unknown, what is fenced, what goes on."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from deploytrail.errors import CommitUnknown, Fenced, Misconfigured, NotPermitted
from deploytrail.stores.sqlite.database import PAGE_BYTES, Database, Guard
from deploytrail.stores.sqlite.shape import Shape, refuse_sqlite

SHAPE = Shape(0x74657374, 3, "CREATE TABLE word(text TEXT) STRICT;")


class SyncFailed(apsw.IOError):
    """What SQLite itself says of a failed sync."""

    extendedresult = apsw.SQLITE_IOERR_FSYNC


class FailingVfs(apsw.VFS):
    """A disk whose syncs, counted, fail while there is an `errno` of the system to fail with."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.errno = 0
        self.syncs = 0
        super().__init__(name, "")

    def xOpen(  # noqa: N802 (SQLite's name)
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        return _FailingFile(self, name, flags)

    def xGetLastError(self) -> tuple[int, str]:  # noqa: N802 (SQLite's name)
        return self.errno, ""


class _FailingFile(apsw.VFSFile):
    def __init__(
        self, vfs: FailingVfs, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        self._vfs = vfs
        super().__init__("", name, flags)

    def xSync(self, flags: int) -> None:  # noqa: N802 (SQLite's name)
        self._vfs.syncs += 1
        if self._vfs.errno:
            raise SyncFailed("the sync failed")
        super().xSync(flags)


@pytest.fixture
def vfs() -> Iterator[FailingVfs]:
    made = FailingVfs("failing")
    yield made
    made.unregister()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    Database.create(tmp_path / "words.db", SHAPE)
    return tmp_path / "words.db"


def guard(path: Path, *, passive: int = 1000, truncate: int = 1000) -> Guard:
    made = Guard(
        path.parent, wait_seconds_max=0.2, wal_pages_passive=passive, wal_pages_truncate=truncate
    )
    made.settle()
    return made


def put(database: Database, text: str) -> None:
    with database.writing() as connection:
        connection.execute("INSERT INTO word VALUES (?)", (text,))


def count(database: Database) -> int:
    with database.reading() as connection:
        ((found,),) = connection.execute("SELECT count(*) FROM word")
    return int(found)


def test_the_sqlite_below_has_the_mended_write_ahead_log() -> None:
    """Versions from 3.7.0 to 3.51.2 may lose commits; a system's own library is often older."""
    assert tuple(map(int, apsw.sqlite_lib_version().split("."))) > (3, 51, 2)


@pytest.mark.parametrize("system", [errno.EIO, errno.ENOSPC])
def test_a_commit_whose_sync_failed_is_unknown_and_fences(
    path: Path, vfs: FailingVfs, system: int
) -> None:
    """Also where the disk was full: what a sync did not write may be gone from memory, too."""
    held = guard(path)
    with closing(held), closing(Database(path, held, SHAPE, vfs=vfs.name)) as database:
        put(database, "first")
        vfs.errno = system
        with pytest.raises(CommitUnknown, match="only a look-up tells what is stored"):
            put(database, "second")
        vfs.errno = 0
        syncs = vfs.syncs
        with pytest.raises(Fenced, match=r"the log is fenced: words\.db: "):
            put(database, "third")
        with pytest.raises(Fenced):
            database.settle()
        # Never again on the same descriptor: the next sync would say yes to what was lost.
        assert vfs.syncs == syncs
    assert "words.db" in held.fence.read_text()


def test_a_process_that_could_not_write_its_fence_refuses_all_the_same(path: Path) -> None:
    held = guard(path)
    with closing(held), closing(Database(path, held, SHAPE)) as database:
        held.raise_fence("the disk is gone")
        held.fence.unlink()
        with pytest.raises(Fenced, match="the disk is gone"):
            put(database, "first")


def test_pages_that_rotted_fence(path: Path) -> None:
    held = guard(path)
    with closing(held), closing(Database(path, held, SHAPE)) as database:
        put(database, "x" * 10 * PAGE_BYTES)
        database.sync_all()
    whole = path.read_bytes()
    path.write_bytes(whole[:PAGE_BYTES] + b"\xff" * (len(whole) - PAGE_BYTES))
    held = guard(path)
    with closing(held), closing(Database(path, held, SHAPE)) as database:
        with pytest.raises(Fenced, match=r"words\.db: .*malformed"):
            put(database, "second")
        assert held.fence.exists()


def test_who_only_reads_can_not_write(path: Path) -> None:
    held = guard(path)
    with closing(held), closing(Database(path, held, SHAPE)) as database:
        with pytest.raises(NotPermitted), database.reading() as connection:
            connection.execute("INSERT INTO word VALUES ('forged')")
        assert count(database) == 0


def test_the_write_ahead_log_is_used_again_and_cut_only_above_its_limit(path: Path) -> None:
    wal = path.with_name("words.db-wal")
    held = guard(path, passive=4, truncate=50)
    with closing(held), closing(Database(path, held, SHAPE)) as database:
        sizes = []
        for at in range(60):
            put(database, f"{at}")
            sizes.append(wal.stat().st_size)
        # Moved into the database every few pages, it grows no longer and is not cut either.
        assert sizes == sorted(sizes)
        assert sizes[-1] < 10 * PAGE_BYTES
        put(database, "x" * 100 * PAGE_BYTES)
        assert wal.stat().st_size > 100 * PAGE_BYTES
        put(database, "after")
        assert wal.stat().st_size < 10 * PAGE_BYTES
        assert count(database) == 62


def test_an_sqlite_that_may_lose_its_write_ahead_log_is_refused() -> None:
    for lossy in ("3.7.0", "3.40.1", "3.51.2"):
        with pytest.raises(Misconfigured, match=f"found {lossy}"):
            refuse_sqlite(lossy)
    for sound in ("3.51.3", "3.52.0", "4.0.0"):
        refuse_sqlite(sound)


@pytest.mark.parametrize("truncate", [4, 1000])
def test_a_reader_keeps_no_commit_waiting(path: Path, truncate: int) -> None:
    """It may keep the write-ahead log from being moved; that is for a later commit to do."""
    held = guard(path, passive=4, truncate=truncate)
    with (
        closing(held),
        closing(Database(path, held, SHAPE)) as database,
        closing(Database(path, held, SHAPE)) as other,
        other.reading() as connection,
    ):
        assert list(connection.execute("SELECT * FROM word")) == []
        for at in range(12):
            put(database, f"{at}")
        assert list(connection.execute("SELECT * FROM word")) == []
        assert count(database) == 12
