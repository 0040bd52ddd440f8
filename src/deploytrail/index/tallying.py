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
    """The key of a value, and how many have it."""

    key: bytes
    entries: int


def values(found: Matched, field: Field, beginning: bytes = b"") -> Iterator[Value]:
    """Each value of a field among the entries of one segment, with a count above 0."""
    part, bits = found
    prefix = key.values(field.name) + beginning
    if bits == part.everything:
        for named, count in part.counts(prefix):
            yield Value(named, count)
        return
    # What is asked again of a segment (a page that people look at) is remembered by the set itself.
    name = ("values", prefix, bits)
    size = 256 + (part.about.span >> 3)
    yield from part.remembered(name, lambda: list(_counted(found, prefix)), size)


def _counted(found: Matched, prefix: bytes) -> Iterator[Value]:
    part, bits = found
    span, offset = part.about.span, part.about.offset
    octets = bits.to_bytes(span + 7 >> 3, "little")
    for term in part.beginning(prefix):
        named, entries, data = term
        if postings.is_dense(entries, span):
            count = (part.set_of(term) & bits).bit_count()
        else:
            count = 0
            for place in postings.unpacked(data):
                at = place - offset
                count += octets[at >> 3] >> (at & 7) & 1
        if count:
            yield Value(named, count)


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


def bins(found: Matched, edges: Sequence[int]) -> Iterator[tuple[int, int, dict[str, int]]]:
    """(bin, how many, how many of each outcome), as often as it takes for each bin."""
    part, bits = found
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
    """The entries of a chunk that happened before a time."""
    flags = bytes(map(edge.__gt__, part.times(number)))
    return int(flags.translate(_DIGITS)[::-1], 2)


_DIGITS: Final = bytes(ord("1") if octet else ord("0") for octet in range(256))
