"""The log in pieces, for all who follow it: read once, parsed once, split where somebody is erased.

Pure but for the moments in which it reads. Only what is committed is read, published or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, overload

from deploytrail import entry
from deploytrail.errors import Malformed
from deploytrail.follow.view import Read
from deploytrail.log.accounts import ERASED
from deploytrail.log.reading import bundle_entries
from deploytrail.log.store import LogReader, Reading
from deploytrail.log.tiles import WIDTH

ENTRIES_MAX: Final = 4_096
"""As many at most in one piece: what is read in one moment, and kept in memory at a time."""
BYTES_MAX: Final = 8_000_000
"""Where a piece ends sooner, at the end of the bundle: entries may be large."""
_SAYS_ERASED: Final = f'"action":"{ERASED}"'.encode()

Disclose = Callable[[Sequence[bytes]], Mapping[bytes, bytes]]
"""What the vault still has of what some entries list; it begins a moment of its own."""


class Piece(NamedTuple):
    """Entries in order from index `first`, and the size of the log when they were read."""

    first: int
    entries: Sequence[bytes]
    size: int

    @property
    def until(self) -> int:
        return self.first + len(self.entries)


class Step(NamedTuple):
    """What is taken in at once: first these subjects are forgotten, then the entries applied.

    The first of the entries is the one that names the subjects. Stopped between the two, it is
    still to be read, and they are forgotten once more.
    """

    erased: Sequence[str]
    read: Read


def piece(
    reading: Reading[LogReader],
    first: int,
    *,
    entries_max: int = ENTRIES_MAX,
    octets_max: int = BYTES_MAX,
    until: int | None = None,
) -> Piece:
    """What comes from `first` on, in one moment: whole bundles where it can be, at least one.

    It ends before `until`, where somebody else goes on. Empty at the end of the log. Raises
    Tampered or Incomplete where entries are not what was written, and what the store raises.
    """
    entries: list[bytes] = []
    octets = 0
    with reading() as reader:
        size = reader.tree().size
        end = size if until is None else min(size, until)
        at = first
        while at < end and len(entries) < entries_max and octets < octets_max:
            number, skipped = divmod(at, WIDTH)
            upto = min((number + 1) * WIDTH, end)
            # Of the last bundle all that there is must be read, also where it is read in part.
            found = bundle_entries(reader, number, size)[skipped : upto - number * WIDTH]
            entries += found
            octets += sum(map(len, found))
            at = upto
    return Piece(first, entries, size)


def steps(found: Piece, disclose: Disclose) -> list[Step]:
    """A piece as it is to be taken in; made once for all who do."""
    starts = [
        (at, subjects)
        for at, octets in enumerate(found.entries)
        if _SAYS_ERASED in octets and (subjects := _erased(octets, found.first + at))
    ]
    if not starts or starts[0][0] > 0:
        starts.insert(0, (0, ()))
    ends = [at for at, _ in starts[1:]] + [len(found.entries)]
    return [
        Step(subjects, _read(found.first + at, found.entries[at:end], disclose))
        for (at, subjects), end in zip(starts, ends, strict=True)
        if end > at
    ]


def _read(first: int, entries: Sequence[bytes], disclose: Disclose) -> Read:
    return Read(first, entries, _Parsed(first, entries), disclose)


def _erased(octets: bytes, index: int) -> tuple[str, ...]:
    """The subjects that an entry says were erased; none where it only looks as if it did."""
    fields = parsed(octets, index)
    targets = fields.get("targets")
    if fields.get("action") != ERASED or not isinstance(targets, list):
        return ()
    ids = (target.get("id") for target in targets if isinstance(target, dict))
    return tuple(id for id in ids if isinstance(id, str))


def parsed(octets: bytes, index: int) -> dict[str, Any]:
    """An entry's fields; raises Malformed, naming it, for one that can't be read."""
    try:
        return entry.fields(octets)
    except Malformed as error:
        raise Malformed(f"entry {index}: {error}") from None


class _Parsed(Sequence[Mapping[str, object]]):
    """The entries parsed, all of them once somebody looks at one, and only then."""

    def __init__(self, first: int, entries: Sequence[bytes]) -> None:
        self._first = first
        self._entries = entries
        self._fields: list[dict[str, Any]] | None = None

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, at: int) -> Mapping[str, object]: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Mapping[str, object]]: ...
    def __getitem__(self, at: int | slice) -> Mapping[str, object] | Sequence[Mapping[str, object]]:
        return self._all()[at]

    def __iter__(self) -> Iterator[Mapping[str, object]]:
        return iter(self._all())

    def _all(self) -> list[dict[str, Any]]:
        if self._fields is None:
            self._fields = [
                parsed(octets, at) for at, octets in enumerate(self._entries, self._first)
            ]
        return self._fields
