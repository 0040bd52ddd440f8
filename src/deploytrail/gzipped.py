"""Gzip from strangers (RFC 1952): unpacked a step at a time, and never more of it than is allowed.

Pure. A bomb is refused while it is unpacked: no more than a step beyond the limit is in memory.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from deploytrail.errors import Malformed, TooLarge

MEMBERS_MAX: Final = 1_024
"""Of one stream: each costs what it costs, however empty."""
MAGIC: Final = b"\x1f\x8b"
RATIO_MAX: Final = 250
"""How many times as large it may become: JSON packs to a tenth, and a bomb to a thousandth."""
_RATIO_FLOOR_BYTES: Final = 64 * 1024
"""So much is always allowed: a short text of one letter is no bomb."""
_STEP_BYTES: Final = 64 * 1024
_GZIP: Final = 31


class Gunzip:
    """Unpacks a stream as it comes, one member behind the other; `what` begins its refusals."""

    def __init__(self, what: str = "body", *, members_max: int = MEMBERS_MAX) -> None:
        self._what = what
        self._members_max = members_max
        self._member = zlib.decompressobj(_GZIP)
        self._members = 1
        self._has_begun = False

    def feed(self, octets: bytes) -> Iterator[bytes]:
        """Parts of at most 64 KiB. Raises Malformed, or TooLarge for too many members."""
        while octets:
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP)
                self._members += 1
                self._refuse_many()
            self._has_begun = True
            try:
                part = self._member.decompress(octets, _STEP_BYTES)
            except zlib.error as error:
                raise Malformed(
                    f"{self._what}: expected gzip, found other bytes ({error})"
                ) from None
            octets = self._member.unused_data or self._member.unconsumed_tail
            if part:
                yield part

    def end(self) -> None:
        """Raises Malformed where the stream is not whole."""
        if self._has_begun and not self._member.eof:
            raise Malformed(
                f"{self._what}: expected all of a gzip stream, found its beginning; send it all"
            )

    def _refuse_many(self) -> None:
        if self._members > self._members_max:
            raise TooLarge(
                f"{self._what}: expected at most {self._members_max} members of gzip, found more; "
                "pack it as one"
            )


def unpacked(octets: bytes, *, what: str, bytes_max: int) -> bytes:
    """All of a gzip stream.

    Raises Malformed, or TooLarge where more than `bytes_max` come out of it, or more than 250 times
    what went in.
    """
    stream = Gunzip(what)
    limit = min(bytes_max, max(_RATIO_FLOOR_BYTES, RATIO_MAX * len(octets)))
    parts: list[bytes] = []
    count = 0
    for part in _fed(stream, octets):
        count += len(part)
        if count > limit:
            raise TooLarge(
                f"{what}: expected at most {limit} bytes in {len(octets)} of gzip, found more; "
                "send it in several parts"
            )
        parts.append(part)
    stream.end()
    if not octets:
        raise Malformed(f"{what}: expected gzip, found nothing; send it all")
    return b"".join(parts)


def _fed(stream: Gunzip, octets: bytes) -> Iterator[bytes]:
    # In slices: what a step leaves over is copied, and of all at once it would be copied each time.
    for start in range(0, len(octets), _STEP_BYTES):
        yield from stream.feed(octets[start : start + _STEP_BYTES])
