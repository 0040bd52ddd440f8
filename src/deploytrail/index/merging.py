"""Which neighbours become one segment, and when.

Pure. What comes is kept at once, as small as it comes; once there are sixteen neighbours up to a
size, they become one, so that a question meets some dozens of them at most, and an entry is written
three or four times.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Final

from deploytrail.index.segment import HOME_ENTRIES, Segment

NEIGHBOURS: Final = 16
LARGE_IN_A_HOME: Final = 64
"""So many at most of those that are joined no more until their home is sealed."""
_SIZES: Final = (256, 4_096, 16_384)


def tier(span: int) -> int:
    """The size of a segment, from 0 on."""
    return sum(span >= size for size in _SIZES)


def due(segments: Sequence[Segment], home_entries: int = HOME_ENTRIES) -> Sequence[Segment]:
    """The neighbours to be joined now; none where nothing is due. `segments` ascend."""
    live = [segment for segment in segments if not segment.is_sealed]
    if not live:
        return ()
    last = _home(live[-1], home_entries)
    for size in range(len(_SIZES)):
        # From the end: a smaller one among larger ones goes with them.
        found = list(
            takewhile(
                lambda each: tier(each.span) <= size and _home(each, home_entries) == last,  # noqa: B023
                reversed(live),
            )
        )
        if len(found) >= NEIGHBOURS:
            return found[::-1]
    return ()


def complete(segments: Sequence[Segment], home_entries: int = HOME_ENTRIES) -> Sequence[Segment]:
    """The neighbours that together fill a home, to be sealed; none where there are none."""
    live = [segment for segment in segments if not segment.is_sealed]
    if not live:
        return ()
    first = _home(live[0], home_entries)
    found = [segment for segment in live if _home(segment, home_entries) == first]
    return found if found[-1].until == first + home_entries else ()


def _home(segment: Segment, home_entries: int) -> int:
    return segment.first - segment.first % home_entries
