"""A disclosure: the concealed fields of one block, salted, and sealed for the vault.

Pure, and without randomness: the same block of the same subject gives the same bytes. The encoding
is that of RFC 9901 §4.2: base64url of the JSON array `[salt, name, value]`, where the name is the
JSON Pointer of the block and the value the object of its concealed fields. Its SHA-256 stands in
the entry. Only name and value are sealed: salt and nonce are made again from what is at hand
(docs/decisions/0006-what-is-not-stored.md).
"""

from __future__ import annotations

import hashlib
from typing import Any, Final, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag

from deploytrail import canonical
from deploytrail.entry import base64url, keyed_hash
from deploytrail.errors import Tampered
from deploytrail.vault.subject import Subject

VERSION: Final = b"\x01"
_KEY_DIGEST_BYTES: Final = 12
_NONCE_BYTES: Final = 12
_SALT_BYTES: Final = 16


class Disclosure(NamedTuple):
    """`digest` is SHA-256 over the ASCII of the base64url text of `json`.

    `named` is the pointer, a zero byte and the value: what is salted, and what is sealed.
    `listed` is the digest in base64url, as an entry's `_sd` lists it.
    """

    digest: bytes
    named: bytes
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
    return _salted(subject, pointer.encode("ascii") + b"\x00" + value)


def _salted(subject: Subject, named: bytes) -> Disclosure:
    salt = keyed_hash(subject.salt_key, named)[:_SALT_BYTES]
    name, _, value = named.partition(b"\x00")
    octets = b'["' + base64url(salt).encode("ascii") + b'","' + name + b'",' + value + b"]"
    found = digest(octets)
    return Disclosure(found, named, octets, base64url(found))


def key_of(subject: bytes, digest: bytes) -> bytes:
    """The name under which the vault keeps a disclosure: whose it is, and which of theirs.

    What belongs to one person stands together, so that erasing it reads nothing else.
    """
    return subject + digest[:_KEY_DIGEST_BYTES]


def digest(octets: bytes) -> bytes:
    """SHA-256 of the base64url text of a disclosure's JSON (RFC 9901 §4.2.3)."""
    return hashlib.sha256(base64url(octets).encode("ascii")).digest()


def seal(subject: Subject, found: Disclosure, *, origin: str) -> bytes:
    """version ‖ AES-256-GCM(K_enc, digest[:12], named, aad = origin ‖ 0 ‖ subject ‖ digest).

    The digest is a nonce that no other text of this subject has: it covers the text, and a salt
    that only the subject's key can make, so nobody can look for two with the same twelve bytes.
    """
    aad = origin.encode("utf-8") + b"\x00" + subject.id + found.digest
    return VERSION + subject.cipher.encrypt(found.digest[:_NONCE_BYTES], found.named, aad)


def unseal(subject: Subject, sealed: bytes, *, origin: str, digest_expected: bytes) -> bytes:
    """The disclosure's JSON; raises Tampered where seal, digest, subject or origin don't fit."""
    named = unsealed(subject, sealed, origin=origin, digest_expected=digest_expected)
    found = _salted(subject, named)
    if found.digest != digest_expected:
        raise Tampered("disclosure: its digest is not the one that the entry names")
    return found.json


def unsealed(subject: Subject, sealed: bytes, *, origin: str, digest_expected: bytes) -> bytes:
    """What was sealed: pointer ‖ 0 ‖ value; raises Tampered where seal, subject or origin differ.

    Whoever had the subject's key sealed it for this digest. That the digest is made of it, which
    takes three times as long to find out, is for whoever shows or proves it: `unseal`.
    """
    aad = origin.encode("utf-8") + b"\x00" + subject.id + digest_expected
    if sealed[:1] != VERSION:
        raise Tampered(f"disclosure: expected version 1, found {sealed[:1].hex() or 'nothing'}")
    try:
        named = subject.cipher.decrypt(digest_expected[:_NONCE_BYTES], sealed[1:], aad)
    except (InvalidTag, ValueError):
        raise Tampered("disclosure: the seal is broken; its bytes were changed") from None
    return named


def opened(octets: bytes) -> Opened:
    """A disclosure's JSON, read; raises Tampered where it is not `[salt, name, object]`."""
    try:
        _, pointer, value = msgspec.json.decode(octets, type=tuple[str, str, dict[str, Any]])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Tampered("disclosure: expected [salt, name, object]") from None
    return Opened(pointer, value)


def canonical_value(value: dict[str, Any]) -> bytes:
    """A block's concealed fields as `disclosure` wants them."""
    return canonical.encode_checked(value)
