"""Draining: spools that runs left behind go into a trail, oldest first, each in its own order.

A file is removed once every line of it has its receipt. Drained twice, by one after the other or
stopped half-way, it stands in the log once. What a trail refuses is set aside and told, and holds
nobody up.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from deploytrail.errors import Malformed, SenderError, Tampered, TooLarge
from deploytrail.spool.chain import Chain, Piece, pieces
from deploytrail.spool.line import LINE_BYTES_MAX, Spooled, is_spool
from deploytrail.trail import TrailProducer
from deploytrail.wrapper.spool_file import REFUSED, NoSpool, spools, taken

_LINES_MAX: Final = 500
_BYTES_MAX: Final = 4 * 1024 * 1024
_TOLD_MAX: Final = 10


class Drained(NamedTuple):
    """What became of spools: events that now stand in a trail, what was set aside and why, what is
    missing in them, and how many files still wait.
    """

    events: int = 0
    set_aside: tuple[tuple[Path, str], ...] = ()
    gaps: tuple[str, ...] = ()
    waiting: int = 0


def drain(
    trail: TrailProducer, folder: Path, *, is_over: Callable[[], bool] = lambda: False
) -> Drained:
    """Hand over what waits in a folder until it is empty, or time is over.

    Raises what `trail.record_spool` raises; then what is not drained stays as it was.
    """
    found = _Found()
    for path in spools(folder):
        if is_over():
            found.waiting += 1
            continue
        try:
            with taken(path) as file:
                # None: its run lives, or another one is at it.
                if file is not None:
                    _drain_file(trail, path, _read(file), found, is_over)
        except (Malformed, TooLarge, Tampered, NoSpool) as error:
            # What else is raised says nothing of the spool: another time it is taken.
            found.aside.append((_set_aside(path), str(error)))
    return Drained(found.events, tuple(found.aside), tuple(found.gaps), found.waiting)


def _drain_file(
    trail: TrailProducer, path: Path, read: Reading, found: _Found, is_over: Callable[[], bool]
) -> None:
    faults: list[str] = []
    reading: Reading | None = read
    # A file that was exported may hold several, one behind the other.
    while reading is not None:
        refusals: list[str] = []
        for piece in reading.pieces():
            if is_over():
                found.waiting += 1
                return
            answers = trail.record_spool(piece)
            refused = [str(answer) for answer in answers if isinstance(answer, SenderError)]
            refusals += refused[: _TOLD_MAX - len(refusals)]
            found.events += len(answers) - len(refused)
        chain = reading.chain
        chain.end()
        found.gaps += [f"{path.name}: line {gap.lines}: {gap.reason}" for gap in chain.gaps]
        faults += [*refusals, *chain.faults]
        reading = reading.following()
    if faults:
        found.aside.append((_set_aside(path), faults[0]))
    else:
        # Stopped before this, the next one hands it over again and gets the same receipts.
        path.unlink(missing_ok=True)


class _Found:
    """What was seen so far."""

    def __init__(self) -> None:
        self.events = 0
        self.waiting = 0
        self.aside: list[tuple[Path, str]] = []
        self.gaps: list[str] = []


def take_in(trail: TrailProducer, stream: BinaryIO) -> Imported:
    """The spools of an exported file, one after the other; they are read as they are needed.

    Raises Malformed and Tampered for a header, of the first before anything is taken, and what
    `trail.record_spool` raises; the same file again then goes on.
    """
    taken_in = Imported()
    reading: Reading | None = Reading(stream)
    while reading is not None:
        for piece in reading.pieces():
            for answer in trail.record_spool(piece._replace(is_imported=True)):
                if isinstance(answer, SenderError):
                    taken_in.refusals.append(str(answer))
                else:
                    taken_in.events += 1
        reading.chain.end()
        taken_in.spools += 1
        id = reading.chain.opened.id
        taken_in.gaps += [f"{id}: line {gap.lines}: {gap.reason}" for gap in reading.chain.gaps]
        taken_in.refusals += reading.chain.faults
        reading = reading.following()
    return taken_in


class Imported:
    """What became of an exported file; `refusals` are of lines that were not taken."""

    def __init__(self) -> None:
        self.spools = 0
        self.events = 0
        self.gaps: list[str] = []
        self.refusals: list[str] = []


class Reading:
    """A spool that is read as far as it is needed: never more than a piece of it is in memory."""

    def __init__(self, stream: BinaryIO, header: bytes | None = None) -> None:
        """Raises Malformed and Tampered for its header."""
        self._stream = stream
        if header is None:
            header = stream.readline(LINE_BYTES_MAX + 2)
        self.chain = Chain(_whole(header))
        self._following: bytes | None = None

    def pieces(self) -> Iterator[Piece]:
        return pieces(
            self.chain.opened.octets, self.lines(), lines_max=_LINES_MAX, bytes_max=_BYTES_MAX
        )

    def following(self) -> Reading | None:
        """The spool behind this one, once its lines were read."""
        return None if self._following is None else Reading(self._stream, self._following)

    def lines(self) -> Iterator[Spooled]:
        while octets := self._stream.readline(LINE_BYTES_MAX + 2):
            if not octets.endswith(b"\n") and len(octets) < LINE_BYTES_MAX + 2:
                # Torn by a crash before it was durable: nobody was told that it is kept.
                return
            if is_spool(octets):
                self._following = octets
                return
            line = self.chain.take(_whole(octets))
            if line is not None:
                yield line


def _read(file: int) -> Reading:
    # The descriptor holds the lock, and is closed by whoever took it.
    return Reading(open(file, "rb", closefd=False))


def _whole(octets: bytes) -> bytes:
    return octets.removesuffix(b"\n")


def _set_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}{REFUSED}")
    try:
        os.replace(path, aside)  # noqa: PTH105 (one call, whatever the names)
    except OSError:
        # An unwritable folder: it is told again next time, which is better than not at all.
        return path
    return aside
