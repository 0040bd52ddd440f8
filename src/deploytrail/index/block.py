"""A block: some hundred terms of a segment, in order, with the entries that have them, as bytes.

Pure. What an engine keeps of a segment are its blocks by their first key.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final

import msgspec

from deploytrail.index import postings
from deploytrail.zstd import zstd

BLOCK_BYTES: Final = 16_384
"""About as much stands in a block before it is compressed; one long term may be more."""
ROUTE_BYTES: Final = 1_000
"""So much of a key says in which block it stands: an engine can't index keys of any length."""
_LEVEL: Final = 1
"""The third takes half as long again for half a percent."""


Term = tuple[bytes, int, bytes]
"""A term of one segment: its key, how many entries have it, and the set of them.

As bits, or as packed places. Places count from the home of the segment (`segment.home`), so that
those of neighbours are joined as they are; bits count from the segment's first entry. There are
millions of them: a tuple costs a fifth of what has names.
"""


class _Stored(msgspec.Struct, array_like=True, gc=False):
    keys: list[bytes]
    counts: list[int]
    places: bytes
    bits: bytes


_decode: Final = msgspec.msgpack.Decoder(_Stored).decode
_encode: Final = msgspec.msgpack.Encoder().encode


class Block:
    """A block read back, of a segment that spans so many entries."""

    def __init__(self, octets: bytes, span: int) -> None:
        stored = _decode(zstd.decompress(octets))
        self.keys: Sequence[bytes] = stored.keys
        self.counts: Sequence[int] = stored.counts
        self._span = span
        self._places = postings.place_numbers(stored.places)
        self._bits = stored.bits
        self._starts: list[int] | None = None
        self.bytes = len(self._places) + len(self._bits) + 64 * len(stored.keys)
        """About what it takes in memory."""

    def find(self, key: bytes) -> Term | None:
        at = bisect_left(self.keys, key)
        return self.at(at) if at < len(self.keys) and self.keys[at] == key else None

    def between(self, low: bytes, high: bytes) -> range:
        """Where the keys stand that are at least `low` and below `high`."""
        return range(bisect_left(self.keys, low), bisect_left(self.keys, high))

    def at(self, at: int) -> Term:
        count = self.counts[at]
        start = self._start(at)
        if postings.is_dense(count, self._span):
            data = self._bits[start : start + (self._span + 7 >> 3)]
        else:
            data = self._places[start : start + 4 * count]
        return self.keys[at], count, data

    def __iter__(self) -> Iterator[Term]:
        return self.terms(0, len(self.keys))

    def terms(self, first: int, until: int) -> Iterator[Term]:
        """Those that stand from one place up to, not including, another."""
        if first >= until:
            return
        self._start(first)
        starts, span, width = self._starts, self._span, self._span + 7 >> 3
        assert starts is not None
        places, bits = self._places, self._bits
        for at in range(first, until):
            count, start = self.counts[at], starts[at]
            if count * postings.DENSE > span:
                data = bits[start : start + width]
            else:
                data = places[start : start + 4 * count]
            yield self.keys[at], count, data

    def _start(self, at: int) -> int:
        if self._starts is None:
            self._starts = list(_starts(self.counts, self._span))
        return self._starts[at]


def _starts(counts: Sequence[int], span: int) -> Iterator[int]:
    """Where the data of each term begins, in the places or in the bits, whichever it has."""
    dense = [postings.is_dense(count, span) for count in counts]
    if not any(dense):
        return accumulate((4 * count for count in counts[:-1]), initial=0)
    return _mixed_starts(counts, dense, span + 7 >> 3)


def _mixed_starts(counts: Sequence[int], dense: Sequence[bool], width: int) -> Iterator[int]:
    bits = places = 0
    for count, is_dense in zip(counts, dense, strict=True):
        if is_dense:
            yield bits
            bits += width
        else:
            yield places
            places += 4 * count


def encode(terms: Sequence[Term], span: int) -> bytes:
    """A block of these terms, ascending by key."""
    bits: list[bytes] = []
    places: list[bytes] = []
    for _, count, data in terms:
        (bits if count * postings.DENSE > span else places).append(data)
    stored = _Stored(
        keys=[named for named, _, _ in terms],
        counts=[count for _, count, _ in terms],
        places=postings.place_planes(b"".join(places)),
        bits=b"".join(bits),
    )
    return zstd.compress(_encode(stored), _LEVEL)


def route(key: bytes) -> bytes:
    """What of a key an engine orders and finds its block by."""
    return key[:ROUTE_BYTES]


def blocks(terms: Iterable[Term], span: int) -> Iterator[tuple[bytes, bytes]]:
    """(route of the first key, block) of ascending terms; no two blocks share a route."""
    gathered: list[Term] = []
    room = BLOCK_BYTES
    for term in terms:
        named, _, data = term
        size = len(named) + len(data) + 2
        if size > room and gathered and route(gathered[-1][0]) != route(named):
            yield route(gathered[0][0]), encode(gathered, span)
            gathered = []
            room = BLOCK_BYTES
        gathered.append(term)
        room -= size
    if gathered:
        yield route(gathered[0][0]), encode(gathered, span)
