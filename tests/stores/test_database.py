"""One SQLite database as a durable thing: what it refuses to open, and what fences it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from deploytrail.errors import (
    Busy,
    DeploytrailError,
    Fenced,
    Malformed,
    Misconfigured,
    NotFound,
    Tampered,
)
from deploytrail.stores.sqlite.database import Database, Guard
from deploytrail.stores.sqlite.locks import FileLock
from deploytrail.stores.sqlite.shape import Shape

SHAPE = Shape(0x74657374, 3, "CREATE TABLE word(text TEXT) STRICT;")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    Database.create(tmp_path / "words.db", SHAPE, [("INSERT INTO word VALUES (?)", ("first",))])
    return tmp_path / "words.db"


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    made = Guard(tmp_path, wait_seconds_max=0.2)
    made.settle()
    yield made
    made.close()


@pytest.fixture
def database(path: Path, guard: Guard) -> Iterator[Database]:
    made = Database(path, guard, SHAPE)
    yield made
    made.close()


def put(database: Database, text: str) -> None:
    with database.writing() as connection:
        connection.execute("INSERT INTO word VALUES (?)", (text,))


def words(database: Database) -> list[str]:
    with database.reading() as connection:
        return [row[0] for row in connection.execute("SELECT text FROM word ORDER BY rowid")]


def test_what_was_committed_is_read(database: Database) -> None:
    put(database, "second")
    assert words(database) == ["first", "second"]


def test_every_commit_is_synced_and_no_checkpoint_comes_by_itself(
    database: Database, path: Path
) -> None:
    with database.writing() as connection:
        assert connection.pragma("synchronous") == 2
        assert connection.pragma("wal_autocheckpoint") == 0
        assert connection.pragma("journal_mode") == "wal"
    put(database, "x" * 20_000_000)
    database.close()
    # No checkpoint on closing either: an I/O error of it would surface nowhere.
    assert path.with_name("words.db-wal").stat().st_size > 20_000_000


@pytest.mark.parametrize("truncate", [8, 1_000], ids=["emptied", "begun anew"])
def test_a_write_ahead_log_grows_no_longer_than_it_may(path: Path, truncate: int) -> None:
    guard = Guard(path.parent, wal_pages_passive=8, wal_pages_truncate=truncate)
    guard.settle()
    with closing(Database(path, guard, SHAPE)) as database:
        for at in range(100):
            put(database, f"word {at}")
        assert len(words(database)) == 101
    guard.close()
    # Nine commits of a page or two each, with what a page costs besides.
    assert path.with_name("words.db-wal").stat().st_size < 20 * (4_096 + 24)


def test_a_database_is_for_its_owner_alone(database: Database, path: Path) -> None:
    put(database, "second")
    modes = {each.stat().st_mode & 0o777 for each in path.parent.glob("words.db*")}
    assert modes == {0o600}


def test_moving_the_write_ahead_log_empties_it(database: Database, path: Path) -> None:
    put(database, "second")
    database.sync_all()
    assert path.with_name("words.db-wal").stat().st_size == 0
    assert words(database) == ["first", "second"]


def test_a_reader_keeps_a_scrub_waiting_and_it_says_so(
    database: Database, path: Path, guard: Guard
) -> None:
    other = Database(path, guard, SHAPE)
    words(other)
    with other.reading() as connection:
        connection.execute("SELECT * FROM word").fetchall()
        put(database, "second")
        with pytest.raises(Busy):
            database.scrub()
    database.scrub()
    other.close()


def test_every_commit_and_every_move_of_the_write_ahead_log_holds_the_lock(
    database: Database, tmp_path: Path
) -> None:
    """SQLite's own lock would keep writers apart, too, and let them starve each other."""
    lock = FileLock(tmp_path / "log.lock")
    with database.writing() as connection:
        connection.execute("INSERT INTO word VALUES ('second')")
        assert not lock.try_exclusive()
    moves: list[Callable[[], object]] = [database.sync_all, database.settle, database.scrub]
    with lock.held(seconds_max=1):
        for held_back in (lambda: put(database, "third"), *moves):
            with pytest.raises(Busy, match=r"log\.lock: expected another writer to finish"):
                held_back()
    with lock.held(seconds_max=1):
        assert words(database) == ["first", "second"]
    lock.close()


def test_settling_empties_the_write_ahead_log_and_waits_for_no_reader(
    path: Path, tmp_path: Path
) -> None:
    """An examiner holds no lock of ours, and may take minutes."""
    guard = Guard(tmp_path, wait_seconds_max=60)
    wal = path.with_name("words.db-wal")
    with closing(Database(path, guard, SHAPE)) as database, closing(guard):
        put(database, "second")
        with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as examiner:
            examiner.execute("BEGIN")
            before = examiner.execute("SELECT count(*) FROM word").fetchall()
            put(database, "third")
            written = wal.stat().st_size
            guard.settle(database)
            # Nothing was moved; a commit of ours synced it.
            assert wal.stat().st_size > written
            assert examiner.execute("SELECT count(*) FROM word").fetchall() == before
        database.settle()
        assert wal.stat().st_size == 0
        assert words(database) == ["first", "second", "third"]


def relabel(path: Path, statements: str) -> None:
    """What Mallory does with a connection of her own."""
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute(statements).fetchall()


FOREIGN: dict[str, tuple[Callable[[Path], object], type[DeploytrailError], str]] = {
    "another's database": (
        lambda path: relabel(path, "PRAGMA application_id = 1"),
        Malformed,
        "expected a database of Deploytrail",
    ),
    "a newer version": (
        lambda path: relabel(path, "PRAGMA user_version = 4"),
        Misconfigured,
        "expected version 3 or older, found 4; a newer Deploytrail wrote it",
    ),
    "no database": (lambda path: path.write_bytes(b"not a database" * 1000), Fenced, "fenced"),
    "nothing": (lambda path: path.unlink(), NotFound, "expected a database, found nothing"),
    "a trigger": (
        lambda path: relabel(
            path, "CREATE TRIGGER x AFTER INSERT ON word BEGIN DELETE FROM word; END"
        ),
        Tampered,
        "words.db: expected our tables and nothing else, found the trigger 'x'",
    ),
    "a view": (lambda path: relabel(path, "CREATE VIEW x AS SELECT 1"), Tampered, "the view 'x'"),
    "an index": (
        lambda path: relabel(path, "CREATE UNIQUE INDEX x ON word(text)"),
        Tampered,
        "the index 'x'",
    ),
    "a table too many": (
        lambda path: relabel(path, "CREATE TABLE x(y)"),
        Tampered,
        "the table 'x'",
    ),
    "a table made anew": (
        lambda path: relabel(path, "DROP TABLE word; CREATE TABLE word(text ANY)"),
        Tampered,
        "the table 'word', which somebody planted or changed",
    ),
    "a table too few": (
        lambda path: relabel(path, "DROP TABLE word"),
        Tampered,
        "found none that is called word",
    ),
}


@pytest.mark.parametrize("reason", FOREIGN)
def test_what_is_not_ours_is_not_opened(path: Path, guard: Guard, reason: str) -> None:
    change, error, message = FOREIGN[reason]
    change(path)
    with pytest.raises(error, match=message):
        Database(path, guard, SHAPE)


OLD = Shape(0x74657374, 3, "CREATE TABLE word(text TEXT) STRICT;")
NEW = OLD._replace(
    version=5,
    steps={
        4: "CREATE TABLE letter(text TEXT) STRICT;",
        5: "CREATE TABLE digit(text TEXT) STRICT;",
    },
)


def _tables(path: Path) -> list[str]:
    with closing(apsw.Connection(str(path))) as connection:
        rows = connection.execute("SELECT name FROM sqlite_schema ORDER BY name")
        return [f"version {connection.pragma('user_version')}", *(row[0] for row in rows)]


def test_an_older_version_becomes_the_newest_when_it_is_opened(path: Path, guard: Guard) -> None:
    for _ in range(2):
        with closing(Database(path, guard, NEW)) as database:
            assert words(database) == ["first"]
            database.settle()
    assert _tables(path) == ["version 5", "digit", "letter", "word"]
    with pytest.raises(Misconfigured, match="expected version 3 or older, found 5"):
        Database(path, guard, OLD)


def test_a_new_database_has_the_newest_version(tmp_path: Path) -> None:
    Database.create(tmp_path / "new.db", NEW)
    assert _tables(tmp_path / "new.db") == ["version 5", "digit", "letter", "word"]


def test_a_version_is_made_as_a_whole_or_not_at_all(path: Path, guard: Guard) -> None:
    broken = NEW._replace(steps={4: NEW.steps[4], 5: "CREATE TABLE word(text TEXT) STRICT;"})
    with pytest.raises(Fenced):
        Database(path, guard, broken)
    assert _tables(path) == ["version 3", "word"]


def test_what_is_fenced_keeps_its_version(path: Path, guard: Guard) -> None:
    guard.raise_fence("Mallory was here")
    with closing(Database(path, guard, NEW)) as database:
        guard.fence.unlink()
        guard.fenced_because = None
        database.settle()
    assert _tables(path) == ["version 3", "word"]


OF_NO_VERSION: dict[str, tuple[str, str]] = {
    "older than any": ("PRAGMA user_version = 2", "expected version 3 to 5, found 2"),
    "a table of a later one": (NEW.steps[4], "found the table 'letter'"),
    "without a table of its own": ("PRAGMA user_version = 4", "found none that is called letter"),
}


@pytest.mark.parametrize("reason", OF_NO_VERSION)
def test_what_no_version_looked_like_is_not_ours(path: Path, guard: Guard, reason: str) -> None:
    change, expected = OF_NO_VERSION[reason]
    relabel(path, change)
    with pytest.raises(Tampered, match=expected):
        Database(path, guard, NEW)


DOCTORED: dict[str, str] = {
    "a row that stands in the way": "INSERT INTO word VALUES ('second')",
    "a table dropped": "DROP TABLE word",
    "a table of another shape": "ALTER TABLE word ADD COLUMN more INTEGER",
}


@pytest.mark.parametrize("how", DOCTORED)
def test_rows_and_tables_that_are_not_as_we_left_them_fence(
    tmp_path: Path, guard: Guard, how: str
) -> None:
    shape = Shape(0x74657374, 3, "CREATE TABLE word(text TEXT PRIMARY KEY) STRICT, WITHOUT ROWID")
    Database.create(tmp_path / "words.db", shape)
    with closing(Database(tmp_path / "words.db", guard, shape)) as database:
        relabel(tmp_path / "words.db", DOCTORED[how])
        with pytest.raises(Fenced, match=r"the log is fenced: words\.db: "):
            put(database, "second")
        with pytest.raises(Fenced):
            put(database, "third")


def test_a_trigger_planted_while_it_is_open_does_nothing(database: Database, path: Path) -> None:
    put(database, "second")
    relabel(path, "CREATE TRIGGER x AFTER INSERT ON word BEGIN DELETE FROM word; END")
    put(database, "third")
    assert words(database) == ["first", "second", "third"]


def test_a_view_in_a_table_s_place_is_not_read(database: Database, path: Path) -> None:
    assert words(database) == ["first"]
    relabel(path, "DROP TABLE word; CREATE VIEW word AS SELECT 'forged' AS text, 1 AS rowid")
    with pytest.raises(Fenced, match=r"the log is fenced: words\.db: "):
        words(database)


REPLACED: dict[str, Callable[[Path], object]] = {
    "unlinked": lambda path: path.unlink(),
    "renamed": lambda path: path.rename(path.with_name("elsewhere")),
    "its write-ahead log unlinked": lambda path: path.with_name("words.db-wal").unlink(),
    "its index unlinked": lambda path: path.with_name("words.db-shm").unlink(),
    "replaced by a copy": lambda path: _copied(path),
}


def _copied(path: Path) -> None:
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    copy.rename(path)


@pytest.mark.parametrize("how", REPLACED)
def test_files_that_are_not_those_that_were_opened_fence(
    database: Database, path: Path, how: str
) -> None:
    put(database, "second")
    REPLACED[how](path)
    with pytest.raises(Fenced, match="its files are not those that were opened"):
        put(database, "third")
    assert (path.parent / "fence").exists()


def test_files_replaced_during_a_transaction_fence_it(database: Database, path: Path) -> None:
    put(database, "second")
    with pytest.raises(Fenced), database.writing() as connection:
        _replaced_meanwhile(connection, path)
    assert words(database) == ["first", "second"]


def _replaced_meanwhile(connection: apsw.Connection, path: Path) -> None:
    connection.execute("INSERT INTO word VALUES ('third')")
    _copied(path)


def test_a_database_that_could_not_be_opened_locks_nobody_out(path: Path) -> None:
    relabel(path, "PRAGMA user_version = 4")
    guard = Guard(path.parent, wait_seconds_max=0.2)
    with pytest.raises(Misconfigured):
        Database(path, guard, SHAPE)
    guard.close()
    again = Guard(path.parent, wait_seconds_max=0.2)
    assert again.is_alone
    again.close()
