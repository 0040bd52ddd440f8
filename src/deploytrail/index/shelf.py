"""Where segments are kept: the contract of every engine.

Prose and values only. An engine keeps bytes by key and decides nothing about them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from deploytrail.index.people import Name
from deploytrail.index.segment import Segment
from deploytrail.index.written import Written


class Row(NamedTuple):
    """A block as it is kept: the route of the first key in it (`block.route`), and its bytes.

    Routes are bytes and in their order; none is longer than `block.ROUTE_BYTES`.
    """

    first: bytes
    data: bytes


class Moment(Protocol):
    """What stands in the index at one moment."""

    def cursor(self) -> int: ...
    def segments(self) -> list[Segment]:
        """Ascending; together they have every entry below the cursor, each once."""
        ...

    def row(self, segment: Segment, key: bytes) -> Row | None:
        """The block in which a key stands if it is there at all: the last that begins at or
        before it.
        """
        ...

    def rows(self, segment: Segment, *, low: bytes, high: bytes | None = None) -> Iterator[Row]:
        """Blocks whose route is at least `low` and below `high`, ascending."""
        ...

    def times(self, segment: Segment, chunk: int) -> bytes: ...
    def names(self) -> Iterator[Name]:
        """All that is known of subjects."""
        ...

    def named(self, spelling: str, *, is_beginning: bool) -> list[tuple[str, int]]:
        """(subject, number) of names that are spelled so, or begin so; ascending."""
        ...

    def written_keys(self) -> Iterator[bytes]:
        """Of values of which it is kept how they are written."""
        ...

    def written(self, keys: Sequence[bytes]) -> dict[bytes, str]:
        """How values are written, of those of which that is kept."""
        ...

    def names_of(self, people: Iterable[tuple[str, int]]) -> list[Name]:
        """Those of (subject, number) that are kept."""
        ...


class Pen(Moment, Protocol):
    """Reads and writes in one transaction."""

    def next_segment(self) -> int:
        """A number that no segment ever had."""
        ...

    def add(self, segment: Segment, rows: Iterable[Row], times: Iterable[bytes]) -> None:
        """Keep a segment; from now on it is one of `segments`."""
        ...

    def replace(self, old: Sequence[Segment], new: Segment) -> None:
        """`new` was drafted, and stands for these from now on; their rows go."""
        ...

    def replace_with(
        self, old: Sequence[Segment], new: Segment, rows: Iterable[Row], times: Iterable[bytes]
    ) -> None:
        """As `replace`, of a segment that is kept now, from rows that may be read from the old."""
        ...

    def advance(self, cursor: int) -> None: ...
    def name(self, names: Iterable[Name]) -> None: ...
    def write(self, found: Iterable[Written]) -> None:
        """Keep how values are written, of which it was not kept before."""
        ...

    def unname(self, subject: str) -> None:
        """Forget what a subject was called; its numbers stay, so that none is given twice."""
        ...

    def change(self, segment: Segment, rows: Iterable[tuple[bytes, Row | None]]) -> None:
        """Put a row, or none, in the place of the one of a route.

        The segment's edition rises.
        """
        ...


class Draft(Protocol):
    """A segment that is being written while the index goes on, seen by nobody.

    Begun anew from nothing where the writer ended before it was done.
    """

    def add(self, rows: Iterable[Row]) -> None: ...
    def finish(self, times: Iterable[bytes]) -> None:
        """All of it is durable on return, so that `Pen.replace` may name it."""
        ...

    def discard(self) -> None: ...


class Shelf(Protocol):
    """The segments of one log's index, as of one version.

    `writing` commits where its block ends without an exception. What was committed last may be
    lost with the power, but never in parts, and never is the cursor ahead of the rows. One writer;
    each object belongs to one thread.
    """

    @property
    def origin(self) -> str: ...
    def reading(self) -> AbstractContextManager[Moment]: ...
    def writing(self) -> AbstractContextManager[Pen]: ...
    def draft(self, segment: Segment) -> Draft: ...
    def scrub(self) -> None:
        """Leave nothing on the disk of what was deleted."""
        ...

    def close(self) -> None: ...
