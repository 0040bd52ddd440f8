"""A disclosure: the concealed fields of one block, salted, and sealed for the vault.

Pure; randomness is an argument. The encoding is that of RFC 9901 §4.2: base64url of the JSON array
`[salt, name, value]`, where the name is the JSON Pointer of the block and the value the object of
its concealed fields. Its SHA-256 stands in the entry. What is sealed is the JSON, not its base64,
which says the same in three quarters of the room.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, Final, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag

from deploytrail import canonical
from deploytrail.entry import base64url
from deploytrail.errors import Tampered
from deploytrail.vault.subject import Subject

VERSION: Final = b"\x01"
NONCE_BYTES: Final = 12
_SALT_BYTES: Final = 16


class Disclosure(NamedTuple):
    """`digest` is SHA-256 over the ASCII of the base64url text of `json`.

    `listed` is the digest in base64url, as an entry's `_sd` lists it.
    """

    digest: bytes
    json: bytes
    listed: str


class Opened(NamedTuple):
    """A disclosure read back: the block's pointer and its concealed fields."""

    pointer: str
    value: dict[str, Any]


def disclosure(subject: Subject, pointer: str, value: bytes) -> Disclosure:
    """The disclosure of a block's canonical JSON `value`.

    The salt is HMAC(K_salt, pointer ‖ 0 ‖ value)[:16]: equal values of one subject give one
    disclosure that is stored once, and without the subject's key no value can be guessed.
    """
    name = pointer.encode("ascii")
    salt = hmac.digest(subject.salt_key, name + b"\x00" + value, "sha256")[:_SALT_BYTES]
    octets = b'["' + base64url(salt).encode("ascii") + b'","' + name + b'",' + value + b"]"
    found = digest(octets)
    return Disclosure(found, octets, base64url(found))


def digest(octets: bytes) -> bytes:
    """SHA-256 of the base64url text of a disclosure's JSON (RFC 9901 §4.2.3)."""
    return hashlib.sha256(base64url(octets).encode("ascii")).digest()


def seal(subject: Subject, found: Disclosure, *, origin: str, nonce: bytes) -> bytes:
    """version ‖ nonce ‖ AES-256-GCM(K_enc, json, aad = origin ‖ 0 ‖ subject ‖ digest)."""
    aad = origin.encode("utf-8") + b"\x00" + subject.id + found.digest
    return VERSION + nonce + subject.cipher.encrypt(nonce, found.json, aad)


def unseal(subject: Subject, sealed: bytes, *, origin: str, digest_expected: bytes) -> bytes:
    """The disclosure's JSON; raises Tampered where seal, digest, subject or origin don't fit."""
    aad = origin.encode("utf-8") + b"\x00" + subject.id + digest_expected
    if sealed[:1] != VERSION:
        raise Tampered(f"disclosure: expected version 1, found {sealed[:1].hex() or 'nothing'}")
    nonce, box = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    try:
        octets = subject.cipher.decrypt(nonce, box, aad)
    except (InvalidTag, ValueError):
        raise Tampered("disclosure: the seal is broken; its bytes were changed") from None
    if digest(octets) != digest_expected:
        raise Tampered("disclosure: its digest is not the one that the entry names")
    return octets


def opened(octets: bytes) -> Opened:
    """A disclosure's JSON, read; raises Tampered where it is not `[salt, name, object]`."""
    try:
        _, pointer, value = msgspec.json.decode(octets, type=tuple[str, str, dict[str, Any]])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Tampered("disclosure: expected [salt, name, object]") from None
    return Opened(pointer, value)


def canonical_value(value: dict[str, Any]) -> bytes:
    """A block's concealed fields as `disclosure` wants them."""
    return canonical.encode_checked(value)
