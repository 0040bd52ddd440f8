"""The lines of a spool one after the other: which stand, and where something is missing.

Pure. A line that was changed is not believed, those around it are: each is signed by itself, and
the counters say what is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from deploytrail.errors import EvidenceError, Malformed
from deploytrail.spool.line import Opened, Spooled, link, opened, spooled


class Gap(NamedTuple):
    """Lines that must have been there, by their counters, both ends included.

    `last` is None where nobody knows how many there were: the run was killed.
    """

    first: int
    last: int | None
    reason: str

    @property
    def lines(self) -> str:
        """Which lines, in words."""
        if self.last is None:
            return f"all from {self.first} on"
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"


class Chain:
    """Reads a spool, or a piece of one, line by line; `gaps` and `faults` are what it noticed.

    A piece that isn't the first begins at any counter.
    """

    def __init__(self, header: bytes, *, is_first: bool = True) -> None:
        """Raises as `line.opened`."""
        self.opened: Opened = opened(header)
        self.gaps: list[Gap] = []
        self.faults: list[str] = []
        self.is_ended = False
        self._counter = 0 if is_first else None
        self._link = link(header)
        self._at = 1

    @property
    def counter(self) -> int:
        """Of the newest line, 0 before the first."""
        return self._counter or 0

    def take(self, octets: bytes) -> Spooled | None:
        """The next line, without its end, if it is to be believed."""
        self._at += 1
        try:
            found = spooled(octets, self.opened.key, at=self._at)
        except (EvidenceError, Malformed) as error:
            self.faults.append(str(error))
            return None
        if self._counter is not None:
            wanted = self._counter + 1
            if found.counter < wanted:
                self.faults.append(
                    f"spool: line {self._at}: expected {wanted} as its counter, "
                    f"found {found.counter}, which came before"
                )
                return None
            if found.counter > wanted:
                self.gaps.append(Gap(wanted, found.counter - 1, "missing or changed"))
            elif found.prev != self._link:
                self.gaps.append(Gap(self._counter, self._counter, "another line stood here"))
        self._counter, self._link = found.counter, link(octets)
        self.is_ended = found.is_last
        return found

    def end(self) -> None:
        """Nothing follows: a spool whose last line doesn't say so was cut off."""
        if not self.is_ended:
            first = self.counter + 1
            self.gaps.append(Gap(first, None, "the run was killed before it could tell its end"))


class Piece(NamedTuple):
    """Some lines of a spool with its header, for one request; no event is apart from its evidence.

    `events` are the counters of the events in it, without the line that a later piece repeats.
    """

    octets: bytes
    is_first: bool
    is_end: bool
    events: tuple[int, ...]
    is_imported: bool = False
    """Whether it came in a file from elsewhere, which the trail then says."""


def pieces(
    header: bytes, lines: Iterable[Spooled], *, lines_max: int, bytes_max: int
) -> Iterator[Piece]:
    """All lines, in order; each piece begins with the line that ended the one before.

    So whoever takes them sees every gap, without having to remember anything.
    """
    block: list[Spooled] = []
    held: list[Spooled] = []
    is_first = True
    for line in lines:
        block.append(line)
        if line.of is not None:
            # An attachment goes with the event behind it.
            continue
        if held and (len(held) + len(block) > lines_max or _size(held) + _size(block) > bytes_max):
            yield _piece(header, held, is_first=is_first)
            held, is_first = held[-1:], False
        held += block
        block = []
    yield _piece(header, held + block, is_first=is_first, is_end=True)


def _piece(header: bytes, lines: list[Spooled], *, is_first: bool, is_end: bool = False) -> Piece:
    octets = b"\n".join([header, *(line.octets for line in lines)])
    events = tuple(line.counter for line in lines[not is_first :] if line.of is None)
    return Piece(octets, is_first, is_end, events)


def _size(lines: list[Spooled]) -> int:
    return sum(len(line.octets) for line in lines)
