"""A file of a backup: a tar whose last two members say, and seal, what the others must be.

`format`, then the members, each packed with zstd, then `backup.json` with the SHA-256 of each of
them, then `seal`: an HMAC over both by a key of the trail, so that whoever may write the place
where backups lie can't change one unseen. Nothing is read before its name and size are known, and
nothing is believed before the seal is.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import GenericAlias
from typing import IO, Final, TypeVar

import msgspec
from msgspec import Struct

from deploytrail.errors import Incomplete, Malformed, NotFound, NotPermitted, Tampered
from deploytrail.zstd import zstd

LOG_FORMAT: Final = b"deploytrail-backup/1\n"
KEYS_FORMAT: Final = b"deploytrail-backup-keys/1\n"
CHUNK_BYTES: Final = 4 * 1024 * 1024
"""From so many bytes on, what belongs together goes into the next member."""

_FORMAT: Final = "format"
_MANIFEST: Final = "backup.json"
_SEAL: Final = "seal"
_SMALL_BYTES_MAX: Final = 64 * 1024 * 1024
"""A manifest has 120 bytes for each 4 MB of log."""
_PLAIN_BYTES_MAX: Final = 128 * 1024 * 1024
"""An attachment has at most 64 MiB, a bundle 16 MiB."""
_FAULTS: Final = (tarfile.TarError, OSError, ValueError, OverflowError, EOFError)

Row = TypeVar("Row")


class Member(Struct, frozen=True, forbid_unknown_fields=True):
    """One member: how many bytes it has as it lies there, and their SHA-256 in hex."""

    name: str
    bytes: int
    sha256: str


class Standing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The log's one row, as it stood when the backup began; `root` in hex."""

    size: int
    root: str
    logged: int
    epoch: int
    clock: int
    boot: str
    uptime: int
    is_behind: bool


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the file holds: of which log, made when, how many rows of each kind, which members."""

    origin: str
    made: str
    counts: dict[str, int]
    standing: Standing | None
    members: tuple[Member, ...]


class BackupWriter:
    """Writes such a file. `bytes` is how many its members have."""

    def __init__(self, stream: IO[bytes], format: bytes) -> None:
        self._tar = tarfile.open(fileobj=stream, mode="w:")  # noqa: SIM115 (closed by `end`)
        self._format = format
        self._members: list[Member] = []
        self.bytes = 0
        self._add(_FORMAT, format)

    def put(self, name: str, octets: bytes) -> None:
        packed = zstd.compress(octets)
        self._members.append(Member(name, len(packed), hashlib.sha256(packed).hexdigest()))
        self._add(name, packed)

    def put_rows(
        self, name: str, page: Callable[[Row | None], Sequence[Row]], width: Callable[[Row], int]
    ) -> int:
        """All rows that `page` gives behind the last one; returns how many.

        As members `name`/0, `name`/1, …; `width` is about how many bytes a row has.
        """
        number = count = 0
        last: Row | None = None
        is_more = True
        while is_more:
            rows: list[Row] = []
            held = 0
            while is_more and held < CHUNK_BYTES:
                some = page(last)
                is_more = bool(some)
                rows += some
                held += sum(map(width, some))
                last = rows[-1] if rows else last
            if rows:
                self.put(f"{name}/{number}", msgspec.msgpack.encode(rows))
                number, count = number + 1, count + len(rows)
        return count

    def end(
        self,
        key: bytes,
        *,
        origin: str,
        made: str,
        counts: dict[str, int],
        standing: Standing | None = None,
    ) -> None:
        """Say what was put in, and seal it."""
        manifest = Manifest(
            origin=origin,
            made=made,
            counts=counts,
            standing=standing,
            members=tuple(self._members),
        )
        octets = msgspec.json.encode(manifest)
        self._add(_MANIFEST, octets)
        self._add(_SEAL, _seal(key, self._format, octets))
        self._tar.close()

    def _add(self, name: str, octets: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(octets)
        info.mode = 0o600
        self._tar.addfile(info, io.BytesIO(octets))
        self.bytes += len(octets)


class BackupFile:
    """Such a file, read. Nobody may believe it before `refuse_unsealed` has returned.

    Raises Malformed for another file, Incomplete for one that was cut off, Tampered for one whose
    bytes are not those that were written; the message names the member.
    """

    def __init__(self, path: Path, format: bytes, stream: IO[bytes] | None = None) -> None:
        """Of a stream, `path` is only the name that it has, or is to get."""
        self.path = path
        self._format = format
        try:
            self._tar = tarfile.open(path, "r:", stream)  # noqa: SIM115 (closed by `close`)
        except FileNotFoundError:
            raise NotFound(f"{path}: expected a file of a backup, found none") from None
        except PermissionError:
            raise NotPermitted(
                f"{path}: expected to read it, but you may not; ask its owner"
            ) from None
        except _FAULTS as error:
            raise Malformed(
                f"{path}: expected a file that 'deploytrail backup' wrote, found another ({error})"
            ) from None
        try:
            self._members = self._listed()
            self._refuse_another()
            self._octets = self._last(_MANIFEST)
            self._sealed = self._last(_SEAL)
            self.manifest = self._decoded()
            self._refuse_strays()
        except BaseException:
            self._tar.close()
            raise

    def __enter__(self) -> BackupFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._tar.close()

    def refuse_unsealed(self, key: bytes) -> None:
        """Raise Tampered unless a trail that has this key wrote all of it."""
        if not hmac.compare_digest(_seal(key, self._format, self._octets), self._sealed):
            raise Tampered(
                f"{self.path}: {_SEAL}: not what this trail sealed; the file was changed, or is "
                "another trail's. Take another copy"
            )

    def refuse_damaged(self) -> None:
        """Raise Tampered where a member is not what the file itself says of it."""
        for name in self._said:
            self._packed(name)

    def read(self, name: str) -> bytes:
        """A member as it was put; raises Tampered."""
        packed = self._packed(name)
        unpacking = zstd.ZstdDecompressor()
        try:
            octets = unpacking.decompress(packed, _PLAIN_BYTES_MAX)
        except zstd.ZstdError as error:
            raise Tampered(f"{self.path}: {name}: does not unpack: {error}") from None
        if not unpacking.eof or unpacking.unused_data:
            raise Tampered(f"{self.path}: {name}: expected at most {_PLAIN_BYTES_MAX} bytes")
        return octets

    def _packed(self, name: str) -> bytes:
        packed = self._bytes_of(name)
        if hashlib.sha256(packed).hexdigest() != self._said[name].sha256:
            raise Tampered(
                f"{self.path}: {name}: its bytes are not those that were written; they were "
                "changed, or rotted. Take another copy"
            )
        return packed

    def names(self, folder: str) -> Iterator[str]:
        """The members of a folder, in the order in which they were put."""
        return (name for name in self._said if name.startswith(f"{folder}/"))

    def rows(self, folder: str, kind: type[Row]) -> Iterator[list[Row]]:
        """What `put_rows` wrote, a member at a time."""
        for name in self.names(folder):
            yield decoded_rows(self.read(name), kind, whose=f"{self.path}: {name}")

    def _listed(self) -> dict[str, tarfile.TarInfo]:
        members: dict[str, tarfile.TarInfo] = {}
        try:
            for member in self._tar:
                if not member.isreg() or member.issparse() or member.name in members:
                    raise Tampered(
                        f"{self.path}: {member.name[:80]!r}: expected plain files, each once"
                    )
                members[member.name] = member
        except _FAULTS as error:
            last = next(reversed(members), "its first")
            raise Incomplete(
                f"{self.path}: ends in the middle, at or behind its member {last!r} ({error}); "
                "take a whole copy"
            ) from None
        return members

    def _refuse_another(self) -> None:
        found = self._bytes_of(_FORMAT) if _FORMAT in self._members else b""
        if found != self._format:
            raise Malformed(
                f"{self.path}: expected the format {self._format.decode().strip()}, found "
                f"{found[:40]!r}; name the file that 'deploytrail backup' wrote"
            )

    def _last(self, name: str) -> bytes:
        if name not in self._members:
            last = next(reversed(self._members))
            raise Incomplete(
                f"{self.path}: expected the member {name} at its end, found none: the file was "
                f"cut off or changed at or behind its member {last[:80]!r}. Take a whole copy"
            )
        return self._bytes_of(name)

    def _decoded(self) -> Manifest:
        try:
            return msgspec.json.decode(self._octets, type=Manifest)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Tampered(
                f"{self.path}: {_MANIFEST}: its bytes are not those that were written ({error})"
            ) from None

    def _refuse_strays(self) -> None:
        """Every member must be told of, in the size that it has, and nothing else may be there."""
        self._said = {one.name: one for one in self.manifest.members}
        there = {name: one.size for name, one in self._members.items()}
        for name in (_FORMAT, _MANIFEST, _SEAL):
            there.pop(name)
        said = {one.name: one.bytes for one in self.manifest.members}
        differing = [name for name in {**said, **there} if said.get(name) != there.get(name)]
        if differing or len(said) != len(self.manifest.members):
            name = differing[0] if differing else "a member twice"
            raise Tampered(
                f"{self.path}: {name[:80]}: expected {said.get(name, 'no')} bytes, as "
                f"{_MANIFEST} says, found {there.get(name, 'none')}; take another copy"
            )

    def _bytes_of(self, name: str) -> bytes:
        member = self._members[name]
        if member.size > _SMALL_BYTES_MAX + CHUNK_BYTES:
            raise Tampered(f"{self.path}: {name}: {member.size} bytes are more than any has")
        try:
            stream = self._tar.extractfile(member)
            octets = b"" if stream is None else stream.read()
        except _FAULTS as error:
            raise Incomplete(f"{self.path}: {name}: can't be read: {error}") from None
        if len(octets) != member.size:
            raise Incomplete(f"{self.path}: {name}: the file ends in the middle of it")
        return octets


def decoded_rows(octets: bytes, kind: type[Row], *, whose: str) -> list[Row]:
    """Rows as `put_rows` encodes them; raises Malformed."""
    try:
        rows: list[Row] = msgspec.msgpack.decode(octets, type=GenericAlias(list, (kind,)))
        return rows
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"{whose}: expected rows of a known kind; {error}") from None


def _seal(key: bytes, format: bytes, manifest: bytes) -> bytes:
    """HMAC-SHA256 in hex; the format tells the two files of a backup apart."""
    return hmac.new(key, format + manifest, hashlib.sha256).hexdigest().encode()
