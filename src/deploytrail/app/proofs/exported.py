"""An export as `log.evidence.Evidence`. Whoever hands it over may have made it up.

Nothing is read before its name and size are known, and nothing that no export of ours has.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from deploytrail.app.proofs.stated import Rows
from deploytrail.entry import unbase64url
from deploytrail.errors import DeploytrailError, Malformed, NotPermitted, Tampered
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import note as notes
from deploytrail.log.checkpoint import Checkpoint
from deploytrail.log.replay import State
from deploytrail.log.tiles import (
    ENTRY_BYTES_MAX,
    TILE_BYTES,
    WIDTH,
    Bundle,
    Tile,
    decode_path,
    encode_path,
    tile_at,
)
from deploytrail.sentence import counted

FORMAT: Final = b"deploytrail-export/1\n"
FORMAT_CONCEALED: Final = b"deploytrail-export/1 concealed\n"
"""Of an export that was made without disclosures, on purpose."""
_DISCLOSURES: Final = "disclosures.jsonl"
_SMALL: Final = frozenset({"format", "checkpoint", "policy"})
_SMALL_BYTES_MAX: Final = 1024 * 1024
_BUNDLE_BYTES_MAX: Final = WIDTH * (2 + ENTRY_BYTES_MAX)
_LINE_BYTES_MAX: Final = 1024 * 1024
_BROKEN_MAX: Final = 20
_FAULTS: Final = (tarfile.TarError, OSError, ValueError, OverflowError, EOFError)
_is_tile: Final = re.compile(r"tile/[0-9]").match


class ExportedEvidence:
    """An export: a tar of C2SP paths, `policy`, `disclosures.jsonl` and `format`."""

    def __init__(self, path: Path) -> None:
        try:
            self._tar = tarfile.open(path, "r:")  # noqa: SIM115 (closed by `close`)
        except PermissionError:
            raise NotPermitted(
                f"{path}: expected to read it, but you may not; ask its owner for an export, or "
                "for the right to read this one"
            ) from None
        except _FAULTS as error:
            raise Malformed(
                f"{path}: expected a trail's directory or export, found another file ({error}); "
                "name what 'deploytrail export --proofs' or 'deploytrail proof' wrote"
            ) from None
        self.state: Rows | None = None
        """State is no part of an export."""
        try:
            self._strays: list[str] = []
            self._members = self._listed()
            found = self._read("format")
            if found not in {FORMAT, FORMAT_CONCEALED}:
                raise Malformed(f"{path}: expected an export of format 1, found another file")
            self.is_concealed = found == FORMAT_CONCEALED
            self.newest = self._required("checkpoint")
            self.policy = self._required("policy")
            checkpoint = _checkpoint(self.newest)
        except BaseException as error:
            self._tar.close()
            if isinstance(error, _FAULTS):
                raise Malformed(f"{path}: the export ends in the middle; {error}") from None
            raise
        self.origin, self.size = checkpoint.origin, checkpoint.size

    @property
    def root(self) -> bytes | None:
        return None

    @property
    def has_partial_tiles(self) -> bool:
        return True

    def bundle(self, number: int, width: int) -> bytes | None:
        return self._read(encode_path(Bundle(number, width)))

    def tile(self, level: int, number: int) -> bytes | None:
        tile = tile_at(level, number, self.size)
        return None if tile is None else self._read(encode_path(tile))

    def frontier(self, size: int) -> None:
        """None is kept: every leaf's hash is there to be held against."""

    def notes(self) -> Iterator[tuple[str, bytes]]:
        yield "checkpoint", self.newest

    def unaccounted(self) -> Iterator[tuple[State, str]]:
        """Members that are no part of an export of this size, or that come twice."""
        whole = f"an export of {counted(self.size, 'entry')}"
        for what in self._strays:
            yield "CORRUPT", what
        for name in sorted(self._members):
            if name not in _SMALL and name != _DISCLOSURES and not self._belongs(name):
                yield "CORRUPT", f"{name[:80]!r}: not part of {whole}"

    def disclosures(self) -> tuple[dict[bytes, bytes], list[str]]:
        """The disclosures that came along, the JSON by its digest as claimed; and what is none."""
        member = self._members.get(_DISCLOSURES)
        stream = None if member is None else self._tar.extractfile(member)
        found: dict[bytes, bytes] = {}
        broken: list[str] = []
        number = 0
        while stream is not None and (line := stream.readline(_LINE_BYTES_MAX)):
            number += 1
            try:
                digest, text = msgspec.json.decode(line, type=tuple[str, str])
                found[unbase64url(digest)] = unbase64url(text)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, DeploytrailError):
                if len(broken) < _BROKEN_MAX:
                    broken.append(f"{_DISCLOSURES} line {number}: expected [digest, disclosure]")
        return found, broken

    def close(self) -> None:
        self._tar.close()

    def _listed(self) -> dict[str, tarfile.TarInfo]:
        members: dict[str, tarfile.TarInfo] = {}
        for member in self._tar:
            if not member.isreg() or member.issparse():
                self._strays.append(f"{member.name[:80]!r}: expected a plain file, found another")
            elif member.name in members:
                self._strays.append(f"{member.name[:80]!r}: expected it once, found it twice")
            else:
                members[member.name] = member
        return members

    def _belongs(self, name: str) -> bool:
        try:
            part = decode_path(name)
        except Malformed:
            return False
        if isinstance(part, Tile):
            return tile_at(part.level, part.index, self.size) == part
        return part.width == min(self.size - part.index * WIDTH, WIDTH)

    def _required(self, name: str) -> bytes:
        found = self._read(name)
        if found is None:
            raise Malformed(f"export: expected the file {name!r}, found none")
        return found

    def _read(self, name: str) -> bytes | None:
        member = self._members.get(name)
        if member is None:
            return None
        limit = _bytes_max(name)
        if member.size > limit:
            raise Tampered(f"{name}: expected at most {limit} bytes, found {member.size}")
        stream = self._tar.extractfile(member)
        octets = b"" if stream is None else stream.read()
        if len(octets) != member.size:
            raise Tampered(f"{name}: expected {member.size} bytes, found {len(octets)}")
        return octets


def _checkpoint(octets: bytes) -> Checkpoint:
    try:
        return checkpoints.decode(notes.decode(octets).text)
    except Malformed as error:
        raise Tampered(f"the export's checkpoint can't be read: {error}") from None


def _bytes_max(name: str) -> int:
    if name in _SMALL:
        return _SMALL_BYTES_MAX
    return TILE_BYTES if _is_tile(name) else _BUNDLE_BYTES_MAX
