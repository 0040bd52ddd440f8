"""An attachment: evidence too large for an entry, encrypted under a key of its own.

Pure; random bytes are an argument. The entry names it by SHA-256 over a salt and the bytes; the
salt is sealed with them, so the digest can't be checked against a guess. Erased whole.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from deploytrail.entry import base64url
from deploytrail.errors import Tampered, TooLarge
from deploytrail.event import Evidence
from deploytrail.vault import keys

ID_BYTES: Final = 16
BYTES_MAX: Final = 64 * 1024 * 1024
RANDOM_BYTES: Final = ID_BYTES + 16 + 32 + 2 * keys.NONCE_BYTES
_VERSION: Final = b"\x01"


class SealedAttachment(NamedTuple):
    """What the vault keeps, and how the event names it."""

    id: bytes
    wrapped_key: bytes
    sealed: bytes
    evidence: Evidence


def seal(data: bytes, *, type: str, wrapping_key: bytes, random: bytes) -> SealedAttachment:
    """Seal `data` with `RANDOM_BYTES` random bytes; raises TooLarge over 64 MiB."""
    if len(data) > BYTES_MAX:
        raise TooLarge(f"attachment: expected at most {BYTES_MAX} bytes, found {len(data)}")
    # Few events carry one; a wrapped command waits for each import.
    from deploytrail.zstd import zstd

    id, salt, key = random[:16], random[16:32], random[32:64]
    wrap_nonce, nonce = random[64:76], random[76:88]
    wrapped = keys.wrap(wrapping_key, key, purpose=b"attachment" + id, nonce=wrap_nonce)
    sealed = _VERSION + nonce + AESGCM(key).encrypt(nonce, salt + zstd.compress(data), id)
    digest = "sha256:" + hashlib.sha256(salt + data).hexdigest()
    evidence = Evidence(id=base64url(id), type=type, size=len(data), digest=digest)
    return SealedAttachment(id, wrapped, sealed, evidence)


def unseal(
    id: bytes, wrapped_key: bytes, sealed: bytes, *, wrapping_key: bytes, digest: str
) -> bytes:
    """The bytes; raises Tampered where the seal is broken or the digest is another."""
    key = keys.unwrap(wrapping_key, wrapped_key, purpose=b"attachment" + id)
    try:
        inner = AESGCM(key).decrypt(sealed[1:13], sealed[13:], id)
    except (InvalidTag, ValueError):
        raise Tampered("attachment: the seal is broken; its bytes were changed") from None
    salt, data = inner[:16], _decompressed(inner[16:])
    if sealed[:1] != _VERSION or "sha256:" + hashlib.sha256(salt + data).hexdigest() != digest:
        raise Tampered("attachment: its digest is not the one that the entry names")
    return data


def _decompressed(packed: bytes) -> bytes:
    from deploytrail.zstd import zstd

    unpacking = zstd.ZstdDecompressor()
    octets = unpacking.decompress(packed, BYTES_MAX)
    if not unpacking.eof:
        raise Tampered(f"attachment: expected at most {BYTES_MAX} bytes")
    return octets
