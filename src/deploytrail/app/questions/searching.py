"""Questions to a trail: a query becomes a filter, the index says which entries, the log shows them.

What the index can't know (whether words stand one behind the other) is decided by the predicate
over the event itself, as the log and the vault give it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from deploytrail.app.events.asked_event import asked_event
from deploytrail.app.questions import bars as widths
from deploytrail.app.questions.answers import facet, histogram
from deploytrail.app.questions.changes import CHANGES
from deploytrail.app.questions.cursors import Cursor, decode, encode
from deploytrail.clock import Clock, at_microseconds, microseconds
from deploytrail.errors import Behind, Malformed, TooSlow
from deploytrail.follow.lag import wait_until
from deploytrail.index.contract import Bins, Index, Position, Resolve, Searcher
from deploytrail.query.fields import BY_NAME, Field
from deploytrail.query.parse import parse
from deploytrail.query.predicate import predicate
from deploytrail.query.terms import near_names
from deploytrail.query.tree import EVERYTHING, And, Filter, Order
from deploytrail.trail import Facet, Histogram, Page, Shown, Stats

LIMIT_MAX: Final = 1_000
SECONDS_MAX: Final = 10.0
WAIT_SECONDS_MAX: Final = 10.0
_TAIL_SECONDS: Final = 0.2
_TAIL_ENTRIES: Final = 1_024
_AT_ONCE_MAX: Final = 4_096
_Tick = Callable[[], None]
_Count = TypeVar("_Count")


class Entries(Protocol):
    """The log as its readers see it: `app.listing.Listing`."""

    @property
    def origin(self) -> str: ...
    def size(self) -> int: ...
    def at(self, indexes: Sequence[int]) -> list[Shown]: ...
    def entries(self, *, first: int = 0, until: int | None = None) -> Iterator[Shown]: ...


class Indexes(Protocol):
    """Where the index stands."""

    def current(self) -> Index | None:
        """The one to ask now; it belongs to this thread, and stays open."""
        ...

    def cursor(self) -> int | None:
        """How far it is, durably."""
        ...


class Limits(NamedTuple):
    """How long an answer may take, and how long an entry is waited for."""

    seconds: float = SECONDS_MAX
    wait_seconds: float = WAIT_SECONDS_MAX


LIMITS: Final = Limits()


class _Asked(NamedTuple):
    """A query with its scope: what it means, and how an event is asked."""

    filter: Filter
    matches: Callable[[Any], bool]


class _Unread(Exception):
    """Entries whose texts decide, and which nobody has read yet."""

    def __init__(self, indexes: Sequence[int]) -> None:
        self.indexes = indexes


class Searching:
    """The half of `trail.TrailSearcher` that is asked, with a scope for each question.

    What is out of scope looks absent. Belongs to one thread. `prepare` is called before each
    question is put to the index: where nobody follows the log, it is moved then.
    """

    def __init__(
        self,
        log: Entries,
        indexes: Indexes,
        clock: Clock,
        limits: Limits = LIMITS,
        *,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        self._prepare = prepare
        self._log = log
        self._indexes = indexes
        self._clock = clock
        self._limits = limits

    def search(
        self,
        query: str = "",
        *,
        limit: int = 50,
        cursor: str | None = None,
        order: Order = "newest",
        after: int | None = None,
        scope: Filter = EVERYTHING,
    ) -> Page:
        """See `trail.TrailSearcher.search`."""
        return self._page(query, EVERYTHING, "search", limit, cursor, order, after, scope)

    def changes(
        self,
        query: str = "",
        *,
        limit: int = 50,
        cursor: str | None = None,
        after: int | None = None,
        scope: Filter = EVERYTHING,
    ) -> Page:
        """See `trail.TrailSearcher.changes`."""
        return self._page(query, CHANGES, "changes", limit, cursor, "newest", after, scope)

    def facets(
        self,
        query: str,
        fields: Sequence[str],
        *,
        limit: int = 20,
        after: int | None = None,
        scope: Filter = EVERYTHING,
    ) -> list[Facet]:
        """See `trail.TrailSearcher.facets`."""
        wanted = [_field(name) for name in fields]
        _check_limit(limit)
        tick = self._ticking(after)
        asked = self._asked(query, scope, self._clock.now())
        tallies = self._counted(
            asked,
            tick,
            lambda searcher, resolve: searcher.facets(
                asked.filter, wanted, limit=limit, resolve=resolve
            ),
        )
        return [facet(field, tally, limit) for field, tally in zip(wanted, tallies, strict=True)]

    def histogram(
        self,
        query: str,
        *,
        bars: int = 60,
        after: int | None = None,
        scope: Filter = EVERYTHING,
    ) -> Histogram:
        """See `trail.TrailSearcher.histogram`."""
        if not 0 < bars <= widths.BARS_MAX:
            raise Malformed(f"bars: expected 1 to {widths.BARS_MAX}, found {bars}; ask for fewer")
        tick = self._ticking(after)
        asked = self._asked(query, scope, self._clock.now())
        low, high = widths.bounds(asked.filter)

        def edges(first: int, last: int) -> Sequence[int]:
            first = first if low is None else low
            return widths.edges(first, max(first, last if high is None else high - 1), bars)

        bins = self._counted(
            asked,
            tick,
            lambda searcher, resolve: searcher.histogram(asked.filter, edges, resolve=resolve),
        )
        if not bins.edges and low is not None and high is not None and low < high:
            chosen = edges(low, low)
            none: dict[str, int] = {}
            count = len(chosen) - 1
            bins = Bins(tuple(chosen), (0,) * count, (none,) * count, bins.is_exact)
        return histogram(bins)

    def suggest(
        self,
        field: str,
        beginning: str,
        *,
        limit: int = 20,
        after: int | None = None,
        scope: Filter = EVERYTHING,
    ) -> list[str]:
        """See `trail.TrailSearcher.suggest`."""
        _check_limit(limit)
        wanted = _field(field)
        return self._counted(
            _Asked(scope, predicate(scope)),
            self._ticking(after),
            lambda searcher, resolve: searcher.suggest(
                wanted, beginning, scope=scope, limit=limit, resolve=resolve
            ),
        )

    def indexed(self) -> int:
        """How far the index is, durably: the index of the next entry that it wants."""
        return self._indexes.cursor() or 0

    def tail(
        self, query: str = "", *, after: int | None = None, scope: Filter = EVERYTHING
    ) -> Iterator[Shown]:
        """See `trail.TrailSearcher.tail`: the log is looked at again and again."""
        asked = self._asked(query, scope, self._clock.now())
        nobody = threading.Event()
        at = self._log.size() if after is None else after + 1
        while True:
            until = min(self._log.size(), at + _TAIL_ENTRIES)
            for shown in self._log.entries(first=at, until=until):
                if asked.matches(asked_event(shown)):
                    yield shown
            if until > at:
                at = until
            else:
                self._clock.wait(nobody, _TAIL_SECONDS)

    def _page(
        self,
        query: str,
        besides: Filter,
        kind: str,
        limit: int,
        cursor: str | None,
        order: Order,
        after: int | None,
        scope: Filter,
    ) -> Page:
        _check_limit(limit)
        if order not in ("newest", "oldest"):
            raise Malformed(f"order: expected newest or oldest, found {order!r}; choose one")
        now = self._clock.now()
        bound = f"{kind}\0{order}\0{self._log.origin}\0{scope!r}\0{query}"
        start: Position | None = None
        if cursor is not None:
            found = decode(cursor, bound)
            start, now = found.position, at_microseconds(found.now)
        tick = self._ticking(after)
        asked = self._asked(query, _both(scope, besides), now)
        matched, indexed = self._matching(asked, tick, order, start, limit + 1)
        items = self._log.at([one.at for one in matched[:limit]])
        last = matched[limit - 1] if len(matched) > limit else None
        return Page(
            items=tuple(items),
            next=None if last is None else encode(Cursor(last, microseconds(now)), bound),
            indexed=indexed,
            size=self._log.size(),
        )

    def _matching(
        self, asked: _Asked, tick: _Tick, order: Order, start: Position | None, count: int
    ) -> tuple[list[Position], int]:
        """(the next that match, `count` at least where there are as many; how far the index was).

        What only may is looked at, in no moment of the index: an open one keeps its write-ahead
        log from being emptied, and what was erased on the disk. The next moment goes on behind the
        last position, as the next page does, whatever was appended, joined or rebuilt meanwhile.
        """
        found: list[Position] = []
        indexed = []
        wanted = count
        while len(found) < count:
            with self._searcher(tick) as searcher:
                some = searcher.search(asked.filter, order=order, after=start, limit=wanted)
                indexed.append(searcher.cursor)
            matching = self._read(
                [one.position.at for one in some if not one.is_certain], asked, tick
            )
            found += [one.position for one in some if one.is_certain or one.position.at in matching]
            if len(some) < wanted:
                break
            start = some[-1].position
            # Where few of those match that may, more are looked at for each time that is asked.
            wanted = min(2 * wanted, max(count, _AT_ONCE_MAX))
        return found, min(indexed)

    def _counted(
        self, asked: _Asked, tick: _Tick, count: Callable[[Searcher, Resolve], _Count]
    ) -> _Count:
        """What is counted in a moment of the index; where texts decide, in a later one: between the
        two they are read.
        """
        try:
            with self._searcher(tick) as searcher:
                return count(searcher, _unread)
        except _Unread as unread:
            known = dict.fromkeys(unread.indexes, False)
            known.update(dict.fromkeys(self._read(unread.indexes, asked, tick), True))

        def resolve(indexes: Sequence[int]) -> Collection[int]:
            # What came meanwhile is little, and read at once: else it might never come to an end.
            new = self._read([one for one in indexes if one not in known], asked, tick)
            return [one for one in indexes if known.get(one, one in new)]

        with self._searcher(tick) as searcher:
            return count(searcher, resolve)

    def _read(self, indexes: Sequence[int], asked: _Asked, tick: _Tick) -> set[int]:
        """Those whose events match."""
        found = set()
        for at in range(0, len(indexes), 64):
            tick()
            shown = self._log.at(indexes[at : at + 64])
            found |= {one.index for one in shown if asked.matches(asked_event(one))}
        return found

    def _asked(self, query: str, scope: Filter, now: datetime) -> _Asked:
        filter = _both(scope, parse(query, now=now))
        return _Asked(filter, predicate(filter))

    @contextmanager
    def _searcher(self, tick: _Tick) -> Iterator[Searcher]:
        index = self._indexes.current()
        if index is None:
            raise Behind(
                "index: expected one to search in, found none of this version yet; a server makes "
                "one when it starts, and so does 'deploytrail index rebuild'; then ask again"
            )
        with index.searching(tick) as searcher:
            yield searcher

    def _wait(self, after: int) -> None:
        refuse_absent(after, self._log.size())
        wait_until(self.indexed, after, seconds_max=self._limits.wait_seconds, clock=self._clock)

    def _ticking(self, after: int | None) -> _Tick:
        """Raises TooSlow from a time on; it counts from when the index is as far as it has to be.

        One for all that a question does: what is read and what is looked at is one answer.
        """
        self._prepare()
        if after is not None:
            self._wait(after)
        clock, seconds = self._clock, self._limits.seconds
        until = clock.monotonic() + seconds

        def tick() -> None:
            if clock.monotonic() > until:
                raise TooSlow(
                    f"query: expected an answer within {seconds:g} s, found none yet; narrow it by "
                    "since:, env: or project:, or write longer beginnings before a star"
                )

        return tick


def _unread(indexes: Sequence[int]) -> Collection[int]:
    raise _Unread(indexes)


def stats(log: Entries, *, size_signed: int, followers: dict[str, int]) -> Stats:
    """How far a log goes, and what follows it."""
    size = log.size()
    newest = log.at([size - 1]) if size else []
    logged = str(newest[0].event["logged"]) if newest else None
    return Stats(
        origin=log.origin, size=size, size_signed=size_signed, logged=logged, followers=followers
    )


def _both(one: Filter, other: Filter) -> Filter:
    parts = [part for part in (one, other) if part != EVERYTHING]
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def _field(name: str) -> Field:
    found = BY_NAME.get(name)
    if found is None:
        near = " or ".join(near_names(name, BY_NAME))
        advice = f"did you mean {near}?" if near else "docs/query.md lists them"
        raise Malformed(f"field: expected one such as env or actor, found {name[:60]!r}; {advice}")
    return found


def refuse_absent(after: int, size: int) -> None:
    """Raise Malformed for what is no entry of a log of that size: it can't be waited for."""
    if not 0 <= after < size:
        raise Malformed(
            f"after: expected the index of an entry, below {size}, found {after}; "
            "take that of a receipt"
        )


def _check_limit(limit: int) -> None:
    if not 0 < limit <= LIMIT_MAX:
        raise Malformed(f"limit: expected 1 to {LIMIT_MAX}, found {limit}; ask for pages of fewer")
