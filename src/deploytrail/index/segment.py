"""A segment: entries with consecutive indexes, their terms in blocks, and their times.

Pure. A small one is made of what was just read, a larger one by joining neighbours; the largest
begins at a home and ends before the next one.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Final, NamedTuple

from deploytrail.index import key, postings
from deploytrail.index.block import Block, Term
from deploytrail.index.rows import Group, Rows
from deploytrail.zstd import zstd

HOME_ENTRIES: Final = 1 << 20
"""As many entries has a segment that is sealed; no segment reaches over a multiple of it."""
CHUNK_ENTRIES: Final = 4_096
"""Times are kept by so many, and of so many it is known between which times they lie."""
_LARGE: Final = 32
"""Entries of a group, from where on its set is kept."""
_LEVEL: Final = 3
_SPANS_REMEMBERED_MAX: Final = 256
"""Some 30 KB each, of a sealed one."""


class Segment(NamedTuple):
    """The entries [first, until), whose times lie between `low` and `high`, both inclusive.

    `edition` rises when something in it is forgotten. `spans` has the lowest and the highest time
    of each chunk.
    """

    id: int
    first: int
    until: int
    low: int
    high: int
    spans: tuple[tuple[int, int], ...]
    is_sealed: bool = False
    edition: int = 0

    @property
    def span(self) -> int:
        return self.until - self.first

    @property
    def offset(self) -> int:
        """What is added to a bit's number to get a place."""
        return self.first % HOME_ENTRIES


def home(index: int) -> int:
    """The index from which the places of an entry's segment count."""
    return index - index % HOME_ENTRIES


def spans(times: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Of each chunk, the lowest and the highest time."""
    chunks = (times[at : at + CHUNK_ENTRIES] for at in range(0, len(times), CHUNK_ENTRIES))
    return tuple((min(chunk), max(chunk)) for chunk in chunks)


def packed_spans(about: Segment) -> bytes:
    """As a shelf keeps them."""
    return array("q", [time for span in about.spans for time in span]).tobytes()


@lru_cache(_SPANS_REMEMBERED_MAX)
def spans_of(octets: bytes) -> tuple[tuple[int, int], ...]:
    """The reverse. Each question asks for those of all segments, which seldom change."""
    times: array[int] = array("q")
    times.frombytes(octets)
    return tuple(zip(times[::2], times[1::2], strict=True))


def segment(id: int, first: int, times: Sequence[int], *, is_sealed: bool = False) -> Segment:
    """The segment of entries that have these times."""
    found = spans(times)
    low, high = min(low for low, _ in found), max(high for _, high in found)
    return Segment(id, first, first + len(times), low, high, found, is_sealed)


def time_chunks(times: Sequence[int]) -> Iterator[bytes]:
    """Times by chunk, as bytes to keep."""
    for at in range(0, len(times), CHUNK_ENTRIES):
        octets = array("q", times[at : at + CHUNK_ENTRIES]).tobytes()
        yield zstd.compress(postings.planes(octets, 8), _LEVEL)


def times_of(chunk: bytes) -> array[int]:
    """The reverse of `time_chunks`, of one of them."""
    found: array[int] = array("q")
    found.frombytes(postings.numbers(zstd.decompress(chunk), 8))
    return found


def terms(rows: Rows, about: Segment) -> Iterator[Term]:
    """The terms of a segment's rows, ascending by key."""
    slices = {
        key.bit(name, bit): found
        for name, values in rows.numbers.items()
        for bit, found in postings.slices_of(values)
    }
    grouped, loose = rows.terms, rows.loose
    own = postings.packed(range(about.offset, about.offset + about.span))
    is_rare = about.span >= postings.DENSE
    for named in sorted({*grouped, *loose, *slices}):
        places = loose.get(named, ())
        groups = grouped.get(named, ())
        if not groups:
            if len(places) == 1 and is_rare:
                at = 4 * places[0]
                yield named, 1, own[at : at + 4]
            elif places:
                yield _of_places(named, sorted({*places}), about)
            elif named in slices:
                yield of_bits(named, slices[named], about)
        elif len(groups) == 1 and not places:
            # Most terms are of one block; what it is kept as, its other terms have, too.
            (group,) = groups
            if group.kept is None:
                _, _, group.kept = _of_places(named, group.places, about)
            yield named, len(group.places), group.kept
        else:
            yield of_groups(named, groups, places, about)


def of_groups(named: bytes, groups: Sequence[Group], loose: Sequence[int], about: Segment) -> Term:
    """The term that the entries of these groups have, and loose ones."""
    most = sum([len(group.places) for group in groups]) + len(loose)
    span = about.span
    if not postings.is_dense(most, span):
        places = {*loose, *chain.from_iterable([group.places for group in groups])}
        return _of_places(named, sorted(places), about)
    # Small groups are put into one set together; a large one's is made once for all its terms.
    together = [*loose]
    bits = 0
    for group in groups:
        if len(group.places) < _LARGE:
            together += group.places
            continue
        if group.bits is None:
            group.bits = postings.bits_of(group.places, span)
        bits |= group.bits
    if together:
        bits |= postings.bits_of(together, span)
    return of_bits(named, bits, about)


def _of_places(named: bytes, places: Sequence[int], about: Segment) -> Term:
    """The term that entries at these places have, ascending and none twice."""
    count, offset = len(places), about.offset
    if postings.is_dense(count, about.span):
        return named, count, _octets(postings.bits_of(places, about.span), about)
    return named, count, postings.packed([place + offset for place in places])


def of_bits(named: bytes, bits: int, about: Segment) -> Term:
    """The term that a set of a segment's entries has."""
    count = bits.bit_count()
    if postings.is_dense(count, about.span):
        return named, count, _octets(bits, about)
    offset = about.offset
    places = [place + offset for place in postings.places_of(bits)]
    return named, count, postings.packed(places)


def _octets(bits: int, about: Segment) -> bytes:
    return bits.to_bytes(about.span + 7 >> 3, "little")


def bits_of(term: Term, about: Segment) -> int:
    """The set of the segment's entries that have a term."""
    _, count, data = term
    if postings.is_dense(count, about.span):
        return int.from_bytes(data, "little")
    offset = about.offset
    places = postings.unpacked(data)
    return postings.bits_of([place - offset for place in places] if offset else places, about.span)


class Input(NamedTuple):
    """A segment that is joined with others: its blocks, in order."""

    about: Segment
    blocks: Iterator[Block]


def joined(inputs: Sequence[Input], about: Segment, *, after: bytes = b"") -> Iterator[list[Term]]:
    """The terms of neighbours as those of one segment, some at a time, ascending by key.

    Those behind `after`. `inputs` are in the order of their entries.
    """
    current = [next(each.blocks, None) for each in inputs]
    positions = [0 if block is None else bisect_right(block.keys, after) for block in current]
    while any(block is not None for block in current):
        limit = min(block.keys[-1] for block in current if block is not None)
        # Most terms are in one of them only.
        alone: dict[bytes, Term] = {}
        several: dict[bytes, list[tuple[int, Term]]] = {}
        whose: dict[bytes, int] = {}
        for at, block in enumerate(current):
            if block is None:
                continue
            end = bisect_right(block.keys, limit, positions[at])
            for term in block.terms(positions[at], end):
                known = alone.setdefault(term[0], term)
                if known is term:
                    whose[term[0]] = at
                elif (found := several.get(term[0])) is not None:
                    found.append((at, term))
                else:
                    several[term[0]] = [(whose[term[0]], known), (at, term)]
            positions[at] = end
            if end == len(block.keys):
                current[at], positions[at] = next(inputs[at].blocks, None), 0
        if alone:
            yield _all_joined(alone, several, whose, inputs, about)


def _all_joined(
    alone: dict[bytes, Term],
    several: dict[bytes, list[tuple[int, Term]]],
    whose: dict[bytes, int],
    inputs: Sequence[Input],
    about: Segment,
) -> list[Term]:
    for named, found in several.items():
        alone[named] = _joined(found, inputs, about)
    least = min(each.about.span for each in inputs)
    for named, term in alone.items():
        # What is rare in a part is rare in the whole, and stays as it is.
        if postings.is_dense(term[1], least) and named not in several:
            alone[named] = _joined([(whose[named], term)], inputs, about)
    return [alone[named] for named in sorted(alone)]


def _joined(found: list[tuple[int, Term]], inputs: Sequence[Input], about: Segment) -> Term:
    named = found[0][1][0]
    count = sum([term[1] for _, term in found])
    if postings.is_dense(count, about.span):
        return named, count, _joined_bits(found, inputs, about)
    places = b"".join([_places(term, inputs[at].about) for at, term in found])
    return named, count, places


def _joined_bits(found: list[tuple[int, Term]], inputs: Sequence[Input], about: Segment) -> bytes:
    octets = bytearray(about.span + 7 >> 3)
    shifted = 0
    for at, (_, count, data) in found:
        own = inputs[at].about
        shift = own.first - about.first
        if not postings.is_dense(count, own.span):
            for place in postings.unpacked(data):
                bit = place - about.offset
                octets[bit >> 3] |= 1 << (bit & 7)
        elif shift % 8 == 0 and (own.span % 8 == 0 or own.until == about.until):
            octets[shift >> 3 : (shift >> 3) + len(data)] = data
        else:
            shifted |= int.from_bytes(data, "little") << shift
    if not shifted:
        return bytes(octets)
    return (int.from_bytes(octets, "little") | shifted).to_bytes(len(octets), "little")


def _places(term: Term, own: Segment) -> bytes:
    _, count, data = term
    if not postings.is_dense(count, own.span):
        return data
    bits = int.from_bytes(data, "little")
    offset = own.offset
    return postings.packed([place + offset for place in postings.places_of(bits)])


def without(blocks: Iterable[Term], gone: int, about: Segment) -> Iterator[Term]:
    """These terms as if the entries in `gone` didn't have them; a term of none is left out."""
    for term in blocks:
        bits = bits_of(term, about)
        if not bits & gone:
            yield term
        elif bits & ~gone:
            yield of_bits(term[0], bits & ~gone, about)
