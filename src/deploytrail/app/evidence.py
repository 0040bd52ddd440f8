"""What is verified, as `log.verify.Evidence`: a log's own file, or an export of it."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from deploytrail.entry import unbase64url
from deploytrail.errors import DeploytrailError, Malformed, Tampered
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import note as notes
from deploytrail.log.reading import tail_entries
from deploytrail.log.replay import State
from deploytrail.log.store import Inventory
from deploytrail.log.tiles import (
    WIDTH,
    Bundle,
    Tile,
    bundles_of,
    decode_path,
    encode_bundle,
    encode_path,
    tiles_of,
)
from deploytrail.sentence import counted
from deploytrail.stores.sqlite.examined import ExaminedLog, unreadable

EXPORT_FORMAT: Final = b"deploytrail-export/1\n"
_MEMBER_BYTES_MAX: Final = 1024 * 1024 * 1024
_READS_A_MOMENT: Final = 512
_NOTES_AT_ONCE: Final = 256


class StoredEvidence:
    """A log's file, as it stood when it was opened; later entries are not part of it."""

    def __init__(self, log: ExaminedLog) -> None:
        self._log = log
        self._reads = 0
        with unreadable("log.db"):
            self.tree = log.tree()
            self._tail = tail_entries(log)
            self._inventory = log.inventory()
            newest = log.newest_note()
            # A bit can turn a value into NULL, or into one of another type.
            self._newest_size = -1 if newest is None else newest[0]
            self.newest = b"" if newest is None else self._whole(*newest)
        self._published = _published(log)

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
            return encode_bundle(self._tail) if self._tail else None
        self._count_read()
        with unreadable(f"bundle {number}"):
            return self._log.bundle(number)

    def tile(self, level: int, number: int) -> bytes | None:
        with unreadable(f"tile {level}/{number}"):
            return self._log.tile(level, number)

    def notes(self) -> Iterator[bytes]:
        for size, octets in self._rows():
            # One in another's row is told by `unaccounted`; here it would come out of order.
            if _said(octets) in {size, None}:
                with unreadable(f"checkpoint {size}"):
                    whole = self._whole(size, octets)
                yield whole

    @property
    def has_partial_tiles(self) -> bool:
        return False

    def _whole(self, size: int, octets: bytes) -> bytes:
        """A checkpoint with its cosignatures."""
        return octets + b"".join(self._log.cosignatures(size))

    def _rows(self) -> Iterator[tuple[int, bytes]]:
        """Every checkpoint's row as there was one when the log was opened, a few at a time."""
        last = -1
        while last < self._newest_size:
            self._count_read()
            with unreadable("checkpoint"):
                rows = self._log.notes(after=last, count=_NOTES_AT_ONCE)
            yield from (row for row in rows if row[0] <= self._newest_size)
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
        size, found = self.size, self._inventory
        expected = Inventory(
            bundles=size // WIDTH,
            entries=size % WIDTH,
            tiles=sum(tile.is_full for tile in tiles_of(size)),
            deliveries=size,
            disclosures=found.disclosures,
        )
        for kind, wanted, there in zip(Inventory._fields, expected, found, strict=True):
            if wanted != there:
                state: State = "CORRUPT" if there > wanted else "MISSING"
                of = counted(size, "entry")
                yield state, f"{kind}: expected {wanted} for {of}, found {there}"
        for what in self._misplaced():
            yield "CORRUPT", what
        if isinstance(self._published, str):
            yield "CORRUPT", self._published
        elif self._published > size:
            yield "CORRUPT", f"checkpoint: its size is {self._published}, the log's {size}"

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


def _key_id(line: bytes) -> bytes | None:
    """Whose a signature says to be; None for what can't be read."""
    with suppress(DeploytrailError, UnicodeDecodeError):
        return notes.decode_signature(line.decode()).key_id
    return None


def _said(octets: bytes) -> int | None:
    """The size that a checkpoint tells of; None for what can't be read."""
    with suppress(DeploytrailError):
        return checkpoints.decode(notes.decode(octets).text).size
    return None


def _published(log: ExaminedLog) -> int | str:
    """The size of the newest checkpoint, 0 for none, or what is broken about it."""
    try:
        with unreadable("published"):
            newest = log.checkpoint()
    except Tampered as error:
        return str(error)
    if newest is None:
        return 0
    with suppress(DeploytrailError):
        said = checkpoints.decode(notes.decode(newest.note).text)
        frontier = newest.frontier
        if (said.size, said.root) != (frontier.size, frontier.root()):
            return "published: its frontier is not that of the newest checkpoint"
    return newest.size


class ExportedEvidence:
    """An export: a tar of C2SP paths, `policy`, `disclosures.jsonl` and `format`."""

    def __init__(self, path: Path) -> None:
        try:
            self._tar = tarfile.open(path, "r:")  # noqa: SIM115 (closed by `close`)
        except (tarfile.TarError, OSError) as error:
            raise Malformed(f"{path}: expected a trail's directory or export; {error}") from None
        try:
            self._members = {member.name: member for member in self._tar}
            if self._read("format") != EXPORT_FORMAT:
                raise Malformed(f"{path}: expected an export of format 1, found another file")
            self._checkpoint = self._required("checkpoint")
            self.policy = self._required("policy")
            self.origin = checkpoints.decode(notes.decode(self._checkpoint).text).origin
        except BaseException as error:
            self._tar.close()
            if isinstance(error, tarfile.TarError):
                raise Malformed(f"{path}: the export ends in the middle; {error}") from None
            raise
        self.size = self._size()

    @property
    def root(self) -> bytes | None:
        return None

    def bundle(self, number: int, width: int) -> bytes | None:
        return self._read(encode_path(Bundle(number, width)))

    def tile(self, level: int, number: int) -> bytes | None:
        width = min((self.size >> 8 * level) - number * WIDTH, WIDTH)
        return self._read(encode_path(Tile(level, number, width))) if width > 0 else None

    @property
    def newest(self) -> bytes:
        return self._checkpoint

    def notes(self) -> Iterator[bytes]:
        yield self._checkpoint

    @property
    def has_partial_tiles(self) -> bool:
        return True

    def unaccounted(self) -> Iterator[tuple[State, str]]:
        """Members that are no part of an export of this size."""
        known = {"format", "checkpoint", "policy", "disclosures.jsonl"}
        known |= {encode_path(tile) for tile in tiles_of(self.size)}
        known |= {encode_path(bundle) for bundle in bundles_of(self.size)}
        for name in sorted(self._members.keys() - known):
            yield (
                "CORRUPT",
                f"{name[:80]!r}: not part of an export of {counted(self.size, 'entry')}",
            )

    def disclosures(self) -> dict[bytes, bytes]:
        """The disclosures that came along: the JSON by its digest as claimed."""
        found = {}
        for line in (self._read("disclosures.jsonl") or b"").split(b"\n"):
            if line:
                try:
                    digest, text = msgspec.json.decode(line, type=tuple[str, str])
                except msgspec.DecodeError:
                    raise Tampered("disclosures.jsonl: expected [digest, disclosure]") from None
                found[unbase64url(digest)] = unbase64url(text)
        return found

    def close(self) -> None:
        self._tar.close()

    def _size(self) -> int:
        """How many entries the bundles hold, by their paths."""
        size = 0
        for name in self._members:
            try:
                part = decode_path(name) if name.startswith("tile/entries/") else None
            except DeploytrailError:
                continue
            if isinstance(part, Bundle):
                size = max(size, part.index * WIDTH + part.width)
        return size

    def _required(self, name: str) -> bytes:
        found = self._read(name)
        if found is None:
            raise Malformed(f"export: expected the file {name!r}, found none")
        return found

    def _read(self, name: str) -> bytes | None:
        member = self._members.get(name)
        if member is None or not member.isfile() or member.size > _MEMBER_BYTES_MAX:
            return None
        stream = self._tar.extractfile(member)
        octets = b"" if stream is None else stream.read()
        if len(octets) != member.size:
            raise Tampered(f"{name}: expected {member.size} bytes, found {len(octets)}")
        return octets
