"""Where a page ended, as text for whoever asks for the next one: bound to what was asked.

Pure. A cursor is no secret and grants nothing: it only says from where on to look.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Final, NamedTuple

from deploytrail.entry import base64url, unbase64url
from deploytrail.errors import DeploytrailError, Malformed
from deploytrail.index.contract import NAME, VERSION, Position

_layout: Final = struct.Struct(">qqQ")
_DIGEST_BYTES: Final = 12
_CHARACTERS_MAX: Final = 100


class Cursor(NamedTuple):
    """Behind which event to go on, and what time it was when the first page was asked for.

    What is relative (`since:7d`) stays what it was there, so that pages fit together.
    """

    position: Position
    now: int


def encode(cursor: Cursor, asked: str) -> str:
    """`asked` is everything that the answer depends on."""
    octets = _layout.pack(*cursor.position[:1], cursor.now, cursor.position.at)
    return base64url(octets + _digest(octets, asked))


def decode(text: str, asked: str) -> Cursor:
    """Raises Malformed for what is no cursor, or one of another query."""
    try:
        octets = unbase64url(text) if len(text) <= _CHARACTERS_MAX else b""
    except DeploytrailError:
        octets = b""
    if len(octets) != _layout.size + _DIGEST_BYTES:
        raise Malformed(
            f"cursor: expected one that a page gave as its next, found {text[:60]!r}; "
            "begin without one"
        )
    body, digest = octets[: _layout.size], octets[_layout.size :]
    if digest != _digest(body, asked):
        raise Malformed(
            "cursor: expected one of this query, order and scope, found one of another; "
            "begin without one"
        )
    time, now, at = _layout.unpack(body)
    return Cursor(Position(time, at), now)


def _digest(octets: bytes, asked: str) -> bytes:
    whole = f"{NAME}/{VERSION}\0{asked}\0".encode("utf-8", "surrogatepass") + octets
    return hashlib.sha256(whole).digest()[:_DIGEST_BYTES]
