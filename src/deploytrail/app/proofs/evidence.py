"""A log's own rows as `log.evidence.Evidence`; `exported` is the same of an export."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final, Protocol

from deploytrail import entry
from deploytrail.app.access.vouching import digest
from deploytrail.clock import at_microseconds, rfc3339
from deploytrail.errors import DeploytrailError, Tampered
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import note as notes
from deploytrail.log.merkle import Frontier
from deploytrail.log.reading import tail_entries
from deploytrail.log.replay import State
from deploytrail.log.store import Inventory, Reader
from deploytrail.log.tiles import WIDTH, decode_bundle, encode_bundle, full_tiles, tile_at
from deploytrail.sentence import counted
from deploytrail.stores.sqlite.examined import unreadable

_READS_A_MOMENT: Final = 32
_NOTES_AT_ONCE: Final = 16
_STATE_AT_ONCE: Final = 256
_NOTE_BYTES_MAX: Final = 65_536


class ExaminedLog(Reader, Protocol):
    """A log as an engine lets it be examined: more than whoever reads it has to know.

    Raises Tampered for what can't be read. `renew` ends the moment and begins another.
    """

    def renew(self) -> None: ...
    def structure(self) -> list[str]:
        """What the engine's own check of its pages finds; empty where all is sound."""
        ...

    def count(self, kind: str) -> int:
        """How many rows there are of a kind; named as the fields of `Inventory`."""
        ...

    def newest_note(self) -> tuple[int, bytes] | None:
        """Size and note, without cosignatures, of the newest checkpoint."""
        ...

    def cosignature_rows(self, size: int) -> list[tuple[bytes, bytes]]:
        """Those of a checkpoint: (id of its key, its line)."""
        ...

    def stray_cosignatures(self) -> list[int]:
        """Sizes, up to a hundred, that have a cosignature and no checkpoint."""
        ...


class StoredEvidence:
    """A log's rows, as it stood when it was opened; later entries are not part of it."""

    def __init__(self, log: ExaminedLog) -> None:
        self._log = log
        self._reads = 0
        with unreadable("tree"):
            self.tree = log.tree()
        with unreadable("checkpoint"):
            newest = log.newest_note()
            # A bit can turn a value into NULL, or into one of another type.
            self._newest_size = -1 if newest is None else newest[0]
            self.newest = b"" if newest is None else self._whole(*newest)
        self._tail = _tail(log)
        self._counts = {kind: _count(log, kind) for kind in Inventory._fields}
        self._frontiers = [self.tree.frontier]
        self._published = self._read_published()
        self.state = self._read_state()
        """The digest of every row of state by kind and id, or what is wrong with them."""

    @property
    def size(self) -> int:
        return self.tree.size

    @property
    def root(self) -> bytes | None:
        return self.tree.frontier.root()

    @property
    def origin(self) -> str:
        return self.tree.origin

    def bundle(self, number: int, width: int) -> bytes | None:
        if width < WIDTH:
            entries = self._tail_entries()
            return encode_bundle(entries) if entries else None
        self._count_read()
        with unreadable(f"bundle {number}"):
            return self._log.bundle(number)

    def tile(self, level: int, number: int) -> bytes | None:
        # What was not full at this moment may have become so meanwhile.
        known = tile_at(level, number, self.size)
        if known is None or not known.is_full:
            return None
        with unreadable(f"tile {level}/{number}"):
            found = self._log.tile(level, number)
        if found is not None and not isinstance(found, bytes):
            raise Tampered(f"tile {level}/{number}: expected bytes, found another value")
        return found

    def frontier(self, size: int) -> Frontier | None:
        return next((known for known in self._frontiers if known.size == size), None)

    def notes(self) -> Iterator[tuple[str, bytes]]:
        for size, octets in self._rows():
            # One in another's row is told by `unaccounted`; here it would come out of order.
            if _said(octets) in {size, None}:
                with unreadable(f"checkpoint {size}"):
                    whole = self._whole(size, octets)
                yield f"checkpoint {size}", whole

    @property
    def has_partial_tiles(self) -> bool:
        return False

    def _whole(self, size: int, octets: bytes) -> bytes:
        """A checkpoint with its cosignatures."""
        if not isinstance(octets, bytes):
            raise Tampered(f"checkpoint {size}: expected bytes, found another value")
        with unreadable(f"cosignature {size}"):
            lines = b"".join(self._log.cosignatures(size))
        whole = octets + lines
        if len(whole) > _NOTE_BYTES_MAX:
            raise Tampered(f"checkpoint {size}: expected at most {_NOTE_BYTES_MAX} bytes")
        return whole

    def _rows(self) -> Iterator[tuple[int, bytes]]:
        """Every checkpoint's row as there was one when the log was opened, a few at a time."""
        last = -1
        while last < self._newest_size:
            self._count_read()
            with unreadable("checkpoint"):
                rows = self._log.notes(after=last, count=_NOTES_AT_ONCE)
            for size, octets in rows:
                if not isinstance(octets, bytes):
                    raise Tampered(f"checkpoint {size}: expected bytes, found another value")
                if size <= self._newest_size:
                    yield size, octets
            last = rows[-1][0] if rows else self._newest_size

    def _count_read(self) -> None:
        """Begin a new moment now and then, so that none lasts long.

        Bundles, tiles and checkpoints never change once they stand, so each shows the same ones.
        """
        self._reads += 1
        if self._reads % _READS_A_MOMENT == 0:
            self._log.renew()

    def unaccounted(self) -> Iterator[tuple[State, str]]:
        """Rows too many or too few for the log's size, and a broken last checkpoint."""
        size = self.size
        expected = {
            "bundles": size // WIDTH,
            "entries": size % WIDTH,
            "tiles": full_tiles(size),
            "deliveries": size,
        }
        for kind, there in self._counts.items():
            wanted = expected.get(kind, there)
            if isinstance(there, str):
                yield "CORRUPT", there
            elif isinstance(wanted, int) and wanted != there:
                state: State = "CORRUPT" if there > wanted else "MISSING"
                of = counted(size, "entry")
                yield state, f"{kind}: expected {wanted} for {of}, found {there}"
        for what in self._misplaced():
            yield "CORRUPT", what
        if not self._is_last_logged():
            yield "CORRUPT", "tree: the time of its last entry is not that of the last entry"
        if isinstance(self._published, str):
            yield "CORRUPT", self._published
        elif self._published > size:
            yield "CORRUPT", f"checkpoint: its size is {self._published}, the log's {size}"

    def _is_last_logged(self) -> bool:
        """Whether the time behind which the next entry is set is that of the last one."""
        whole = (self.size // WIDTH, self.size % WIDTH)
        if self.size == 0 or (self._counts["bundles"], self._counts["entries"]) != whole:
            # That entries are gone is told by their count.
            return True
        try:
            last = (self._tail_entries() or self._last_bundle())[-1]
            return entry.logged_of(last) == rfc3339(at_microseconds(self.tree.logged))
        except (DeploytrailError, ValueError, LookupError, OverflowError):
            return False

    def _last_bundle(self) -> list[bytes]:
        number = self.size // WIDTH - 1
        with unreadable(f"bundle {number}"):
            return decode_bundle(self._log.bundle(number) or b"")

    def _tail_entries(self) -> list[bytes]:
        """The entries after the last full bundle; raises what was found wrong with them."""
        if isinstance(self._tail, DeploytrailError):
            raise self._tail
        return self._tail

    def _read_state(self) -> dict[tuple[str, str], str] | str:
        found: dict[tuple[str, str], str] = {}
        after = ("", "")
        try:
            with unreadable("state"):
                while rows := self._log.state_rows(after=after, count=_STATE_AT_ONCE):
                    found |= {(row.kind, row.id): digest(row.value or b"") for row in rows}
                    after = (rows[-1].kind, rows[-1].id)
        except Tampered as error:
            return str(error)
        return found

    def _read_published(self) -> int | str:
        """The size of the newest checkpoint, 0 for none, or what is broken about it."""
        try:
            with unreadable("published"):
                newest = self._log.checkpoint()
        except Tampered as error:
            return str(error)
        if newest is None:
            return 0
        self._frontiers.append(newest.frontier)
        with suppress(DeploytrailError):
            said = checkpoints.decode(notes.decode(newest.note).text)
            frontier = newest.frontier
            if (said.size, said.root) != (frontier.size, frontier.root()):
                return "published: its frontier is not that of the newest checkpoint"
        return newest.size

    def _misplaced(self) -> Iterator[str]:
        """Checkpoints in another's row, cosignatures of none or under another key's id."""
        try:
            for size, octets in self._rows():
                said = _said(octets)
                if said not in {size, None}:
                    yield f"checkpoint {size}: its row holds the one of size {said}"
                with unreadable(f"cosignature {size}"):
                    rows = self._log.cosignature_rows(size)
                    is_placed = all(_key_id(line) in {key_id, None} for key_id, line in rows)
                if not is_placed:
                    yield f"cosignature {size}: its row is not that of its key and checkpoint"
            with unreadable("cosignature"):
                strays = self._log.stray_cosignatures()
        except DeploytrailError as error:
            yield str(error)
            return
        for size in strays:
            yield f"cosignature {size}: there is no checkpoint of this size"


def _key_id(line: object) -> bytes | None:
    """Whose a signature says to be, nobody's where it is no bytes; None for what can't be read."""
    if not isinstance(line, bytes):
        return b""
    with suppress(DeploytrailError, UnicodeDecodeError):
        return notes.decode_signature(line.decode()).key_id
    return None


def _said(octets: bytes) -> int | None:
    """The size that a checkpoint tells of; None for what can't be read."""
    with suppress(DeploytrailError):
        return checkpoints.decode(notes.decode(octets).text).size
    return None


def _tail(log: ExaminedLog) -> list[bytes] | DeploytrailError:
    """The entries after the last full bundle, or what is wrong with them."""
    try:
        with unreadable("segment"):
            return tail_entries(log)
    except DeploytrailError as error:
        return error


def _count(log: ExaminedLog, kind: str) -> int | str:
    """How many rows there are of a kind, or why they can't be counted."""
    try:
        with unreadable(f"{kind}: not counted"):
            return log.count(kind)
    except Tampered as error:
        return str(error)
