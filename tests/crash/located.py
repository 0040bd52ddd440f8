"""Whether what verification says is wrong lies where the harm is, and how finely it says so.

Where the harm is, is told by rows and pages alone: which rows are not the original's, which entries
in them, and which table the harmed page belongs to. Knows nothing of how verification came to it.
"""

from __future__ import annotations

import base64
import json
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Literal, NamedTuple

from deploytrail.zstd import zstd
from tests.crash import oracle
from tests.crash.oracle import WIDTH, Broken

Row = tuple[Any, ...]
Rows = list[Row]
Fineness = Literal["entry", "row", "table", "nowhere"]
"""To each entry that is harmed; to each row; to the table or page; or not at all."""
FINENESSES: Final[tuple[Fineness, ...]] = ("entry", "row", "table", "nowhere")
_KEY_COLUMNS: Final = {"tile": 2, "cosignature": 2}
_SPOKEN: Final = {"segment": "segment|entries", "delivery": "delivery|deliveries"}
_SUBJECT_BYTES: Final = 16


class Wrong(NamedTuple):
    """What verification says is wrong, and where: entries [first, until)."""

    first: int
    until: int
    what: str

    def is_within(self, entries: Collection[int]) -> bool:
        """Whether it tells of some of these entries, and of no other."""
        return self.first < self.until and all(
            at in entries for at in range(self.first, self.until)
        )

    def names(self, pattern: str) -> bool:
        return re.search(rf"\b({pattern})s?\b", self.what) is not None


class Where(NamedTuple):
    """The tables whose rows a harm may have reached, and what else its place may be called.

    `is_structure`: no row lies there, only what holds rows together.
    """

    tables: Sequence[str]
    names: Sequence[str] = ()
    is_structure: bool = False


class _Spot(NamedTuple):
    """What a row is called, which entries it tells of, and which of these a harm has reached."""

    name: str
    entries: Collection[int]
    harmed: Collection[int]


class Places:
    """Which entries the rows of a sound log tell of."""

    def __init__(self, rows: Mapping[str, Rows], entries: Sequence[bytes]) -> None:
        self._rows = rows
        self._of_digest: dict[bytes, set[int]] = defaultdict(set)
        self._of_attachment: dict[bytes, set[int]] = defaultdict(set)
        for index, octets in enumerate(entries):
            fields = json.loads(octets)
            for text in fields.get("_sd", ()):
                self._of_digest[_octets(text)[:12]].add(index)
            for each in fields.get("evidence", ()):
                self._of_attachment[_octets(each["id"])].add(index)
        self._spots: dict[str, Callable[[Row, Row | None], _Spot]] = {
            "bundle": self._of_bundle,
            "segment": self._of_segment,
            "tile": lambda row, _: _Spot(f"tile {row[0]}/{row[1]}|{self._row_of(row)}", (), ()),
            "delivery": lambda row, _: _of_entries({row[1]}),
            "disclosure": lambda row, _: _of_entries(self._of_digest[row[0][_SUBJECT_BYTES:]]),
            "attachment": self._of_attachment_row,
            "checkpoint": _of_checkpoint,
            "cosignature": _of_checkpoint,
        }

    def fineness(
        self, where: Where, changed: Mapping[str, Rows], found: Sequence[Wrong]
    ) -> Fineness:
        """How finely `found` says what a harm did.

        `changed` are the rows of the tables that are not the original's any more; empty where
        none is, or none can be read.
        """
        fine = [self._of_table(table, there, found) for table, there in changed.items()]
        return max(fine or [_of_pages(where, found)], key=FINENESSES.index)

    def _of_table(self, table: str, there: Rows, found: Sequence[Wrong]) -> Fineness:
        width = _KEY_COLUMNS.get(table, 1)
        now = {row[:width]: row for row in there}
        worst: Fineness = "entry"
        # Not by their keys: a cell that is read from elsewhere may show one that is there already.
        present = {*there}
        gone = [row for row in self._rows[table] if row not in present]
        for row in gone:
            fine = self._of_row(table, row, now.get(row[:width]), found)
            worst = max(worst, fine, key=FINENESSES.index)
        if gone and worst != "nowhere":
            return worst
        # A row whose key is another one now may be told by that.
        then = {row[:width] for row in self._rows[table]}
        come = [row for row in there if row[:width] not in then]
        # And may hold anything.
        with suppress(TypeError):
            if come and all(self._of_row(table, row, None, found) != "nowhere" for row in come):
                return "row"
        return _of_pages(Where([table]), found)

    def _of_row(self, table: str, row: Row, now: Row | None, found: Sequence[Wrong]) -> Fineness:
        make = self._spots.get(table)
        spot = _Spot(table, (), ()) if make is None else make(row, now)
        within = [one for one in found if one.is_within(spot.entries)]
        told = {at for one in within for at in range(one.first, one.until)}
        singles = {one.first for one in within if one.until == one.first + 1}
        if spot.harmed and singles.issuperset(spot.harmed):
            return "entry"
        is_told = bool(within) and told.issuperset(spot.harmed)
        return "row" if is_told or (spot.name and _is_named(spot.name, found)) else "nowhere"

    def _of_bundle(self, row: Row, now: Row | None) -> _Spot:
        first = row[0] * WIDTH
        harmed = _harmed(first, row[2], None if now is None else now[2], zstd.decompress)
        return _Spot(f"bundle {row[0]}", range(first, first + WIDTH), harmed)

    def _of_attachment_row(self, row: Row, _: Row | None) -> _Spot:
        """Where its id is another one only beside its index, SQLite alone sees and counts it."""
        entries = self._of_attachment[row[0]]
        return _Spot(self._row_of(row, "attachment"), entries, entries)

    def _row_of(self, row: Row, table: str = "tile") -> str:
        """A row as SQLite counts it, in the order in which they came."""
        number = 1 + self._rows[table].index(row) if row in self._rows[table] else 0
        return f"row {number}"

    def _of_segment(self, row: Row, now: Row | None) -> _Spot:
        """Its entries are read as the tail that they belong to, which is called a bundle."""
        first = row[0] // WIDTH * WIDTH
        harmed = _harmed(row[0], row[2], None if now is None else now[2], bytes)
        name = f"segment {row[0]}|bundle {row[0] // WIDTH}"
        return _Spot(name, range(first, first + WIDTH), harmed)


def _of_checkpoint(row: Row, _: Row | None) -> _Spot:
    """A checkpoint and its cosignatures are read as one."""
    return _Spot(f"(checkpoint|cosignature) {row[0]}", (), ())


def _of_entries(entries: Collection[int]) -> _Spot:
    return _Spot("", entries, entries)


def _harmed(
    first: int, then: bytes, now: bytes | None, unpacked: Callable[[bytes], bytes]
) -> Collection[int]:
    """The entries that are others now; none where nobody can read them any more."""
    with suppress(Broken, zstd.ZstdError, TypeError):
        if now is not None:
            before, after = (oracle.framed(unpacked(each)).entries for each in (then, now))
            pairs = enumerate(zip(before, after, strict=True), first)
            with suppress(ValueError):
                return {at for at, (one, other) in pairs if one != other}
    return ()


def _of_pages(where: Where, found: Sequence[Wrong]) -> Fineness:
    """Where no row is another, or none can be read: the table, or else the page."""
    tables = [_SPOKEN.get(table, table) for table in where.tables]
    return "table" if any(_is_named(each, found) for each in (*tables, *where.names)) else "nowhere"


def _is_named(pattern: str, found: Sequence[Wrong]) -> bool:
    return any(one.names(pattern) for one in found)


def _octets(text: str) -> bytes:
    return base64.urlsafe_b64decode(f"{text}==")
