"""An index that is stopped before any of its writes, and goes on: as if nothing had been."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deploytrail.errors import Unreachable
from deploytrail.index.engine import SegmentedIndex
from deploytrail.index.segment import Segment
from deploytrail.index.shelf import Row
from deploytrail.index.sqlite.shelf import SqliteShelf
from deploytrail.query.fields import BY_NAME
from deploytrail.query.tree import EVERYTHING, Is, Words
from tests.events import event
from tests.index.entries import ORIGIN, logged

LOG = logged([event() for _ in range(70)])
HOME_ENTRIES = 32


class Stopped(Exception):
    """The process ended here."""


class Countdown:
    """Stops before the write of that number."""

    def __init__(self, number: int) -> None:
        self._left = number

    def __call__(self) -> None:
        if self._left == 0:
            raise Stopped
        self._left -= 1


class StoppingShelf:
    """A shelf whose writer ends before any of its steps: within transactions, drafts and swaps."""

    def __init__(self, shelf: SqliteShelf, countdown: Countdown) -> None:
        self._shelf = shelf
        self._countdown = countdown

    @property
    def origin(self) -> str:
        return self._shelf.origin

    def reading(self) -> Any:
        return self._shelf.reading()

    @contextmanager
    def writing(self) -> Iterator[Any]:
        self._countdown()
        with self._shelf.writing() as pen:
            yield _Stopping(pen, self._countdown)
            self._countdown()

    def draft(self, segment: Segment) -> Any:
        self._countdown()
        return _Stopping(self._shelf.draft(segment), self._countdown)

    def scrub(self) -> None:
        self._countdown()
        self._shelf.scrub()

    def close(self) -> None:
        self._shelf.close()


class _Stopping:
    """Counts each call of a pen or a draft, and stops before one of them."""

    def __init__(self, inner: Any, countdown: Countdown) -> None:
        self._inner = inner
        self._countdown = countdown

    def add(self, *given: Any) -> None:
        self._countdown()
        self._inner.add(*given)

    def finish(self, times: Iterable[bytes]) -> None:
        self._countdown()
        self._inner.finish(times)

    def replace(self, old: Sequence[Segment], new: Segment) -> None:
        self._countdown()
        self._inner.replace(old, new)

    def change(self, segment: Segment, rows: Iterable[tuple[bytes, Row | None]]) -> None:
        self._countdown()
        self._inner.change(segment, rows)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _grow(index: SegmentedIndex) -> None:
    for first in range(index.cursor(), len(LOG.entries), 7):
        index.apply(LOG.read(first, min(first + 7, len(LOG.entries))))


def _answers(index: SegmentedIndex) -> str:
    with index.searching(lambda: None) as searcher:
        asked = (EVERYTHING, Is(BY_NAME["actor"], "alice"), Words(("replica",)))
        return repr(
            [searcher.search(one, order="newest", after=None, limit=100) for one in asked]
            + [searcher.facets(one, [BY_NAME["actor"]], limit=9, resolve=list) for one in asked]
        )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("whole")
    SqliteShelf.create(directory, ORIGIN)
    index = SegmentedIndex(SqliteShelf(directory, is_writer=True), home_entries=HOME_ENTRIES)
    _grow(index)
    found = _answers(index)
    index.close()
    return found


def test_stopped_before_any_write_it_goes_on_where_it_was(tmp_path: Path, whole: str) -> None:
    stops = 0
    while True:
        directory = tmp_path / str(stops)
        SqliteShelf.create(directory, ORIGIN)
        shelf = SqliteShelf(directory, is_writer=True)
        stopping = StoppingShelf(shelf, Countdown(stops))
        index = SegmentedIndex(stopping, home_entries=HOME_ENTRIES)
        try:
            _grow(index)
        except Stopped:
            shelf.close()
        else:
            break
        index = SegmentedIndex(SqliteShelf(directory, is_writer=True), home_entries=HOME_ENTRIES)
        _grow(index)
        assert _answers(index) == whole, stops
        index.close()
        stops += 1
    assert stops > 30


def test_an_erasure_that_was_stopped_is_finished_by_the_next(tmp_path: Path) -> None:
    alice = str(LOG.shown[0]["subjects"]["/actor"])
    stops = 0
    while True:
        directory = tmp_path / str(stops)
        SqliteShelf.create(directory, ORIGIN)
        shelf = SqliteShelf(directory, is_writer=True)
        index = SegmentedIndex(shelf, home_entries=HOME_ENTRIES)
        _grow(index)
        try:
            SegmentedIndex(StoppingShelf(shelf, Countdown(stops)), home_entries=HOME_ENTRIES).erase(
                alice
            )
        except Stopped:
            index.close()
        else:
            break
        index = SegmentedIndex(SqliteShelf(directory, is_writer=True), home_entries=HOME_ENTRIES)
        index.erase(alice)
        with index.searching(lambda: None) as searcher:
            for gone in (Words(("replica",)), Is(BY_NAME["actor"], "alice")):
                assert not searcher.search(gone, order="newest", after=None, limit=9)
        index.close()
        stops += 1
    assert stops > 3


class Lost(SqliteShelf):
    """A shelf whose drafts can neither be written nor taken back: their database went away."""

    is_closed = False

    def draft(self, segment: Segment) -> Any:
        return _Unreachable()

    def close(self) -> None:
        super().close()
        self.is_closed = True


class _Unreachable:
    def add(self, rows: Iterable[Row]) -> None:
        raise Unreachable("index: its database went away")

    def discard(self) -> None:
        raise Unreachable("index: its database went away")


def test_a_draft_that_can_t_be_taken_back_keeps_nothing_else_open(tmp_path: Path) -> None:
    SqliteShelf.create(tmp_path, ORIGIN)
    shelf = Lost(tmp_path, is_writer=True)
    index = SegmentedIndex(shelf, home_entries=HOME_ENTRIES)
    with pytest.raises(Unreachable):
        _grow(index)
    with pytest.raises(Unreachable):
        index.close()
    assert shelf.is_closed
