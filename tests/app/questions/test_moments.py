"""Texts that decide are read from the log in no moment of the index, whatever comes meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from deploytrail.app.questions.searching import Searching
from deploytrail.app.trails.directory import DirectoryTrail
from deploytrail.event import Event, Reason
from deploytrail.index.contract import Searcher, Tick
from deploytrail.query.tree import Words
from deploytrail.trail import Shown
from tests.app.searched import Searched
from tests.events import event
from tests.fakes import NOON, FakeClock


@pytest.fixture
def searched(trail: DirectoryTrail, clock: FakeClock) -> Iterator[Searched]:
    found = Searched(trail, clock)
    yield found
    found.close()


VAIN = Reason(from_="stated", text="read the replica")
"""Has both words of what is asked, and not one behind the other; other events have."""


def at(seconds: int, **fields: Any) -> Event:
    """An event so long before noon."""
    return event(time=NOON - timedelta(seconds=seconds), **fields)


class Watched:
    """A log and an index of which it shows when the one is read in a moment of the other.

    `meanwhile` is called once, when texts are read first.
    """

    def __init__(self, searched: Searched, meanwhile: Callable[[], object]) -> None:
        self._searched = searched
        self._meanwhile = [meanwhile]
        self._moments = 0
        self.within: list[bool] = []

    @property
    def origin(self) -> str:
        return self._searched.trail.origin

    def size(self) -> int:
        return self._searched.trail.size()

    def entries(self, *, first: int = 0, until: int | None = None) -> Iterator[Shown]:
        return self._searched.trail.entries(first=first, until=until)

    def at(self, indexes: Sequence[int]) -> list[Shown]:
        self.within.append(self._moments > 0)
        shown = self._searched.trail.at(indexes)
        while self._meanwhile:
            self._meanwhile.pop()()
        return shown

    def current(self) -> Any:
        self._index = self._searched.indexes.current()
        return None if self._index is None else self

    def cursor(self) -> int | None:
        return self._searched.indexes.cursor()

    @contextmanager
    def searching(self, tick: Tick) -> Iterator[Searcher]:
        assert self._index is not None
        self._moments += 1
        try:
            with self._index.searching(tick) as searcher:
                yield searcher
        finally:
            self._moments -= 1


PHRASE = '"read replica"'
LOOKED = {
    "a page": lambda searching: [one.index for one in searching.search(PHRASE, limit=3).items],
    "a facet": lambda searching: searching.facets(PHRASE, ["actor"]),
    "bars": lambda searching: searching.histogram(PHRASE, bars=9),
    "suggestions": lambda searching: searching.suggest(
        "action", "dep", scope=Words(("read", "replica"))
    ),
}


@pytest.mark.parametrize("asked", LOOKED.values(), ids=LOOKED)
def test_the_log_is_read_in_no_moment_of_the_index(
    searched: Searched, clock: FakeClock, asked: Callable[[Searching], object]
) -> None:
    searched.record(*(at(90 - n, reason=VAIN) if n % 3 else at(90 - n) for n in range(60)))
    searched.follow()
    watched = Watched(searched, lambda: None)
    assert asked(Searching(watched, watched, clock)) == asked(searched.searching)
    assert watched.within
    assert not any(watched.within)


@pytest.mark.parametrize("asked", LOOKED.values(), ids=LOOKED)
def test_what_comes_and_is_rebuilt_while_texts_are_read_confuses_no_answer(
    searched: Searched, clock: FakeClock, asked: Callable[[Searching], object]
) -> None:
    searched.record(*(at(90 - n, reason=VAIN if n % 2 else None) for n in range(20)))
    searched.record(*(at(60 - n) for n in range(4)))
    searched.follow()

    def meanwhile() -> None:
        # Before all that was seen so far, so that pages are the same with it and without.
        searched.record(at(100), at(99, reason=VAIN), at(98))
        searched.store.begin()
        searched.store.swap()
        searched.follow()

    watched = Watched(searched, meanwhile)
    found = asked(Searching(watched, watched, clock))
    assert found == asked(searched.searching)
