"""The entry: the bytes of an event in the log, and the names by which a delivery is known.

Values only (LOG.md, "Entry"). An entry is canonical JSON. It adds to the event `v`, `origin`,
`nonce`, `logged`, `subjects` and `_sd`, and lacks what was concealed. `logged` always has exactly
27 characters, so that it is set last, under the writer's lock, without encoding again.
"""

from __future__ import annotations

import hashlib
import re
from binascii import a2b_base64, b2a_base64
from functools import lru_cache
from typing import Annotated, Any, Final

import msgspec

from deploytrail.errors import Malformed
from deploytrail.event import EventId

FORMAT: Final = 1
"""`v`: the version of the entry's own fields."""
ENTRY_BYTES_MAX: Final = 60_000
"""A C2SP entry has at most 65,535 bytes; the rest is room for formats to come."""
UNSTAMPED: Final = "0000-00-00T00:00:00.000000Z"
"""What stands for `logged` until the log sets it."""

BODY_BYTES: Final = 8

_LOGGED: Final = b'"logged":"'
_LOGGED_LENGTH: Final = len(UNSTAMPED)
_URLSAFE: Final = bytes.maketrans(b"+/", b"-_")
_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_SHA256_BLOCK_BYTES: Final = 64

_values = msgspec.json.Decoder(dict[str, Any])
_is_uuid: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch


class _Delivered(msgspec.Struct):
    """What of an entry's source names its delivery."""

    tool: str
    instance: str
    delivery: str | None = None
    part: Annotated[int, msgspec.Meta(ge=0, lt=2**53)] = 0


def stamp_offset(entry: bytes) -> int:
    """Where the 27 characters of `logged` begin.

    The first match is the field itself: inside a string each quote has a backslash before it,
    and no block of an event has a field of this name.
    """
    return entry.index(_LOGGED) + len(_LOGGED)


def stamped(entry: bytes, offset: int, logged: bytes) -> bytes:
    """The entry with its `logged` set; `logged` has exactly 27 bytes."""
    return entry[:offset] + logged + entry[offset + _LOGGED_LENGTH :]


def logged_of(entry: bytes) -> str:
    """When the log took the entry: 27 characters."""
    offset = stamp_offset(entry)
    return entry[offset : offset + _LOGGED_LENGTH].decode("ascii")


def fields(entry: bytes) -> dict[str, Any]:
    """An entry as a dict; raises Malformed for bytes that are no entry of a format we know."""
    try:
        found = _values.decode(entry)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"entry: expected canonical JSON; {error}") from None
    if found.get("v") != FORMAT:
        raise Malformed(
            f"entry.v: expected {FORMAT}, found {found.get('v')!r}; a newer Deploytrail wrote it"
        )
    return found


def delivery_key(
    *, tool: str, instance: str, delivery: str | None, part: int, id: EventId
) -> bytes:
    """By what a delivery is known again: 16 bytes, or 20 where the sender gives it no id.

    With an id: SHA-256 over length-prefixed tool, instance, delivery and part. Without: the
    event's UUIDv7 and four bytes of the hash of (tool, instance), so that keys stay time-ordered
    and nobody can claim an id in another instance's name.
    """
    whose, short = _whose(tool, instance)
    if delivery is not None:
        return hashlib.sha256(whose + _prefixed(delivery) + part.to_bytes(8, "big")).digest()[:16]
    return bytes.fromhex(id.replace("-", "")) + short


@lru_cache(maxsize=1024)
def _whose(tool: str, instance: str) -> tuple[bytes, bytes]:
    """Tool and instance, length-prefixed, and four bytes of their hash."""
    whose = _prefixed(tool) + _prefixed(instance)
    return whose, hashlib.sha256(whose).digest()[:4]


def key_of(found: dict[str, Any]) -> bytes:
    """The delivery key of an entry's fields; the same as when it was appended.

    Raises Malformed for fields that no entry of ours has.
    """
    try:
        source = msgspec.convert(found.get("source"), _Delivered)
    except msgspec.ValidationError as error:
        raise Malformed(f"entry.source: expected a delivery; {error}") from None
    id = found.get("id")
    if not isinstance(id, str) or _is_uuid(id) is None:
        raise Malformed("entry.id: expected a UUID")
    return delivery_key(
        tool=source.tool,
        instance=source.instance,
        delivery=source.delivery,
        part=source.part,
        id=EventId(id),
    )


def body_hash(key: bytes, body: bytes) -> bytes:
    """HMAC-SHA256(K_body, bytes of the part)[:8]: equal bodies show, guesses can't be checked.

    Nobody without the key can look for two that agree, so eight bytes are enough: whoever hits
    one of 2^64 by chance is told that his repeat was known.
    """
    return keyed_hash(key, body)[:BODY_BYTES]


def keyed_hash(key: bytes, octets: bytes) -> bytes:
    """HMAC-SHA256. Unlike `hmac.digest` it never lets go of the interpreter for a short text: where
    several threads compute, each call then waited for its turn, for up to a millisecond.
    """
    begun_inner, begun_outer = _halves(key)
    inner, outer = begun_inner.copy(), begun_outer.copy()
    inner.update(octets)
    outer.update(inner.digest())
    return outer.digest()


@lru_cache(maxsize=8_192)
def _halves(key: bytes) -> tuple[hashlib._Hash, hashlib._Hash]:
    """HMAC's two hashes with their half of the key taken in: 2.0 µs a body against 3.1."""
    if len(key) > _SHA256_BLOCK_BYTES:
        key = hashlib.sha256(key).digest()
    padded = key.ljust(_SHA256_BLOCK_BYTES, b"\x00")
    inner = hashlib.sha256(bytes(octet ^ 0x36 for octet in padded))
    outer = hashlib.sha256(bytes(octet ^ 0x5C for octet in padded))
    return inner, outer


def base64url(octets: bytes) -> str:
    """Base64 with `-` and `_` and without padding (RFC 4648 §5)."""
    text = b2a_base64(octets, newline=False).translate(_URLSAFE).decode("ascii")
    return text.rstrip("=") if len(octets) % 3 else text


def unbase64url(text: str) -> bytes:
    """The reverse of `base64url`; raises Malformed for anything it would not have written."""
    try:
        octets = a2b_base64(text.encode("ascii").translate(_STANDARD) + b"=" * (-len(text) % 4))
    except (ValueError, UnicodeEncodeError):
        octets = b""
    if base64url(octets) != text:
        raise Malformed(f"{text[:60]!r}: expected base64url without padding")
    return octets


def _prefixed(text: str) -> bytes:
    octets = text.encode("utf-8")
    return len(octets).to_bytes(4, "big") + octets
