"""How many entries of a segment have two terms at once, for fields of which it has few values.

Pure. So that under one condition (an environment, a project, how it went) the values of a field
are read, not counted over sets.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from deploytrail.index import key
from deploytrail.query.fields import FIELDS, Field, Kind
from deploytrail.zstd import zstd

PAIRED: Final = frozenset(
    field.name
    for field in FIELDS
    if field.kind in (Kind.WORD, Kind.FLAG) and field.name not in key.ALWAYS
)
"""Clear fields alone, so that nothing in it is ever erased."""
NUMBER_BYTES: Final = 4
_LEVEL: Final = 3


class Pairs(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`counts` has a row for each key, and in it a number for each key, ascending as they are.

    Of each field, but those left out, the keys are those of its values, of their families, and
    that it is there.
    """

    left_out: list[str]
    keys: list[bytes]
    counts: bytes

    def has(self, field: Field) -> bool:
        """Whether it knows every value of a field."""
        return field.name in PAIRED and field.name not in self.left_out

    def under(self, terms: Sequence[bytes]) -> Paired | Crossed | None:
        """What is known of the entries that have all of some terms, if every one is known."""
        places = [place for term in terms if (place := self.place(term)) is not None]
        if not terms or len(places) < len(terms):
            return None
        rows = [self.row(place) for place in places]
        for term, place, row in zip(terms, places, rows, strict=True):
            if all(row[other] == row[place] for other in places):
                # Its entries have all the others.
                return Paired(self, term, row[place], row)
        return Crossed(self, list(zip(places, rows, strict=True)))

    def place(self, named: bytes) -> int | None:
        """Where a key stands, if it is there."""
        at = bisect_left(self.keys, named)
        return at if at < len(self.keys) and self.keys[at] == named else None

    def row(self, place: int) -> array[int]:
        width = NUMBER_BYTES * len(self.keys)
        found: array[int] = array("I")
        found.frombytes(self.counts[place * width : (place + 1) * width])
        return found

    @property
    def size(self) -> int:
        """About how many bytes it takes in memory."""
        return len(self.counts) + 100 * len(self.keys)


class Paired(NamedTuple):
    """Of the entries that have a term, how many have each of the keys."""

    pairs: Pairs
    term: bytes
    entries: int
    counts: Sequence[int]

    def having(self, named: bytes) -> int:
        place = self.pairs.place(named)
        return 0 if place is None else self.counts[place]

    def beginning(self, start: bytes) -> Iterator[tuple[bytes, int]]:
        """(key, how many have it) of the keys that begin so, above 0."""
        keys = self.pairs.keys
        for at in range(bisect_left(keys, start), bisect_left(keys, key.after(start))):
            if self.counts[at]:
                yield keys[at], self.counts[at]


class Crossed(NamedTuple):
    """Of the entries that have several terms, of which none has the others in it.

    `rows` are where each of these stands, and its row.
    """

    pairs: Pairs
    rows: list[tuple[int, array[int]]]

    def having(self, named: bytes, entries: int) -> int | None:
        """How many of so many entries have a key as well; None where that is to be counted."""
        place = self.pairs.place(named)
        if place is None:
            return None
        own = self.pairs.row(place)[place]
        open_rows = []
        for at, row in self.rows:
            if row[place] == 0:
                return 0
            if row[place] == row[at]:
                return entries
            if row[place] < own:
                open_rows.append(row)
        # What lies in all terms but one is cut by that one alone.
        return open_rows[0][place] if len(open_rows) == 1 else None if open_rows else own


_decode: Final = msgspec.msgpack.Decoder(Pairs).decode
_encode: Final = msgspec.msgpack.Encoder().encode


def encoded(pairs: Pairs) -> bytes:
    """As it is kept."""
    return zstd.compress(_encode(pairs), _LEVEL)


def decoded(octets: bytes) -> Pairs:
    """The reverse of `encoded`."""
    return _decode(zstd.decompress(octets))
