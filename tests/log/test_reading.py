"""Rows read as one log: entries by index, tiles full and partial, and what is gone is told."""

from __future__ import annotations

from contextlib import closing

import apsw
import pytest

from deploytrail.errors import Incomplete, NotFound
from deploytrail.log.reading import (
    bundle_entries,
    entries_from,
    entry_at,
    hashes_of,
    tail_entries,
    tile_reader,
)
from deploytrail.log.store import Store
from tests.contract.engines import SqliteEngine
from tests.log.entries import append, batch
from tests.log.trees import leaf, mth
from tests.verified import verified


def change(engine: SqliteEngine, statement: str) -> None:
    with closing(apsw.Connection(str(engine.path))) as connection:
        connection.execute(statement)


def filled(store: Store, *counts: int) -> list[bytes]:
    done = 0
    for count in counts:
        append(store, batch(done, count))
        done += count
    return verified(store)


@pytest.mark.parametrize("counts", [(1,), (255,), (256,), (200, 200), (600, 3, 4)])
def test_every_entry_is_found_by_its_index(store: Store, counts: tuple[int, ...]) -> None:
    entries = filled(store, *counts)
    with store.reading() as reader:
        for index in {0, 1, 254, 255, 256, len(entries) - 1} & set(range(len(entries))):
            assert entry_at(reader, index) == entries[index]
        assert tail_entries(reader) == entries[len(entries) // 256 * 256 :]
        for index in (-1, len(entries), 10**6):
            with pytest.raises(NotFound, match="index: expected one below"):
                entry_at(reader, index)


@pytest.mark.parametrize(
    ("first", "until"),
    [(0, 600), (0, 1), (255, 257), (256, 256), (599, 600), (500, 9999), (600, 700)],
)
def test_a_range_is_read_in_order(store: Store, first: int, until: int) -> None:
    entries = filled(store, 600)
    with store.reading() as reader:
        found = list(entries_from(reader, first, until))
    assert found == list(enumerate(entries))[first:until]


def test_a_range_of_an_empty_log_is_empty(store: Store) -> None:
    with store.reading() as reader:
        assert list(entries_from(reader, 0, 10)) == []


def test_tiles_are_computed_where_they_are_not_full(store: Store) -> None:
    leaves = [leaf(octets) for octets in filled(store, 600)]
    with store.reading() as reader:
        for size in (1, 255, 256, 257, 512, 513, 600):
            read = tile_reader(reader, size)
            last = (size - 1) // 256
            assert read(0, last) == b"".join(leaves[last * 256 : size])
            if size >= 256:
                roots = [mth(leaves[at : at + 256]) for at in range(0, size // 256 * 256, 256)]
                assert read(1, 0) == b"".join(roots)
            for level, number in ((0, last + 1), (1, 1), (2, 0)):
                with pytest.raises(Incomplete, match="not part of a tree"):
                    read(level, number)
        assert hashes_of(reader, 600)(9, 0) == mth(leaves[:512])


GONE: dict[str, tuple[str, int]] = {
    "a bundle": ("DELETE FROM bundle WHERE n = 1", 256),
    "the first row of the tail": ("DELETE FROM segment WHERE first = 512", 512),
    "a row within the tail": ("DELETE FROM segment WHERE first = 600", 512),
    "the last row of the tail": ("DELETE FROM segment WHERE first = 610", 512),
    "all of the tail": ("DELETE FROM segment", 512),
}


@pytest.mark.parametrize("what", GONE)
def test_what_is_gone_is_incomplete_and_never_something_else(
    engine: SqliteEngine, store: Store, what: str
) -> None:
    statement, first = GONE[what]
    filled(store, 600, 10, 10)
    change(engine, statement)
    with store.reading() as reader:
        for width in (1, 5, 100):
            with pytest.raises(Incomplete):
                bundle_entries(reader, first // 256, first + width)
        with pytest.raises(Incomplete):
            entry_at(reader, first)


def test_a_full_tile_that_is_gone_is_incomplete(engine: SqliteEngine, store: Store) -> None:
    filled(store, 600)
    change(engine, "DELETE FROM tile WHERE n = 1")
    with store.reading() as reader, pytest.raises(Incomplete, match="tile 0/1: expected in a tree"):
        tile_reader(reader, 600)(0, 1)
