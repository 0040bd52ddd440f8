"""Where an index stands, and its successor beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deploytrail.follow.view import Cursors
from deploytrail.index.postgres.store import PostgresIndexStore
from deploytrail.index.sqlite.store import SqliteIndexStore
from deploytrail.query.tree import EVERYTHING
from tests.events import event
from tests.index.entries import ORIGIN, logged

if TYPE_CHECKING:
    from tests.postgresql import Server

LOG = logged([event() for _ in range(6)])


Store = SqliteIndexStore | PostgresIndexStore


@pytest.fixture(params=["directory", "database"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "directory":
        yield SqliteIndexStore(tmp_path / "index", ORIGIN)
        return
    server: Server = request.getfixturevalue("postgres_server")
    found = PostgresIndexStore(server.url(server.database()), ORIGIN)
    yield found
    found.close()


@pytest.fixture
def in_files(tmp_path: Path) -> SqliteIndexStore:
    return SqliteIndexStore(tmp_path / "index", ORIGIN)


def test_there_is_none_before_one_is_begun(store: Store) -> None:
    assert store.cursors() == Cursors(None, None)
    assert store.current() is None
    assert store.successor() is None
    assert store.reader() is None
    store.discard()
    store.swap()
    assert store.cursors() == Cursors(None, None)


def _grown(store: Store, until: int) -> None:
    """Begin a successor, unless there is one, and let it take in entries."""
    store.begin()
    index = store.successor()
    assert index is not None
    index.apply(LOG.read(index.cursor(), until))
    index.close()


def test_a_successor_takes_the_place_of_what_stood_before(store: Store) -> None:
    _grown(store, 3)
    assert store.cursors() == Cursors(None, 3)
    store.swap()
    assert store.cursors() == Cursors(3, None)
    before = store.edition()
    _grown(store, 6)
    assert store.cursors() == Cursors(3, 6)
    store.swap()
    assert store.cursors() == Cursors(6, None)
    assert store.edition() != before


def test_a_successor_that_was_begun_is_gone_on_with(store: Store) -> None:
    _grown(store, 2)
    _grown(store, 5)
    assert store.cursors() == Cursors(None, 5)


def test_a_reader_reads_what_it_opened_to_its_end(in_files: SqliteIndexStore) -> None:
    store = in_files
    _grown(store, 6)
    store.swap()
    reader = store.reader()
    assert reader is not None
    with reader.searching(lambda: None) as searcher:
        _grown(store, 1)
        store.swap()
        assert len(searcher.search(EVERYTHING, order="newest", after=None, limit=9)) == 6
    reader.close()


def test_a_successor_that_is_discarded_leaves_the_current_one(store: Store) -> None:
    _grown(store, 3)
    store.swap()
    _grown(store, 6)
    store.discard()
    assert store.cursors() == Cursors(3, None)


STOPPED = {
    "before it was named": ["successor"],
    "before the folder of the old one went": [],
}


@pytest.mark.parametrize("gone", STOPPED.values(), ids=STOPPED)
def test_a_begin_that_was_stopped_is_done_anew(
    in_files: SqliteIndexStore, tmp_path: Path, gone: list[str]
) -> None:
    store = in_files
    _grown(store, 3)
    for name in gone:
        (tmp_path / "index" / name).unlink()
    _grown(store, 4)
    store.swap()
    assert store.cursors() == Cursors(4, None)
    assert len([one for one in (tmp_path / "index").iterdir() if one.is_dir()]) == 1


def test_a_swap_that_was_stopped_behind_the_first_name_is_finished(
    in_files: SqliteIndexStore, tmp_path: Path
) -> None:
    store = in_files
    _grown(store, 3)
    # As it stands once `current` was written.
    successor = (tmp_path / "index" / "successor").read_text(encoding="ascii")
    (tmp_path / "index" / "current").write_text(successor, encoding="ascii")
    assert store.cursors() == Cursors(3, None)
    assert store.successor() is None
    store.swap()
    assert store.cursors() == Cursors(3, None)


def test_what_another_version_left_behind_stays_until_a_successor_takes_its_place(
    in_files: SqliteIndexStore, tmp_path: Path
) -> None:
    store = in_files
    other = tmp_path / "index" / "v0-7"
    other.mkdir(parents=True)
    (tmp_path / "index" / "current").write_text("v0-7", encoding="ascii")
    assert store.cursors() == Cursors(None, None)
    assert store.current() is None
    _grown(store, 3)
    assert other.exists()
    store.swap()
    assert not other.exists()
    assert store.cursors() == Cursors(3, None)


def test_what_names_no_folder_of_ours_is_as_if_it_were_not_there(
    in_files: SqliteIndexStore, tmp_path: Path
) -> None:
    store = in_files
    (tmp_path / "index").mkdir()
    for text in (b"", b"../../etc", b"v1-", b"\xff", b"v1-1\n"):
        (tmp_path / "index" / "current").write_bytes(text)
        assert store.cursors() == Cursors(None, None)
    _grown(store, 3)
    store.swap()
    assert store.cursors() == Cursors(3, None)


def test_a_reader_whose_connection_broke_asks_again(postgres_server: Server) -> None:
    name = postgres_server.database()
    store = PostgresIndexStore(postgres_server.url(name), ORIGIN)
    _grown(store, 6)
    store.swap()
    reader = store.reader()
    assert reader is not None
    assert reader.cursor() == 6
    postgres_server.run(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name]
    )
    assert reader.cursor() == 6
    assert store.cursors() == Cursors(6, None)
    reader.close()
    store.close()
