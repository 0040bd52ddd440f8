"""Neighbours on their way into one segment: few entries at once, many some terms at a time.

So whoever waits for new entries hardly notices. What is under way is begun anew from nothing where
the writer ended before it was done: until then its neighbours stand as they did.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from deploytrail.index import block, key, merging, pairing, pairs
from deploytrail.index.block import Block, Term
from deploytrail.index.part import Memory, Part
from deploytrail.index.segment import Input, Segment, joined, segment, time_chunks, times_of
from deploytrail.index.shelf import Moment, Row, Shelf


class Allowance(NamedTuple):
    """How much is joined beside what comes.

    Where much comes, an entry is joined twice, and each time six or seven terms come of it: as much
    a read is enough to be done before as many come again, and takes a fraction of a second.
    """

    at_once_entries: int = 4_096
    terms_a_read: int = 2_000
    terms_an_entry: int = 16
    terms_at_rest: int = 50_000


class Joinings:
    """What is under way. Belongs to the thread that writes.

    What came last is smallest and goes first, so that a question never meets too many segments.
    """

    def __init__(self, shelf: Shelf, home_entries: int, allowance: Allowance) -> None:
        self._shelf = shelf
        self._home_entries = home_entries
        self._at_once_entries = allowance.at_once_entries
        self._under_way: list[_Joining] = []
        self.is_settled = False
        """Whether there is nothing to do until something comes."""

    def go_on(self, terms_max: int) -> bool:
        """Begin what is due, and join about so many terms; whether there is more to do."""
        self.is_settled = False
        self._begin()
        while self._under_way and terms_max > 0:
            newest = self._under_way[-1]
            terms_max = newest.go_on(terms_max)
            if newest.is_done:
                self._under_way.pop()
                self._begin()
        self.is_settled = not self._under_way
        return not self.is_settled

    def discard(self) -> None:
        self.is_settled = False
        while self._under_way:
            self._under_way.pop().discard()

    def _begin(self) -> None:
        while True:
            with self._shelf.reading() as moment:
                segments = moment.segments()
            # Only what stands behind all that is on its way already.
            first = max([each.new.until for each in self._under_way], default=0)
            live = [each for each in segments if each.first >= first]
            old = merging.due(live, self._home_entries)
            if not old:
                break
            found = self._joining(old)
            if found.new.span > self._at_once_entries:
                self._under_way.append(found)
                return
            found.go_on(sys.maxsize)
        if not self._under_way and (old := merging.complete(segments, self._home_entries)):
            self._under_way.append(self._joining(old, is_sealed=True))

    def _joining(self, old: Sequence[Segment], *, is_sealed: bool = False) -> _Joining:
        with self._shelf.writing() as pen:
            id = pen.next_segment()
            times = _times(pen, old)
        new = segment(id, old[0].first, times, is_sealed=is_sealed)
        change = _Change(self._shelf, old, new, times)
        if is_sealed:
            return _Joining(change, _Sealed(change))
        # Of a smaller one they would be counted again where it is joined with others.
        has_pairs = new.span * merging.LARGE_IN_A_HOME >= self._home_entries
        return _Joining(change, _Gathered(change, has_pairs=has_pairs))


class _Change(NamedTuple):
    """Neighbours, and the one that they become."""

    shelf: Shelf
    old: Sequence[Segment]
    new: Segment
    times: Sequence[int]


class _Blocks(Protocol):
    """The blocks of a new segment until it is whole."""

    def add(self, rows: Sequence[Row]) -> None: ...
    def finish(self) -> None:
        """Let the new one stand for the old ones, in one transaction."""
        ...

    def discard(self) -> None: ...


class _Sealed:
    """In a draft of their own, which is durable before it is named."""

    def __init__(self, change: _Change) -> None:
        self._change = change
        self._draft = change.shelf.draft(change.new)

    def add(self, rows: Sequence[Row]) -> None:
        self._draft.add(rows)

    def finish(self) -> None:
        shelf, old, new, times = self._change
        with shelf.reading() as moment:
            parts = [Part(each, moment, Memory(), _unhurried) for each in old]
            found = pairs.encoded(pairing.of_neighbours(parts))
        self._draft.add([Row(key.PAIRS, found)])
        self._draft.finish(time_chunks(times))
        with shelf.writing() as pen:
            pen.replace(old, new)

    def discard(self) -> None:
        self._draft.discard()


class _Gathered:
    """In memory: some fifty bytes an entry."""

    def __init__(self, change: _Change, *, has_pairs: bool) -> None:
        self._change = change
        self._has_pairs = has_pairs
        self._rows: list[Row] = []

    def add(self, rows: Sequence[Row]) -> None:
        self._rows += rows

    def finish(self) -> None:
        shelf, old, new, times = self._change
        with shelf.writing() as pen:
            pen.replace_with(old, new, self._rows, time_chunks(times))
            if self._has_pairs:
                found = pairing.counted(Part(new, pen, Memory(), _unhurried))
                pen.change(new, [(key.PAIRS, Row(key.PAIRS, pairs.encoded(found)))])

    def discard(self) -> None:
        self._rows = []


class _Joining:
    """A change on its way."""

    def __init__(self, change: _Change, blocks: _Blocks) -> None:
        self._change = change
        self._blocks = blocks
        self._after = b""
        self._pending: list[Term] = []
        self.is_done = False

    @property
    def new(self) -> Segment:
        return self._change.new

    def go_on(self, terms_max: int) -> int:
        """Join about so many terms; of how many others may have the use."""
        shelf, old, new, _ = self._change
        with shelf.reading() as moment:
            inputs = [Input(each, _blocks_of(moment, each, self._after)) for each in old]
            for some in joined(inputs, new, after=self._after):
                self._pending += some
                self._after = some[-1][0]
                terms_max -= len(some)
                if terms_max <= 0:
                    break
            else:
                self.is_done = True
        self._blocks.add(self._rows())
        if self.is_done:
            self._blocks.finish()
        return terms_max

    def _rows(self) -> list[Row]:
        rows = [Row(*each) for each in block.blocks(self._pending, self.new.span)]
        if self.is_done:
            return rows
        # The last block may have room for what comes next.
        kept = rows.pop()
        self._pending = [term for term in self._pending if block.route(term[0]) >= kept.first]
        return rows

    def discard(self) -> None:
        self._blocks.discard()


def _times(moment: Moment, segments: Sequence[Segment]) -> array[int]:
    times: array[int] = array("q")
    for about in segments:
        for chunk in range(len(about.spans)):
            times.extend(times_of(moment.times(about, chunk)))
    return times


def _blocks_of(moment: Moment, about: Segment, after: bytes = b"") -> Iterator[Block]:
    """The blocks of a segment that have keys behind `after`."""
    before = moment.row(about, block.route(after))
    low = after if before is None else before.first
    rows = moment.rows(about, low=low, high=key.PAIRS)
    return (Block(row.data, about.span) for row in rows)


def _unhurried() -> None:
    """A writer takes the time that it takes."""
