"""An index of a log, and what is asked of it: for the tests of its contract."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from deploytrail.clock import microseconds
from deploytrail.index.engine import SegmentedIndex
from deploytrail.index.joining import Allowance
from deploytrail.query.tree import (
    Filter,
    Order,
)
from tests.contract.index_engines import USUAL, IndexEngine
from tests.index.entries import Logged
from tests.index.oracle import matches

LITTLE = Allowance(at_once_entries=0, terms_a_read=3, terms_an_entry=1, terms_at_rest=5)
"""So little that joining goes on over many reads."""


def filled(
    engine: IndexEngine,
    log: Logged,
    *,
    batch: int = 5,
    home_entries: int = 1 << 20,
    name: str = "index",
    allowance: Allowance = USUAL,
) -> SegmentedIndex:
    """An index of a log, in reads of so many entries."""
    index = engine.writer(name, home_entries=home_entries, allowance=allowance)
    for first in range(0, len(log.entries), batch):
        index.apply(log.read(first, min(first + batch, len(log.entries))))
    return index


def unhurried() -> None:
    """A tick that never raises."""


def found(index: SegmentedIndex, log: Logged, filter: Filter, order: Order = "oldest") -> list[int]:
    """The indexes that match, in order; what only may match is decided by its event."""
    with index.searching(unhurried) as searcher:
        some = searcher.search(filter, order=order, after=None, limit=10_000)
    return [
        one.position.at
        for one in some
        if one.is_certain or matches(filter, log.shown[one.position.at])
    ]


def expected(log: Logged, filter: Filter, order: Order = "oldest") -> list[int]:
    some = [one for one in log.shown if matches(filter, one)]
    return [one["index"] for one in sorted(some, key=place_of, reverse=order == "newest")]


def place_of(shown: dict[str, Any]) -> tuple[int, int]:
    return microseconds(datetime.fromisoformat(shown["time"])), shown["index"]


def resolving(log: Logged, filter: Filter) -> Any:
    def resolve(indexes: Sequence[int]) -> Collection[int]:
        return [one for one in indexes if matches(filter, log.shown[one])]

    return resolve
