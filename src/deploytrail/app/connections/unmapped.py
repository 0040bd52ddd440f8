"""What no rule places: how many events, of which places, and a rule that would.

Pure but for asking the index, page by page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from deploytrail.event import UNKNOWN_PLACE, Raw
from deploytrail.intake.proposal import proposal
from deploytrail.trail import Page

EVENTS_MAX: Final = 10_000
_PAGE: Final = 500


class Searches(Protocol):
    def search(self, query: str = "", *, limit: int = 50, cursor: str | None = None) -> Page: ...


class Unmapped(NamedTuple):
    """Places that no rule matched, the most frequent first, each with how many events it has; and
    a proposal for those that have the same fields as the first. `is_all` is False where there are
    more events than were looked at.
    """

    places: list[tuple[Raw, int]]
    is_all: bool

    @property
    def events(self) -> int:
        return sum(count for _, count in self.places)

    @property
    def proposal(self) -> str:
        alike = [raw for raw, _ in self.places if _said(raw) == _said(self.places[0][0])]
        return proposal(alike)


def unmapped(trail: Searches, since: str) -> Unmapped:
    """Of the events since then, the newest first."""
    found: Counter[Raw] = Counter()
    for number, event in enumerate(_events(trail, f"project:{UNKNOWN_PLACE} since:{since}")):
        if number == EVENTS_MAX:
            return Unmapped(found.most_common(), False)
        where = event.get("where") or {}
        if where.get("mapping") is None and where.get("raw"):
            found[msgspec.convert(where["raw"], Raw)] += 1
    return Unmapped(found.most_common(), True)


def _events(trail: Searches, query: str) -> Iterator[dict[str, Any]]:
    cursor = None
    while True:
        page = trail.search(query, limit=_PAGE, cursor=cursor)
        yield from (one.event for one in page.items)
        cursor = page.next
        if cursor is None:
            return


def _said(raw: Raw) -> tuple[str, ...]:
    return tuple(name for name in raw.__struct_fields__ if getattr(raw, name) is not None)
