"""The search view over a shelf: entries become segments, and segments are joined as they come.

One code for every engine; what an engine keeps are the bytes of blocks (`shelf.Shelf`).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Final, NamedTuple

from deploytrail.errors import Conflict
from deploytrail.follow.view import Read
from deploytrail.index import block, contract, key, made
from deploytrail.index.answering import Answering
from deploytrail.index.block import Block, Term
from deploytrail.index.contract import Tick
from deploytrail.index.joining import Allowance, Joinings
from deploytrail.index.made import Made
from deploytrail.index.makers import Makers
from deploytrail.index.part import Memory
from deploytrail.index.people import People
from deploytrail.index.rows import Rowing
from deploytrail.index.segment import (
    HOME_ENTRIES,
    Segment,
    bits_of,
    segment,
    time_chunks,
    without,
)
from deploytrail.index.shelf import Pen, Row, Shelf
from deploytrail.index.written import Writings

_PART_ENTRIES: Final = 4_096
"""As many become a segment at most: what is made at once takes some forty megabytes."""
_PARTS_LEAST: Final = 2
"""Of fewer, starting processes would cost more than they save."""
_ALLOWANCE: Final = Allowance()


class SegmentedIndex:
    """`contract.Index` over a shelf. `home_entries`, a power of two, is smaller only in tests."""

    def __init__(
        self,
        shelf: Shelf,
        memory: Memory | None = None,
        *,
        home_entries: int = HOME_ENTRIES,
        part_entries: int = _PART_ENTRIES,
        makers: Makers | None = None,
        allowance: Allowance = _ALLOWANCE,
    ) -> None:
        self._shelf = shelf
        self._memory = Memory() if memory is None else memory
        self._making: _Making | None = None
        self._allowance = allowance
        self._joinings = Joinings(shelf, home_entries, allowance)
        self._home_entries = home_entries
        self._part_entries = part_entries
        self._makers = makers

    @property
    def name(self) -> str:
        return contract.NAME

    @property
    def version(self) -> int:
        return contract.VERSION

    @property
    def origin(self) -> str:
        return self._shelf.origin

    def cursor(self) -> int:
        with self._shelf.reading() as moment:
            return moment.cursor()

    @contextmanager
    def searching(self, tick: Tick) -> Iterator[Answering]:
        with self._shelf.reading() as moment:
            yield Answering(moment, self._memory, tick)

    def apply(self, read: Read) -> None:
        """See `follow.view.View`; then neighbours are joined for a while."""
        making = self._made()
        try:
            with self._shelf.writing() as pen, closing(self._made_of(read, making.rowing)) as parts:
                _refuse_elsewhere(read, pen.cursor())
                for found in parts:
                    self._keep(found, pen, making)
                pen.name(making.people.unkept())
                pen.write(making.writings.unkept())
                pen.advance(read.until)
        except BaseException:
            # Names that were numbered and not kept are numbered anew.
            self._making = None
            raise
        allowed = self._allowance
        self._joinings.go_on(allowed.terms_a_read + allowed.terms_an_entry * len(read.entries))

    def rest(self) -> bool:
        if self._joinings.is_settled:
            return False
        return self._joinings.go_on(self._allowance.terms_at_rest)

    def erase(self, subject: str) -> None:
        # With what it remembers, here and in other processes.
        self._making = None
        if self._makers is not None:
            self._makers.close()
        self._joinings.discard()
        with self._shelf.writing() as pen:
            pen.unname(subject)
            for about in pen.segments():
                for layer, whose in key.ERASABLE:
                    _erase(pen, about, layer, key.subject(whose, subject))
        self._shelf.scrub()
        self._memory.clear()

    def close(self) -> None:
        with ExitStack() as last:
            last.callback(self._shelf.close)
            if self._makers is not None:
                last.callback(self._makers.close)
            self._joinings.discard()

    def _keep(self, found: Made, pen: Pen, making: _Making) -> None:
        """As a segment of its own."""
        making.writings.take(found.written)
        times = made.times_of(found)
        about = segment(pen.next_segment(), found.first, times)
        pen.add(about, made.rows_of(found, making.people, about.span), time_chunks(times))

    def _made_of(self, read: Read, rowing: Rowing) -> Generator[Made]:
        """What was read, part by part; parts beside each other where there are several."""
        parts = _parts(read, self._home_entries, self._part_entries)

        def own(part: Read) -> Made:
            return made.made(rowing, part)

        if self._makers is None or len(read.entries) < _PARTS_LEAST * self._part_entries:
            return (own(part) for part in parts)
        return self._makers.made(parts, own)

    def _made(self) -> _Making:
        if self._making is None:
            with self._shelf.reading() as moment:
                people = People(moment.names())
                writings = Writings(moment.written_keys())
            self._making = _Making(Rowing(origin=self.origin), people, writings)
        return self._making


class _Making(NamedTuple):
    """What rows are made with, and what of them is kept once for all."""

    rowing: Rowing
    people: People
    writings: Writings


def _refuse_elsewhere(read: Read, cursor: int) -> None:
    if read.first != cursor:
        raise Conflict(f"index: expected entries from {cursor} on, found {read.first}")


def _parts(read: Read, home_entries: int, part_entries: int) -> Iterator[Read]:
    """What was read, cut where a home begins, and where a part has as many as it may."""
    first = read.first
    while first < read.until:
        until = min(first - first % home_entries + home_entries, first + part_entries, read.until)
        within = slice(first - read.first, until - read.first)
        # Its entries need not be parsed for this.
        yield Read(first, read.entries[within], (), read.disclosures)
        first = until


def _erase(pen: Pen, about: Segment, layer: bytes, whose: bytes) -> None:
    """Let none of the entries that have a subject's texts in a layer have words of that layer."""
    row = pen.row(about, block.route(whose))
    term = None if row is None else Block(row.data, about.span).find(whose)
    if term is None:
        return
    gone = bits_of(term, about)
    high = key.after(layer)
    before = pen.row(about, layer)
    rows = list(pen.rows(about, low=layer if before is None else before.first, high=high))
    changes = []
    for row in rows:
        found = list(Block(row.data, about.span))
        kept = list(_without(found, layer, gone, about))
        if kept != found:
            replaced = (
                Row(block.route(kept[0][0]), block.encode(kept, about.span)) if kept else None
            )
            changes.append((row.first, replaced))
    pen.change(about, changes)


def _without(found: list[Term], layer: bytes, gone: int, about: Segment) -> Iterator[Term]:
    for term in found:
        if term[0].startswith(layer):
            yield from without([term], gone, about)
        else:
            yield term
