"""The subject: the random pseudonym of one identity, and the keys derived for it.

Pure. Whoever holds `keys.db` can link subject and identity; the log alone can't.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from deploytrail.entry import base64url

SUBJECT_BYTES: Final = 16
KEY_BYTES: Final = 32


class Subject(NamedTuple):
    """One pseudonym with what is needed to conceal under it."""

    id: bytes
    name: str
    """`id` in base64url: 22 characters, as entries write it."""
    salt_key: bytes
    cipher: AESGCM


def subject(id: bytes, key: bytes) -> Subject:
    """The subject `id`, from its 32-byte key: K_salt and K_enc by HKDF-Expand (RFC 5869 §2.3).

    The key is random and uniform, so the extract step has nothing to do.
    """
    return Subject(id, base64url(id), derived(key, b"salt"), AESGCM(derived(key, b"enc")))


def derived(key: bytes, purpose: bytes) -> bytes:
    """Another key for one purpose: HKDF-Expand of a random and uniform key."""
    return HKDFExpand(algorithm=SHA256(), length=KEY_BYTES, info=b"deploytrail/" + purpose).derive(
        key
    )
