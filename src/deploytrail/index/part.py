"""A segment as it is asked: blocks, sets and times by key, and what of them is remembered.

What was read of a segment never changes under its id and edition, so that all readers of a
process may share what they remember.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from itertools import islice
from threading import Lock
from typing import Any, Final, NamedTuple, TypeVar

from deploytrail.index import key, postings
from deploytrail.index.block import Block, Term, route
from deploytrail.index.contract import Tick
from deploytrail.index.pairs import Pairs, decoded
from deploytrail.index.segment import Segment, bits_of, times_of
from deploytrail.index.shelf import Moment, Row
from deploytrail.query.fields import Field

REMEMBERED_BYTES_MAX: Final = 64 * 1024 * 1024
STEP_ENTRIES: Final = 64
"""Where a chunk lies on both sides of a time, it is looked at by so many."""
_FEW_MAX: Final = 128
_BLOCK_BYTES_MAX: Final = 65_536
"""What is longer has one set or two, which are remembered as such."""
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


class Few(NamedTuple):
    """Keys by how their sets are kept: as bits, or as places."""

    common: list[bytes]
    rare: list[bytes]


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

    def few(self, start: bytes) -> Few | None:
        """The keys that begin so, where they are not many."""
        name = (*self._name, "few", start)
        known: Few | None = self._memory.get(name)
        if known is None:
            span = self.about.span
            found = list(islice(self.counts(start), _FEW_MAX + 1))
            if len(found) > _FEW_MAX:
                return None
            common = [named for named, count in found if postings.is_dense(count, span)]
            rare = [named for named, count in found if not postings.is_dense(count, span)]
            known = Few(common, rare)
            self._memory.put(name, known, 256 + 100 * len(found))
        return known

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

    def steps(self, chunk: int) -> list[tuple[int, int]]:
        """The lowest and the highest time of every so many entries of a chunk."""
        times = self.times(chunk)
        return self.remembered(("steps", chunk), lambda: list(_steps(times)), _steps_size)

    def pairs(self) -> Pairs | None:
        """How many entries have two terms at once, if that is kept of this segment."""
        name = (*self._name, "pairs")
        known: Pairs | None = self._memory.get(name)
        if known is None:
            row = self._moment.row(self.about, key.PAIRS)
            if row is not None and row.first == key.PAIRS:
                known = decoded(row.data)
                self._memory.put(name, known, 256 + known.size)
        return known

    def remembered(self, name: Hashable, made: Callable[[], _T], size: Callable[[_T], int]) -> _T:
        """What was made of this segment before, else now; `size` is about its bytes in memory."""
        whole = (*self._name, "made", name)
        known: _T | None = self._memory.get(whole)
        if known is None:
            known = made()
            self._memory.put(whole, known, size(known))
        return known

    def _block(self, row: Row) -> Block:
        name = (*self._name, "block", row.first)
        known: Block | None = self._memory.get(name)
        if known is None:
            known = Block(row.data, self.about.span)
            if known.bytes <= _BLOCK_BYTES_MAX:
                self._memory.put(name, known, 256 + known.bytes)
        return known


def _steps(times: array[int]) -> Iterator[tuple[int, int]]:
    for at in range(0, len(times), STEP_ENTRIES):
        some = times[at : at + STEP_ENTRIES]
        yield min(some), max(some)


def _steps_size(steps: list[tuple[int, int]]) -> int:
    return 256 + 128 * len(steps)
