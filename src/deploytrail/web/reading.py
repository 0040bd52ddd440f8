"""What a reading thread of the server holds: a trail that is stored here, and its index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from deploytrail.app.published import size_signed
from deploytrail.app.trails.stored import StoredTrail
from deploytrail.errors import NotFound
from deploytrail.event import EventId
from deploytrail.query.tree import Filter, Order
from deploytrail.trail import Facet, Histogram, Page, Shown, Stats


class Searching(Protocol):
    """`trail.TrailSearcher` within a scope: what that leaves out looks absent.

    Nobody waits here for an entry: that would keep a thread (`waiting.py`).
    """

    def indexed(self) -> int: ...
    def search(
        self,
        query: str = "",
        *,
        limit: int = 50,
        cursor: str | None = None,
        order: Order = "newest",
        scope: Filter,
    ) -> Page: ...
    def facets(
        self,
        query: str,
        fields: Sequence[str],
        *,
        limit: int = 20,
        scope: Filter,
    ) -> list[Facet]: ...
    def histogram(self, query: str, *, bars: int = 60, scope: Filter) -> Histogram: ...
    def suggest(
        self, field: str, beginning: str, *, limit: int = 20, scope: Filter
    ) -> list[str]: ...
    def changes(
        self, query: str = "", *, limit: int = 50, cursor: str | None = None, scope: Filter
    ) -> Page: ...
    def stats(self) -> Stats: ...
    def close(self) -> None: ...


class ServedTrail:
    """Belongs to one thread."""

    def __init__(self, trail: StoredTrail, searching: Searching | None = None) -> None:
        self.trail = trail
        self._searching = searching

    @property
    def searching(self) -> Searching:
        """Raises NotFound where there is no index."""
        if self._searching is None:
            raise NotFound(
                "index: expected one beside the log, found none; 'deploytrail up' makes it"
            )
        return self._searching

    def show(self, event: str) -> Shown:
        """By its id, or by its index; raises NotFound."""
        is_index = event.isascii() and event.isdigit() and len(event) <= 16
        return self.trail.show(int(event) if is_index else EventId(event))

    def stats(self) -> Stats:
        """As far as it is known without an index, where there is none."""
        if self._searching is not None:
            return self._searching.stats()
        newest = next(iter(self.trail.newest(count=1)), None)
        return Stats(
            origin=self.trail.origin,
            size=self.trail.size(),
            size_signed=size_signed(self.trail.store),
            logged=None if newest is None else str(newest.event["logged"]),
            followers={},
        )

    def close(self) -> None:
        if self._searching is not None:
            self._searching.close()
        self.trail.close()
