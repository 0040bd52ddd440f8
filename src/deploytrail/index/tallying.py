"""How many entries match, and with which values: counted over sets, segment by segment."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from deploytrail.index import key, postings
from deploytrail.index.part import Part
from deploytrail.index.segment import CHUNK_ENTRIES
from deploytrail.query.fields import BY_NAME, Field

OUTCOMES: Final = BY_NAME["outcome"].choices


class Matched(NamedTuple):
    """A segment and the set of its entries that match."""

    part: Part
    bits: int


class Value(NamedTuple):
    """A value as it is compared, how many have it, and how it was first spelled."""

    compared: bytes
    entries: int
    spelled: str | None


def values(found: Matched, field: Field, beginning: bytes = b"") -> Iterator[Value]:
    """Each value of a field among the entries of one segment, with a count above 0."""
    part, bits = found
    prefix = key.values(field.name) + beginning
    if bits == part.everything:
        for named, count, spelled in part.counts(prefix):
            yield Value(named, count, spelled)
        return
    octets = bits.to_bytes(part.about.span + 7 >> 3, "little")
    span, offset = part.about.span, part.about.offset
    for term in part.beginning(prefix):
        if postings.is_dense(term.entries, span):
            count = (int.from_bytes(term.data, "little") & bits).bit_count()
        else:
            places = postings.unpacked(term.data)
            count = 0
            for place in places:
                at = place - offset
                count += octets[at >> 3] >> (at & 7) & 1
        if count:
            yield Value(term.key, count, term.spelled)


def present(found: Matched, field: Field) -> int:
    """How many of the entries have any value of a field."""
    return (found.bits & found.part.present(field)).bit_count()


def numbers(found: Matched, field: Field) -> Counter[int]:
    """How often each number stands in a field."""
    part, bits = found
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


class Runs:
    """Entries of a segment by the bin that their time falls into."""

    def __init__(self, part: Part, edges: Sequence[int]) -> None:
        self._part = part
        self._edges = edges

    def masks(self) -> Iterator[tuple[int, int, int]]:
        """(bin, first place, a mask of the places from there on); entries in no bin in none."""
        edges, about = self._edges, self._part.about
        run: tuple[int, int, int] | None = None
        for number, (low, high) in enumerate(about.spans):
            first = number * CHUNK_ENTRIES
            until = min(first + CHUNK_ENTRIES, about.span)
            at = bisect_right(edges, low) - 1
            if at == bisect_right(edges, high) - 1:
                if run is not None and run[0] == at and run[2] == first:
                    run = (at, run[1], until)
                    continue
                yield from self._whole(run)
                run = (at, first, until)
                continue
            yield from self._whole(run)
            run = None
            yield from self._split(number, first)
        yield from self._whole(run)

    def _whole(self, run: tuple[int, int, int] | None) -> Iterator[tuple[int, int, int]]:
        if run is not None and 0 <= run[0] < len(self._edges) - 1:
            yield run[0], run[1], postings.all_of(run[2] - run[1])

    def _split(self, number: int, first: int) -> Iterator[tuple[int, int, int]]:
        """A chunk that lies in several bins."""
        edges = self._edges
        places: dict[int, list[int]] = {}
        for place, time in enumerate(self._part.times(number)):
            places.setdefault(bisect_right(edges, time) - 1, []).append(place)
        for at, found in places.items():
            if 0 <= at < len(edges) - 1:
                yield at, first, postings.bits_of(found, CHUNK_ENTRIES)


def bins(found: Matched, edges: Sequence[int]) -> Iterator[tuple[int, int, dict[str, int]]]:
    """(bin, how many, how many of each outcome), as often as it takes for each bin."""
    part, bits = found
    by_outcome = {
        outcome: some
        for outcome in OUTCOMES
        if (some := bits & part.bits(key.value("outcome", outcome)))
    }
    for at, first, mask in Runs(part, edges).masks():
        here = bits >> first & mask
        count = here.bit_count()
        if count:
            outcomes = {
                outcome: number
                for outcome, some in by_outcome.items()
                if (number := (some >> first & mask).bit_count())
            }
            yield at, count, outcomes
