"""The lines of a spool: one header, then events and their attachments, each signed and counted.

    {"deploytrail_spool":1,"key":"…","run":"…","made":"…"} SIGNATURE
    {"n":1,"prev":"…","body":{…}} SIGNATURE

A line is JSON, a blank, the Ed25519 signature over that JSON in base64, and a line end. `prev` is
the SHA-256 of the line before, without its end: order and gaps can be proven by the public key in
the header, whose own hash is the spool's id. docs/spool.md has the whole of it. Pure.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from binascii import Error as NoBase64
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from deploytrail.errors import Malformed, Tampered

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

LINE_BYTES_MAX: Final = 6 * 1024 * 1024
"""Of one line; an attachment may be 256 KB and an event 64 KB, both in base64 twice over."""
SEED_BYTES: Final = 32
_SIGNED: Final = b"deploytrail spool v1\n"
_SIGNATURE_CHARACTERS: Final = 88
_ID_BYTES: Final = 16
_BEGIN: Final = b'{"deploytrail_spool":'


class Header(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The first line: whose key signs, which run it is, when it began, and for which trail.

    `sealed_to` is the key to which the bodies of all lines are sealed, in the form of `spool.seal`.
    """

    deploytrail_spool: Literal[1]
    key: str
    run: str
    made: str
    trail: str | None = None
    sealed_to: str | None = None


class Line(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Any other line. Its body, clear or sealed, is an event, or an attachment of a later one.

    `of` is the counter of the event to which an attachment belongs; `last` says that its run has
    nothing more to tell.
    """

    n: int
    prev: str
    of: int | None = None
    last: bool = False
    body: Raw | UnsetType = UNSET
    sealed: str | None = None


class Spooled(NamedTuple):
    """A line whose signature was checked. `octets` is the line without its end."""

    counter: int
    octets: bytes
    prev: str
    of: int | None
    is_last: bool
    body: bytes | None
    sealed: bytes | None


class Opened(NamedTuple):
    """A header whose signature was checked, and the id of its spool."""

    header: Header
    id: str
    octets: bytes
    key: Ed25519PublicKey


class Signer:
    """Writes the lines of one spool. Its key is never written anywhere: it ends with its process.

    So nobody can add to a spool, or change it, once its run is over.
    """

    def __init__(self, seed: bytes) -> None:
        # Who only drains signs nothing, and a wrapped command waits for each import.
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self._key: Ed25519PrivateKey = Ed25519PrivateKey.from_private_bytes(seed)
        self._counter = 0
        self._prev = b""

    def header(
        self, *, run: str, made: str, trail: str | None = None, sealed_to: str | None = None
    ) -> bytes:
        """The first line, with its end."""
        written = Header(
            deploytrail_spool=1,
            key=b64encode(self._key.public_key().public_bytes_raw()).decode(),
            run=run,
            made=made,
            trail=trail,
            sealed_to=sealed_to,
        )
        return self._signed(written)

    def line(
        self,
        body: bytes | None,
        *,
        sealed: bytes | None = None,
        of: int | None = None,
        is_last: bool = False,
    ) -> bytes:
        """The next line, with its end; `body` is JSON on one line, None where it is sealed."""
        self._counter += 1
        written = Line(
            n=self._counter,
            prev=b64encode(self._prev).decode(),
            of=of,
            last=is_last,
            body=UNSET if body is None else Raw(body),
            sealed=None if sealed is None else b64encode(sealed).decode(),
        )
        return self._signed(written)

    @property
    def counter(self) -> int:
        """Of the newest line, 0 before the first."""
        return self._counter

    def _signed(self, written: Header | Line) -> bytes:
        text = msgspec.json.encode(written)
        octets = text + b" " + b64encode(self._key.sign(_SIGNED + text))
        self._prev = hashlib.sha256(octets).digest()
        return octets + b"\n"


def spool_id(header: bytes) -> str:
    """32 hex digits of the header's hash, which holds the key: nobody else can sign under it."""
    return hashlib.sha256(header).digest()[:_ID_BYTES].hex()


def delivery(spool: str, counter: int) -> str:
    """`source.delivery` of the event in that line: drained twice, it stands in the log once."""
    return f"spool:{spool}:{counter}"


def is_spool(beginning: bytes) -> bool:
    """Whether bytes begin as a spool does."""
    return beginning.startswith(_BEGIN)


def link(octets: bytes) -> str:
    """What the line behind this one has in `prev`."""
    return b64encode(hashlib.sha256(octets).digest()).decode()


def opened(octets: bytes) -> Opened:
    """The header of a spool, without its end; raises Malformed, and Tampered for its signature."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    text, signature = _parted(octets, "header")
    try:
        header = msgspec.json.decode(text, type=Header)
        key = Ed25519PublicKey.from_public_bytes(b64decode(header.key, validate=True))
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise Malformed(f"spool: expected a header of ours, found another: {error}"[:300]) from None
    _check(key, text, signature, "header")
    return Opened(header, spool_id(octets), octets, key)


def spooled(octets: bytes, key: Ed25519PublicKey, *, at: int) -> Spooled:
    """A line without its end, `at` its number in the file for what is told.

    Raises Malformed, and Tampered for its signature.
    """
    text, signature = _parted(octets, f"line {at}")
    _check(key, text, signature, f"line {at}")
    try:
        read = msgspec.json.decode(text, type=Line)
        sealed = None if read.sealed is None else b64decode(read.sealed, validate=True)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise Malformed(f"spool: line {at}: expected a line of ours; {error}"[:300]) from None
    body = None if isinstance(read.body, UnsetType) else bytes(read.body)
    if (body is None) == (sealed is None) or not 1 <= read.n < 2**53:
        raise Malformed(f"spool: line {at}: expected a body, clear or sealed, and a counter")
    return Spooled(read.n, octets, read.prev, read.of, read.last, body, sealed)


def _parted(octets: bytes, what: str) -> tuple[bytes, bytes]:
    if len(octets) > LINE_BYTES_MAX:
        raise Malformed(f"spool: {what}: expected at most {LINE_BYTES_MAX} bytes, found more")
    text, _, written = octets.rpartition(b" ")
    try:
        signature = b64decode(written, validate=True)
    except (NoBase64, ValueError):
        signature = b""
    if not text or len(written) != _SIGNATURE_CHARACTERS or len(signature) != 64:
        raise Malformed(f"spool: {what}: expected JSON and its signature behind a blank")
    return text, signature


def _check(key: Ed25519PublicKey, text: bytes, signature: bytes, what: str) -> None:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, _SIGNED + text)
    except InvalidSignature:
        raise Tampered(
            f"spool: {what}: its signature doesn't fit: it was changed after it was written"
        ) from None
