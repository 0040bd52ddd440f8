"""A segment as it is asked: blocks, sets and times by key, and what of them is remembered.

What was read of a segment never changes under its id and edition, so that all readers of a
process may share what they remember.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from threading import Lock
from typing import Any, Final, TypeVar

from deploytrail.index import key, postings
from deploytrail.index.block import Block, Term, route
from deploytrail.index.contract import Tick
from deploytrail.index.segment import Segment, bits_of, times_of
from deploytrail.index.shelf import Moment, Row
from deploytrail.query.fields import Field

REMEMBERED_BYTES_MAX: Final = 64 * 1024 * 1024
_T = TypeVar("_T")


class Memory:
    """What was read and decoded, up to so many bytes; what was not used for longest goes first.

    Safe for use from several threads.
    """

    def __init__(self, bytes_max: int = REMEMBERED_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = Lock()

    def get(self, name: Hashable) -> Any:
        with self._lock:
            found = self._kept.get(name)
            if found is None:
                return None
            self._kept.move_to_end(name)
            return found[0]

    def put(self, name: Hashable, value: Any, size: int) -> None:
        with self._lock:
            if name in self._kept or size > self._bytes_max // 4:
                return
            self._kept[name] = (value, size)
            self._bytes += size
            while self._bytes > self._bytes_max:
                _, (_, gone) = self._kept.popitem(last=False)
                self._bytes -= gone

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
            self._bytes = 0


class Part:
    """One segment at one moment."""

    def __init__(self, about: Segment, moment: Moment, memory: Memory, tick: Tick) -> None:
        self.about = about
        self._moment = moment
        self._memory = memory
        self._tick = tick
        self._name = (about.id, about.edition)
        self.everything = postings.all_of(about.span)

    def find(self, named: bytes) -> Term | None:
        self._tick()
        row = self._moment.row(self.about, route(named))
        return None if row is None else self._block(row).find(named)

    def bits(self, named: bytes) -> int:
        """The set of the entries that have a term."""
        name = (*self._name, named)
        known: int | None = self._memory.get(name)
        if known is not None:
            return known
        term = self.find(named)
        found = 0 if term is None else bits_of(term, self.about)
        self._memory.put(name, found, 64 + (self.about.span >> 3 if found else 0))
        return found

    def present(self, field: Field) -> int:
        """The entries that have any value of a field."""
        if field.name in key.ALWAYS:
            return self.everything
        return self.bits(key.present(field.name))

    def set_of(self, term: Term) -> int:
        """The set of the entries that have a term which was read before."""
        name = (*self._name, term[0])
        known: int | None = self._memory.get(name)
        if known is None:
            known = bits_of(term, self.about)
            self._memory.put(name, known, 64 + (self.about.span >> 3))
        return known

    def bits_of_any(self, keys: Iterable[bytes]) -> int:
        """The set of the entries that have any of these terms."""
        return self.joined(term for named in keys if (term := self.find(named)) is not None)

    def joined(self, terms: Iterable[Term]) -> int:
        """The set of the entries that have any of these; short ones cost only what they have."""
        dense = 0
        octets: bytearray | None = None
        span, offset = self.about.span, self.about.offset
        for _, entries, data in terms:
            if postings.is_dense(entries, span):
                dense |= int.from_bytes(data, "little")
                continue
            if octets is None:
                octets = bytearray(span + 7 >> 3)
            for place in postings.unpacked(data):
                bit = place - offset
                octets[bit >> 3] |= 1 << (bit & 7)
        return dense if octets is None else dense | int.from_bytes(octets, "little")

    def beginning(self, start: bytes) -> Iterator[Term]:
        """The terms whose keys begin so, ascending."""
        for block, found in self._blocks_beginning(start):
            yield from map(block.at, found)

    def counts(self, start: bytes) -> Iterator[tuple[bytes, int]]:
        """(key, how many entries have it) of terms whose keys begin so."""
        for block, found in self._blocks_beginning(start):
            for at in found:
                yield block.keys[at], block.counts[at]

    def _blocks_beginning(self, start: bytes) -> Iterator[tuple[Block, range]]:
        high = key.after(start)
        before = self._moment.row(self.about, route(start))
        low = start if before is None else before.first
        for row in self._moment.rows(self.about, low=low, high=high):
            self._tick()
            block = self._block(row)
            yield block, block.between(start, high)

    def times(self, chunk: int) -> array[int]:
        """When the entries of a chunk happened."""
        name = (*self._name, chunk)
        known: array[int] | None = self._memory.get(name)
        if known is None:
            known = times_of(self._moment.times(self.about, chunk))
            self._memory.put(name, known, 64 + 8 * len(known))
        return known

    def remembered(self, name: Hashable, made: Callable[[], _T], size: int) -> _T:
        """What was made of this segment before, else now."""
        whole = (*self._name, "made", name)
        known: _T | None = self._memory.get(whole)
        if known is None:
            known = made()
            self._memory.put(whole, known, size)
        return known

    def _block(self, row: Row) -> Block:
        name = (*self._name, "block", row.first)
        known: Block | None = self._memory.get(name)
        if known is None:
            known = Block(row.data, self.about.span)
            self._memory.put(name, known, 256 + known.bytes)
        return known
