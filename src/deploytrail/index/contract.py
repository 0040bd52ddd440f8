"""The index as whoever asks it sees it: a contract, and the values of its answers.

It knows indexes of the log, not events: those are read from the log, which alone can prove them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import Final, NamedTuple, Protocol

from deploytrail.follow.view import View
from deploytrail.query.fields import Field
from deploytrail.query.tree import Filter, Order

NAME: Final = "index"
VERSION: Final = 1
"""Rises with whatever changes what is kept: then it is rebuilt."""
RESOLVED_MAX: Final = 1_000
"""So many events at most are looked at for one count, where only their texts decide."""
Tick = Callable[[], None]
"""Called between steps of an answer; raises TooSlow when it has taken too long."""
Resolve = Callable[[Sequence[int]], Collection[int]]
"""Of these indexes of the log, those whose events match: by the predicate, over the event.

Called once at most for an answer, with all that it needs, ascending: whoever wants to read the log
in no moment of the index raises, and asks anew once that is read.
"""


class Position(NamedTuple):
    """Where an event stands in the order of answers: by its time, then its index in the log."""

    time: int
    at: int


class Match(NamedTuple):
    """An entry that matches, or where `is_certain` is False, one that may: its text decides."""

    position: Position
    is_certain: bool


class Tally(NamedTuple):
    """The values of a field and how many entries have each, most frequent first, then by value.

    `absent` have none. Where `is_exact` is False, each count is one at least, and values may be
    missing.
    """

    counts: tuple[tuple[str, int], ...]
    absent: int
    is_exact: bool


class Bins(NamedTuple):
    """Matching entries by time: those of bin `n` lie in [`edges[n]`, `edges[n + 1]`).

    `counts` has how many each bin has, and `outcomes` how many of each outcome.
    """

    edges: tuple[int, ...]
    counts: tuple[int, ...]
    outcomes: tuple[dict[str, int], ...]
    is_exact: bool


class Searcher(Protocol):
    """What is asked of an index at one moment, of the entries below `cursor`.

    Every method calls `tick` between its steps. `Within` is none of its questions: Malformed.
    """

    @property
    def cursor(self) -> int: ...
    def search(
        self, filter: Filter, *, order: Order, after: Position | None, limit: int
    ) -> list[Match]:
        """The next `limit` matches behind a position, or the first ones."""
        ...

    def facets(
        self, filter: Filter, fields: Sequence[Field], *, limit: int, resolve: Resolve
    ) -> list[Tally]: ...
    def histogram(
        self, filter: Filter, edges: Callable[[int, int], Sequence[int]], *, resolve: Resolve
    ) -> Bins:
        """`edges` gives those of the bins, ascending, for the lowest and highest time of a match.

        It is not asked where nothing matches; then there are no bins.
        """
        ...

    def suggest(
        self, field: Field, beginning: str, *, scope: Filter, limit: int, resolve: Resolve
    ) -> list[str]:
        """Values that begin so, of entries in the scope, most frequent first, then by value."""
        ...


class Index(View, Protocol):
    """The search view. One writer moves it; any number of readers ask it meanwhile."""

    def searching(self, tick: Tick) -> AbstractContextManager[Searcher]:
        """Begins a moment to ask in, which ends with its block."""
        ...
