"""How many entries match, and with which values: counted over sets, segment by segment."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import starmap
from typing import Final, NamedTuple

from deploytrail.index import key, postings
from deploytrail.index.block import Term
from deploytrail.index.pairs import Crossed, Paired
from deploytrail.index.part import STEP_ENTRIES, Few, Part
from deploytrail.index.segment import CHUNK_ENTRIES
from deploytrail.query.fields import BY_NAME, Field

_BINS_FEW: Final = 16
OUTCOMES: Final = BY_NAME["outcome"].choices


class Matched:
    """A segment and which of its entries match: those in a set, or those that have a term.

    Of a term whose pairs are kept, the set is made only where it is asked for.
    """

    def __init__(self, part: Part, found: int | Paired, crossed: Crossed | None = None) -> None:
        self.part = part
        self._crossed = crossed
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

    def having(self, term: bytes) -> int:
        """How many of them have a term as well."""
        known = None if self._crossed is None else self._crossed.having(term, self.entries)
        if known is None:
            both = self.part.bits(term) & self.bits
            # Mostly all have it or none; then nothing is counted.
            known = self.entries if both == self.bits else both.bit_count()
        return known

    def paired_with(self, field: Field) -> Paired | None:
        """What of a field is read, not counted."""
        paired = self.paired
        return paired if paired is not None and paired.pairs.has(field) else None


class Value(NamedTuple):
    """The key of a value, and how many have it."""

    key: bytes
    entries: int


def values(found: Matched, field: Field, beginning: bytes = b"") -> Iterator[Value]:
    """Each value of a field among the entries of one segment, with a count above 0; ascending."""
    part = found.part
    prefix = key.values(field.name) + beginning
    paired = found.paired_with(field)
    if paired is not None:
        yield from starmap(Value, paired.beginning(prefix))
    elif found.is_whole:
        yield from starmap(Value, part.counts(prefix))
    elif (few := part.few(prefix)) is not None:
        # What is asked again (a page that people look at) is remembered by the set itself.
        name = ("values", prefix, found.name)
        yield from part.remembered(name, lambda: _counted_few(found, few), _size)
    else:
        # Of a field with as many values as events, nobody could hold all.
        yield from _counted(found, part.beginning(prefix))


def _size(counted: list[Value]) -> int:
    return 256 + sum(150 + len(named) for named, _ in counted)


def _counted_few(found: Matched, few: Few) -> list[Value]:
    rare = _counted(found, filter(None, map(found.part.find, few.rare)))
    common = (Value(named, found.having(named)) for named in few.common)
    return sorted([*rare, *(value for value in common if value.entries)])


def _counted(found: Matched, terms: Iterable[Term]) -> Iterator[Value]:
    bits, span, offset = found.bits, found.part.about.span, found.part.about.offset
    octets = b""
    for named, entries, data in terms:
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


def present(found: Matched, field: Field) -> int:
    """How many of the entries have any value of a field."""
    paired = found.paired_with(field)
    if paired is not None:
        return paired.having(key.present(field.name))
    return found.entries if field.name in key.ALWAYS else found.having(key.present(field.name))


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
    named = {outcome: key.value("outcome", outcome) for outcome in OUTCOMES}
    having = [outcome for outcome in OUTCOMES if part.bits(named[outcome]) & bits]
    # Every event has one outcome: of all of them, one need not be counted.
    rest = having[0]
    counted = [(outcome, _octets(found, named[outcome])) for outcome in having[1:]]
    octets = None if found.is_whole else _octets(found)
    for run in _runs(part, edges):
        total = run.entries if octets is None else run.count(octets)
        if total:
            outcomes = {outcome: run.count(some) for outcome, some in counted}
            outcomes[rest] = total - sum(outcomes.values())
            yield run.bin, total, {outcome: n for outcome, n in outcomes.items() if n}


def _octets(found: Matched, term: bytes | None = None) -> bytes:
    """The set of what matches, or of what has a term as well, to be cut by places."""
    part = found.part
    length = part.about.span + 7 >> 3
    if term is None:
        return found.bits.to_bytes(length, "little")
    bits = part.bits(term)
    if found.is_whole:
        # Asked of everything, it is the same each time.
        return part.remembered(("octets", term), lambda: bits.to_bytes(length, "little"), len)
    return (bits & found.bits).to_bytes(length, "little")


class _Run(NamedTuple):
    """Entries from one place to another that lie in a bin: all, or those of `mask`."""

    bin: int
    first: int
    until: int
    mask: int | None = None

    @property
    def entries(self) -> int:
        return self.until - self.first if self.mask is None else self.mask.bit_count()

    def count(self, octets: bytes) -> int:
        """How many of a set, kept as bytes."""
        here = int.from_bytes(octets[self.first >> 3 : self.until + 7 >> 3], "little")
        return (here if self.mask is None else here & self.mask).bit_count()


def _runs(part: Part, edges: Sequence[int]) -> Iterator[_Run]:
    """Where the entries of each bin stand. Chunks that lie in one bin are taken together."""
    span, last = part.about.span, len(edges) - 2
    begun, at, start, end = 0, -1, 0, 0
    for number, (low, high) in enumerate(part.about.spans):
        first, until = number * CHUNK_ENTRIES, (number + 1) * CHUNK_ENTRIES
        if start <= low and high < end:
            continue
        if at >= 0:
            yield _Run(at, begun, first)
        at, highest = bisect_right(edges, low) - 1, bisect_right(edges, high) - 1
        if at != highest:
            yield from _cut(part, number, first, min(until, span), edges, range(at, highest + 1))
            at = -1
        elif at > last:
            at = -1
        begun = first
        start, end = edges[at : at + 2] if at >= 0 else (0, 0)
    if at >= 0:
        yield _Run(at, begun, span)


def _cut(
    part: Part, number: int, first: int, until: int, edges: Sequence[int], bins: range
) -> Iterator[_Run]:
    """A chunk that reaches over edges: its lowest time is in the first of these bins, its highest
    in the last.
    """
    if len(bins) > _BINS_FEW:
        yield from _scattered(part, number, first, until, edges)
        return
    below = 0
    for at in bins:
        is_last = at == bins[-1]
        upto = postings.all_of(until - first) if is_last else _earlier(part, number, edges[at + 1])
        if 0 <= at < len(edges) - 1 and upto & ~below:
            yield _Run(at, first, until, upto & ~below)
        below = upto


def _scattered(
    part: Part, number: int, first: int, until: int, edges: Sequence[int]
) -> Iterator[_Run]:
    """A chunk of what was not told in the order in which it happened."""
    places: dict[int, list[int]] = defaultdict(list)
    for place, time in enumerate(part.times(number)):
        places[bisect_right(edges, time) - 1].append(place)
    for at, some in places.items():
        if 0 <= at < len(edges) - 1:
            yield _Run(at, first, until, postings.bits_of(some, until - first))


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
