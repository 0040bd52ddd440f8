"""Files taken apart into deliveries: packed or not, one document, or one a line; as a stream.

Only a piece is in memory at a time. What a file holds is as hostile as what a network does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Final, NamedTuple

import msgspec

from deploytrail.errors import Malformed, TooLarge
from deploytrail.gzipped import MAGIC, Gunzip

DOCUMENT_BYTES_MAX: Final = 96 * 1024 * 1024
"""Of a file that is one document: no vendor writes larger ones."""
LINE_BYTES_MAX: Final = 4 * 1024 * 1024
PIECE_BYTES: Final = 512 * 1024
"""About so much of lines is one piece."""
_READ_BYTES: Final = 256 * 1024
_MEMBERS_MAX: Final = 1_000_000
_OF_NUMBERS: Final = b"0123456789+-.eE"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"


class Piece(NamedTuple):
    """Some deliveries of a file, in its order; `end` is the byte behind them, unpacked."""

    bodies: list[bytes]
    end: int


def pieces(stream: IO[bytes], *, is_lines: bool, since: int = 0) -> Iterator[Piece]:
    """The deliveries of a file that stand behind `since`, an `end` of before.

    Whether it is packed, its first bytes say. Raises Malformed and TooLarge, naming the byte.
    """
    chunks = _unpacked(stream)
    if is_lines:
        yield from _of_lines(_behind(chunks, since), since)
        return
    document = _whole(chunks)
    if len(document) > since and document.strip():
        yield Piece([document], len(document))


def _unpacked(stream: IO[bytes]) -> Iterator[bytes]:
    chunk = stream.read(_READ_BYTES)
    if chunk.startswith(_ZSTD):
        raise Malformed("file: expected JSON or gzip, found zstd; unpack it: zstd -dc FILE | …")
    gunzip = Gunzip("file", members_max=_MEMBERS_MAX) if chunk.startswith(MAGIC) else None
    while chunk:
        if gunzip is None:
            yield chunk
        else:
            yield from gunzip.feed(chunk)
        chunk = stream.read(_READ_BYTES)
    if gunzip is not None:
        gunzip.end()


def _behind(chunks: Iterator[bytes], since: int) -> Iterator[bytes]:
    for chunk in chunks:
        if since >= len(chunk):
            since -= len(chunk)
            continue
        yield chunk[since:]
        since = 0


def _whole(chunks: Iterator[bytes]) -> bytes:
    found: list[bytes] = []
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > DOCUMENT_BYTES_MAX:
            raise TooLarge(
                f"file: expected a document of at most {DOCUMENT_BYTES_MAX} bytes, unpacked, "
                "found more; split it, or write one event a line"
            )
        found.append(chunk)
    return found[0] if len(found) == 1 else b"".join(found)


def _of_lines(chunks: Iterator[bytes], at: int) -> Iterator[Piece]:
    """`at` is where the first chunk begins."""
    parts: list[bytes] = []
    waiting = 0
    for chunk in chunks:
        parts.append(chunk)
        waiting += len(chunk)
        cut = chunk.rfind(b"\n") + 1
        if cut == 0:
            if waiting > LINE_BYTES_MAX:
                raise TooLarge(
                    f"file: expected lines of at most {LINE_BYTES_MAX} bytes, found a longer one "
                    f"at byte {at}; is it one document, not one event a line?"
                )
            continue
        if waiting < PIECE_BYTES:
            continue
        rest = chunk[cut:]
        at += waiting - len(rest)
        parts[-1] = chunk[:cut]
        yield Piece(_lines(parts), at)
        parts, waiting = ([rest], len(rest)) if rest else ([], 0)
    if not waiting:
        return
    whole, newline, last = b"".join(parts).rpartition(b"\n")
    if not _is_torn(last):
        yield Piece(_lines(parts), at + waiting)
        return
    at += len(whole) + len(newline)
    if whole:
        yield Piece(_lines([whole]), at)
    raise Malformed(
        f"file: expected its last line to be whole, found it cut, at byte {at}; it is taken in "
        "once the rest of it is there"
    )


def _is_torn(line: bytes) -> bool:
    """Whether it is the beginning of a line that is still being written, or was never finished."""
    fault = _fault(line)
    if not line.strip() or not fault:
        return False
    # A number that was cut is none; whatever else is wrong with a line, more of it mends nothing.
    return any("truncated" in one for one in (fault, _fault(line.rstrip(_OF_NUMBERS))))


def _fault(line: bytes) -> str:
    """What is wrong with it as JSON; nothing where it is sound."""
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError) as error:
        return str(error)
    return ""


def _lines(parts: list[bytes]) -> list[bytes]:
    return [line for line in b"".join(parts).split(b"\n") if line.strip()]
