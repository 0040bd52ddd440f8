"""Entries listed and shown to readers: what was signed, revealed; else an error.

Where they are read from, a store or a copy of a log, is for others to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from deploytrail.app.events.reading import Showing, find_event
from deploytrail.app.events.signed import Signed
from deploytrail.errors import EvidenceError
from deploytrail.event import EventId
from deploytrail.log.reading import bundle_entries
from deploytrail.log.store import LogReader, Reading
from deploytrail.log.tiles import WIDTH
from deploytrail.trail import Shown

_Reads = TypeVar("_Reads", bound=LogReader)


class Listing(Generic[_Reads]):
    """What all trails that are read have in common."""

    def __init__(
        self,
        reading: Reading[_Reads],
        signed: Signed,
        showing: Showing[_Reads],
    ) -> None:
        self._reading = reading
        self._signed = signed
        self._showing = showing

    def size(self) -> int:
        with self._reading() as reader:
            return reader.tree().size

    def newest(self, *, count: int, before: int | None = None) -> Iterator[Shown]:
        until = self.size() if before is None else min(before, self.size())
        first = max(0, until - count)
        for number in reversed(_bundles(first, until)):
            yield from self._of_bundle(number, _within(number, first, until)[::-1])

    def entries(self, *, first: int = 0, until: int | None = None) -> Iterator[Shown]:
        until = self.size() if until is None else min(until, self.size())
        for number in _bundles(first, until):
            yield from self._of_bundle(number, _within(number, first, until))

    def at(self, indexes: Iterable[int]) -> list[Shown]:
        """The entries at these indexes, in their order; each bundle is read once."""
        wanted = list(indexes)
        found: dict[int, Shown] = {}
        by_bundle: dict[int, list[int]] = {}
        for index in sorted(set(wanted)):
            by_bundle.setdefault(index // WIDTH, []).append(index)
        for number, some in by_bundle.items():
            found.update((shown.index, shown) for shown in self._of_bundle(number, some))
        return [found[index] for index in wanted]

    def show(self, event: EventId | int) -> Shown:
        found = self.found(event)
        with self._reading() as reader:
            revealed = self._showing.revealed(reader, [found])
        return self._showing.shown(revealed, self._reading)[0]

    def found(self, event: EventId | int) -> tuple[int, bytes]:
        """(index, entry) of an event as it was signed."""
        index, octets = find_event(self._reading, event)
        with self._reading() as reader:
            self._signed.check(reader, index, octets)
        return index, octets

    def _of_bundle(self, number: int, wanted: Sequence[int]) -> Iterator[Shown]:
        """These of a bundle's entries, in order, up to one that is not what was signed."""
        fault: EvidenceError | None = None
        found: list[tuple[int, bytes]] = []
        with self._reading() as reader:
            entries = bundle_entries(reader, number, reader.tree().size)
            is_whole = self._signed.are_whole(reader, number, entries)
            for index in wanted:
                octets = entries[index % WIDTH]
                try:
                    if not is_whole:
                        self._signed.check(reader, index, octets)
                except EvidenceError as error:
                    fault = error
                    break
                found.append((index, octets))
            revealed = self._showing.revealed(reader, found)
        yield from self._showing.shown(revealed, self._reading)
        if fault is not None:
            raise fault


def _bundles(first: int, until: int) -> range:
    """The numbers of the bundles that hold the entries from `first` up to `until`."""
    return range(first // WIDTH, -(-until // WIDTH))


def _within(number: int, first: int, until: int) -> range:
    """Those of the indexes that lie in a bundle."""
    return range(max(first, number * WIDTH), min(until, (number + 1) * WIDTH))
