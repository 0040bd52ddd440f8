"""A backup as it comes from a server: a tar of its two files, behind how far they are.

`progress.json` as often as its maker likes, then `backup.tar.keys`, `backup.tar` and, last of all,
`backup.json`, which says what is in them. Where it can't be made, `problem.json` comes instead. The
keys come first: alone they are no backup, and whoever unpacks what was cut off has no more.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from typing import IO, Any, Final, TypeVar

import msgspec
from msgspec import Struct

from deploytrail.errors import DeploytrailError, Incomplete, Malformed
from deploytrail.trail import Backup

MEDIA_TYPE: Final = "application/x-tar"
PROGRESS: Final = "progress.json"
KEYS: Final = "backup.tar.keys"
LOG: Final = "backup.tar"
DONE: Final = "backup.json"
PROBLEM: Final = "problem.json"
END: Final = bytes(2 * tarfile.BLOCKSIZE)
_SMALL_BYTES_MAX: Final = 64 * 1024
_PIECE_BYTES: Final = 256 * 1024
Told = Callable[[int, int], None]
_Read = TypeVar("_Read")


class Standing(Struct, frozen=True):
    """How many of how many entries are in the file that is being made."""

    done: int
    total: int


def head(name: str, size: int) -> bytes:
    """What stands before a member of so many bytes."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info.tobuf(tarfile.GNU_FORMAT)


def padding(size: int) -> bytes:
    """What stands behind it."""
    return bytes(-size % tarfile.BLOCKSIZE)


def member(name: str, octets: bytes) -> bytes:
    """A small one, whole."""
    return head(name, len(octets)) + octets + padding(len(octets))


def receive(
    chunks: Iterator[bytes],
    log: IO[bytes],
    keys: IO[bytes],
    *,
    making: Told,
    receiving: Told,
    refused: Callable[[bytes], DeploytrailError],
) -> Backup:
    """Write both files; what is in them, once all of it came.

    `making` hears of entries while the server is at it, `receiving` of bytes; `refused` gives the
    error of a problem. Raises Incomplete where it ends too early, Malformed where it is no backup,
    and what `chunks` raises.
    """
    wanted = {KEYS: keys, LOG: log}
    try:
        with tarfile.open(fileobj=_Chunks(chunks), mode="r|") as tar:
            for each in tar:
                stream = tar.extractfile(each)
                if stream is None:
                    raise _not_one(each.name)
                if each.name in wanted:
                    _copy(stream, wanted.pop(each.name), each.size, receiving)
                elif each.name == PROGRESS:
                    standing = _read(stream, Standing)
                    making(standing.done, standing.total)
                elif each.name == PROBLEM:
                    raise refused(stream.read(_SMALL_BYTES_MAX))
                elif each.name == DONE and not wanted:
                    return _read(stream, Backup)
                else:
                    raise _not_one(each.name)
    except (tarfile.TarError, EOFError) as error:
        raise _cut(str(error)) from None
    raise _cut(f"no {DONE} in it")


def _copy(stream: IO[bytes], target: IO[bytes], size: int, told: Told) -> None:
    done = 0
    while piece := stream.read(_PIECE_BYTES):
        target.write(piece)
        done += len(piece)
        told(done, size)
    if done != size:
        raise _cut(f"{done} bytes of {size}")


def _read(stream: IO[bytes], type: type[_Read]) -> _Read:
    try:
        return msgspec.json.decode(stream.read(_SMALL_BYTES_MAX), type=type)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(
            f"backup: expected what a server of Deploytrail says, but {error}"
        ) from None


def _not_one(name: str) -> Malformed:
    return Malformed(
        f"backup: expected {KEYS}, {LOG} and {DONE}, found {name[:60]!a}; is it the address of a "
        "server of Deploytrail?"
    )


def _cut(why: str) -> Incomplete:
    return Incomplete(f"backup: it ended too early ({why}), and nothing was written; take it again")


class _Chunks(io.RawIOBase):
    """Chunks as a stream that a tar is read from."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._held = b""

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        while not self._held:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._held = chunk
        view = memoryview(into)
        size = min(len(view), len(self._held))
        view[:size] = self._held[:size]
        self._held = self._held[size:]
        return size
