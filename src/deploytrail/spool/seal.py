"""Sealing a spool's lines to a trail: HPKE, base mode (RFC 9180), each line by itself.

DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305; the ciphertext is `enc` and `ct`. Whoever
wrote a line can't read it again: only the trail whose key it is can. Pure but for the fresh key
that HPKE makes for each line.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Final, NamedTuple

from deploytrail.errors import Malformed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hpke import Suite

_KEY_BYTES: Final = 32
_PREFIX: Final = "dt-spool-key:"
_INFO: Final = b"deploytrail spool v1\0"


class SpoolKey(NamedTuple):
    """A trail's public key for spools, and which trail's it is."""

    origin: str
    public: bytes

    def __str__(self) -> str:
        return f"{_PREFIX}{self.origin}+{b64encode(self.public).decode()}"


def spool_key(text: str) -> SpoolKey:
    """`dt-spool-key:ORIGIN+BASE64`; raises Malformed."""
    origin, plus, written = text.strip().removeprefix(_PREFIX).partition("+")
    try:
        public = b64decode(written, validate=True)
    except ValueError:
        public = b""
    if not text.strip().startswith(_PREFIX) or not plus or not origin or len(public) != _KEY_BYTES:
        raise Malformed(
            f"spool key: expected {_PREFIX}ORIGIN+KEY as 'deploytrail spool key' prints it, "
            f"found {text[:60]!a}"
        )
    return SpoolKey(origin, public)


def public_key(origin: str, private: bytes) -> SpoolKey:
    """What is handed out of a trail's private key, 32 bytes."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    key = X25519PrivateKey.from_private_bytes(private)
    return SpoolKey(origin, key.public_key().public_bytes_raw())


def seal(body: bytes, key: SpoolKey, *, spool: str, counter: int) -> bytes:
    """A body that opens in its own spool and line alone."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    public = X25519PublicKey.from_public_bytes(key.public)
    return suite().encrypt(body, public, info=_info(key.origin, spool, counter))


def unseal(sealed: bytes, private: bytes, *, origin: str, spool: str, counter: int) -> bytes:
    """The reverse of `seal`; raises Malformed for what was sealed elsewhere, or changed."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    key = X25519PrivateKey.from_private_bytes(private)
    try:
        return suite().decrypt(sealed, key, info=_info(origin, spool, counter))
    except (InvalidTag, ValueError):
        raise Malformed(
            f"spool: line {counter}: expected what was sealed to {origin}, found what doesn't open "
            "with its key; import it into the trail to which it was sealed"
        ) from None


def suite() -> Suite:
    """The one suite of ours, by numbers 0x0020, 0x0001, 0x0003 of RFC 9180 §7."""
    # Only where a key is configured, and a wrapped command waits for each import.
    from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def _info(origin: str, spool: str, counter: int) -> bytes:
    return _INFO + f"{origin}\0{spool}\0{counter}".encode()
