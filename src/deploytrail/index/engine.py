"""The search view over a shelf: entries become segments, and segments are joined as they come.

One code for every engine; what an engine keeps are the bytes of blocks (`shelf.Shelf`).
"""

from __future__ import annotations

from array import array
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Final, NamedTuple

from deploytrail.errors import Conflict
from deploytrail.follow.view import Read
from deploytrail.index import block, contract, key, made, merging, pairing, pairs
from deploytrail.index.answering import Answering
from deploytrail.index.block import Block, Term
from deploytrail.index.contract import Tick
from deploytrail.index.made import Made
from deploytrail.index.makers import Makers
from deploytrail.index.part import Memory, Part
from deploytrail.index.people import People
from deploytrail.index.rows import Rowing
from deploytrail.index.segment import (
    HOME_ENTRIES,
    Input,
    Segment,
    bits_of,
    joined,
    segment,
    time_chunks,
    times_of,
    without,
)
from deploytrail.index.shelf import Moment, Pen, Row, Shelf
from deploytrail.index.written import Writings

_PART_ENTRIES: Final = 4_096
"""As many become a segment at most: what is made at once takes some forty megabytes."""
_PARTS_LEAST: Final = 2
"""Of fewer, starting processes would cost more than they save."""
_TERMS_AN_ENTRY: Final = 40
_TERMS_A_READ: Final = 4_000
"""So much of a seal is done with each read: enough to be done long before the next is due."""


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
    ) -> None:
        self._shelf = shelf
        self._memory = Memory() if memory is None else memory
        self._making: _Making | None = None
        self._sealing: _Sealing | None = None
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
        """See `follow.view.View`; small neighbours are joined in the same transaction."""
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
        self._seal(_TERMS_A_READ + _TERMS_AN_ENTRY * len(read.entries))

    def erase(self, subject: str) -> None:
        # With what it remembers, here and in other processes.
        self._making = None
        if self._makers is not None:
            self._makers.close()
        if self._sealing is not None:
            self._sealing.discard()
            self._sealing = None
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
            if self._sealing is not None:
                self._sealing.discard()

    def _keep(self, found: Made, pen: Pen, making: _Making) -> None:
        """As a segment of its own, unless it is joined with others at once."""
        making.writings.take(found.written)
        times = made.times_of(found)
        about = segment(pen.next_segment(), found.first, times)
        pen.add(about, made.rows_of(found, making.people, about.span), time_chunks(times))
        _join(pen, self._home_entries)

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

    def _seal(self, terms_max: int) -> None:
        """Go on with sealing, so far that whoever waits for new entries hardly notices."""
        if self._sealing is None:
            with self._shelf.reading() as moment:
                old = merging.complete(moment.segments(), self._home_entries)
            if not old:
                return
            with self._shelf.writing() as pen:
                id = pen.next_segment()
            self._sealing = _Sealing(self._shelf, old, id)
        if self._sealing.go_on(terms_max):
            self._sealing = None


class _Making(NamedTuple):
    """What rows are made with, and what of them is kept once for all."""

    rowing: Rowing
    people: People
    writings: Writings


class _Sealing:
    """A home that is complete, on its way into a segment of its own."""

    def __init__(self, shelf: Shelf, old: Sequence[Segment], id: int) -> None:
        self._shelf = shelf
        self._old = old
        with shelf.reading() as moment:
            self._times = _times(moment, old)
        self._new = segment(id, old[0].first, self._times, is_sealed=True)
        self._draft = shelf.draft(self._new)
        self._after = b""
        self._pending: list[Term] = []

    def go_on(self, terms_max: int) -> bool:
        """Whether it is done."""
        is_done = True
        with self._shelf.reading() as moment:
            inputs = [Input(each, _blocks(moment, each, self._after)) for each in self._old]
            for some in joined(inputs, self._new, after=self._after):
                self._pending += some
                self._after = some[-1][0]
                terms_max -= len(some)
                if terms_max <= 0:
                    is_done = False
                    break
        self._draft.add(self._rows(is_last=is_done))
        if is_done:
            self._draft.add([self._pairs()])
            self._draft.finish(time_chunks(self._times))
            with self._shelf.writing() as pen:
                pen.replace(self._old, self._new)
        return is_done

    def _pairs(self) -> Row:
        with self._shelf.reading() as moment:
            parts = [Part(each, moment, Memory(), _unhurried) for each in self._old]
            return Row(key.PAIRS, pairs.encoded(pairing.of_neighbours(parts)))

    def _rows(self, *, is_last: bool) -> list[Row]:
        rows = list(_rows_of(self._pending, self._new))
        if is_last:
            return rows
        # The last block may have room for what comes next.
        kept = rows.pop()
        self._pending = [term for term in self._pending if block.route(term[0]) >= kept.first]
        return rows

    def discard(self) -> None:
        self._draft.discard()


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


def _rows_of(found: Sequence[Term] | Iterator[Term], about: Segment) -> Iterator[Row]:
    return (Row(*each) for each in block.blocks(found, about.span))


def _join(pen: Pen, home_entries: int) -> None:
    """Join neighbours until none are due."""
    while old := merging.due(pen.segments(), home_entries):
        times = _times(pen, old)
        new = segment(pen.next_segment(), old[0].first, times)
        inputs = [Input(each, _blocks(pen, each)) for each in old]
        found = (term for some in joined(inputs, new) for term in some)
        pen.replace_with(old, new, _rows_of(found, new), time_chunks(times))
        if new.span * merging.NEIGHBOURS >= home_entries:
            # Of a smaller one they would be counted again where it is joined with others.
            found_pairs = pairing.counted(Part(new, pen, Memory(), _unhurried))
            row = Row(key.PAIRS, pairs.encoded(found_pairs))
            pen.change(new, [(key.PAIRS, row)])


def _times(moment: Moment, segments: Sequence[Segment]) -> array[int]:
    times: array[int] = array("q")
    for about in segments:
        for chunk in range(len(about.spans)):
            times.extend(times_of(moment.times(about, chunk)))
    return times


def _blocks(moment: Moment, about: Segment, after: bytes = b"") -> Iterator[Block]:
    """The blocks of a segment that have keys behind `after`."""
    before = moment.row(about, block.route(after))
    low = after if before is None else before.first
    rows = moment.rows(about, low=low, high=key.PAIRS)
    return (Block(row.data, about.span) for row in rows)


def _unhurried() -> None:
    """A writer takes the time that it takes."""


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
