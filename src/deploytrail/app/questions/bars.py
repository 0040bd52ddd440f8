"""The bars of a histogram: as wide as people think of time, and no more than were asked for.

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from deploytrail.query.tree import And, Between, Filter

BARS_MAX: Final = 1_000
_SECOND: Final = 1_000_000
_DAY: Final = 86_400
_WIDTHS: Final = tuple(
    seconds * _SECOND
    for seconds in (
        1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200,
        _DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY, 28 * _DAY, 91 * _DAY, 364 * _DAY,
    )
)  # fmt: skip


def bounds(filter: Filter) -> tuple[int | None, int | None]:
    """Between which times a filter lets events pass, as far as it says so at its top."""
    low: int | None = None
    high: int | None = None
    for one in filter.of if isinstance(filter, And) else (filter,):
        if isinstance(one, And):
            inner = bounds(one)
        elif isinstance(one, Between) and one.field.name == "time":
            inner = one.low, one.high
        else:
            continue
        low = inner[0] if low is None else max(low, inner[0] if inner[0] is not None else low)
        high = inner[1] if high is None else min(high, inner[1] if inner[1] is not None else high)
    return low, high


def edges(low: int, high: int, bars: int) -> Sequence[int]:
    """The edges of at most `bars` bars that have every time from `low` up to `high`, inclusive."""
    for width in _WIDTHS:
        first = low // width * width
        if (high - first) // width < bars:
            return range(first, high + width + 1, width)[: (high - first) // width + 2]
    # Of longer than anybody's log: as wide as it takes.
    width = (high - low) // bars + 1
    return range(low, low + width * bars + 1, width)
