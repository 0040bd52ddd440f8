"""How many entries match, and with which values: counted over sets, segment by segment."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import starmap
from typing import Final, NamedTuple

from deploytrail.index import key, postings
from deploytrail.index.pairs import Paired
from deploytrail.index.part import STEP_ENTRIES, Part
from deploytrail.index.segment import CHUNK_ENTRIES
from deploytrail.query.fields import BY_NAME, Field

OUTCOMES: Final = BY_NAME["outcome"].choices


class Matched:
    """A segment and which of its entries match: those in a set, or those that have a term.

    Of a term whose pairs are kept, the set is made only where it is asked for.
    """

    def __init__(self, part: Part, found: int | Paired) -> None:
        self.part = part
        self.paired = None if isinstance(found, int) else found
        self._bits = found if isinstance(found, int) else None

    @property
    def bits(self) -> int:
        if self._bits is None:
            assert self.paired is not None
            self._bits = self.part.bits(self.paired.term)
        return self._bits

    @cached_property
    def entries(self) -> int:
        """How many match."""
        return self.bits.bit_count() if self.paired is None else self.paired.entries

    @cached_property
    def name(self) -> object:
        """Stands for the set, wherever something of it is remembered; the set itself is long."""
        size = 256 + (self.part.about.span >> 3)
        return self.part.remembered(("set", self.bits), object, lambda _: size)

    @property
    def is_whole(self) -> bool:
        return self.entries == self.part.about.span

    def paired_with(self, field: Field) -> Paired | None:
        """What of a field is read, not counted."""
        paired = self.paired
        return paired if paired is not None and paired.pairs.has(field) else None


class Value(NamedTuple):
    """The key of a value, and how many have it."""

    key: bytes
    entries: int


def values(found: Matched, field: Field, beginning: bytes = b"") -> Iterator[Value]:
    """Each value of a field among the entries of one segment, with a count above 0."""
    part = found.part
    prefix = key.values(field.name) + beginning
    paired = found.paired_with(field)
    if paired is not None:
        yield from starmap(Value, paired.beginning(prefix))
    elif found.is_whole:
        yield from starmap(Value, part.counts(prefix))
    else:
        # What is asked again (a page that people look at) is remembered by the set itself.
        name = ("values", prefix, found.name)
        yield from part.remembered(name, lambda: list(_counted(found, prefix)), _size)


def _size(counted: list[Value]) -> int:
    return 256 + sum(150 + len(named) for named, _ in counted)


def _counted(found: Matched, prefix: bytes) -> Iterator[Value]:
    part, bits = found.part, found.bits
    span, offset = part.about.span, part.about.offset
    few = part.few(prefix)
    rest = part.beginning(prefix) if few is None else filter(None, map(part.find, few.rare))
    octets = b""
    for named, entries, data in rest:
        if postings.is_dense(entries, span):
            count = (int.from_bytes(data, "little") & bits).bit_count()
        else:
            octets = octets or bits.to_bytes(span + 7 >> 3, "little")
            count = 0
            for place in postings.unpacked(data):
                at = place - offset
                count += octets[at >> 3] >> (at & 7) & 1
        if count:
            yield Value(named, count)
    for named in () if few is None else few.common:
        both = part.bits(named) & bits
        if both:
            yield Value(named, both.bit_count())


def present(found: Matched, field: Field) -> int:
    """How many of the entries have any value of a field."""
    paired = found.paired_with(field)
    if paired is not None:
        return paired.having(key.present(field.name))
    having = found.bits & found.part.present(field)
    # Mostly all have one; then nothing is counted.
    return found.entries if having == found.bits else having.bit_count()


def numbers(found: Matched, field: Field) -> Counter[int]:
    """How often each number stands in a field."""
    part, bits = found.part, found.bits
    pending = [(bits & part.present(field), key.BITS - 1, 0)]
    counts: Counter[int] = Counter()
    while pending:
        some, bit, value = pending.pop()
        while some and bit >= 0:
            has = some & part.bits(key.bit(field.name, bit))
            if has and has != some:
                pending.append((has, bit - 1, value | 1 << bit))
                some ^= has
            elif has:
                value |= 1 << bit
            bit -= 1
        if some:
            counts[value] += some.bit_count()
    return counts


def bins(found: Matched, edges: Sequence[int]) -> Iterator[tuple[int, int, dict[str, int]]]:
    """(bin, how many, how many of each outcome), as often as it takes for each bin."""
    part, bits = found.part, found.bits
    length = part.about.span + 7 >> 3
    by_outcome = [
        (outcome, some.to_bytes(length, "little"))
        for outcome in OUTCOMES
        if (some := bits & part.bits(key.value("outcome", outcome)))
    ]
    for at, first, until, mask in _runs(part, edges):
        outcomes = {}
        for outcome, octets in by_outcome:
            here = int.from_bytes(octets[first >> 3 : until + 7 >> 3], "little")
            number = (here if mask is None else here & mask).bit_count()
            if number:
                outcomes[outcome] = number
        if outcomes:
            # Every event has one outcome.
            yield at, sum(outcomes.values()), outcomes


def _runs(part: Part, edges: Sequence[int]) -> Iterator[tuple[int, int, int, int | None]]:
    """(bin, first place, the place behind the last, which of these) of entries in a bin.

    None stands for all of them. Chunks that lie in one bin are taken together.
    """
    about, last = part.about, len(edges) - 2
    run: tuple[int, int, int] | None = None
    for number, (low, high) in enumerate(about.spans):
        first = number * CHUNK_ENTRIES
        until = min(first + CHUNK_ENTRIES, about.span)
        at, highest = bisect_right(edges, low) - 1, bisect_right(edges, high) - 1
        if run is not None and (at != highest or at != run[0]):
            yield (*run, None)
            run = None
        if at == highest:
            if 0 <= at <= last:
                run = (at, first if run is None else run[1], until)
            continue
        # Its lowest time is in the first of these bins, its highest in the last.
        below = 0
        for here in range(at, highest + 1):
            is_last = here == highest
            upto = (
                postings.all_of(until - first)
                if is_last
                else _earlier(part, number, edges[here + 1])
            )
            if 0 <= here <= last and upto & ~below:
                yield here, first, until, upto & ~below
            below = upto
    if run is not None:
        yield (*run, None)


def _earlier(part: Part, number: int, edge: int) -> int:
    """The entries of a chunk that happened before a time.

    They come nearly in the order of time, so most steps lie before it or behind it as a whole.
    """
    found = bytearray()
    for at, (low, high) in enumerate(part.steps(number)):
        if high < edge or edge <= low:
            found += _ALL if high < edge else _NONE
        else:
            times = part.times(number)[at * STEP_ENTRIES : (at + 1) * STEP_ENTRIES]
            flags = bytes(map(edge.__gt__, times)).translate(_DIGITS)
            found += int(flags[::-1], 2).to_bytes(len(_ALL), "little")
    return int.from_bytes(found, "little")


_ALL: Final = b"\xff" * (STEP_ENTRIES >> 3)
_NONE: Final = bytes(STEP_ENTRIES >> 3)
_DIGITS: Final = bytes(ord("1") if octet else ord("0") for octet in range(256))
