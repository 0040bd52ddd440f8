"""The keys of a trail: what they are, how they are wrapped, and what a keyring promises.

Pure but for the contract. One wrapping key of 32 bytes, kept away from the data, protects
everything else; wrapping anew changes none of the keys inside.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from deploytrail.errors import Misconfigured, Tampered
from deploytrail.vault.subject import KEY_BYTES, Subject, derived

NONCE_BYTES: Final = 12
_LOOKUP_BYTES: Final = 16


class Secrets(NamedTuple):
    """The random keys of a trail, 32 bytes each, made once by `init`."""

    checkpoint: bytes
    """Ed25519 seed that signs checkpoints."""
    cosignature: bytes
    """Ed25519 seed of the log's own timestamped cosignature."""
    lookup: bytes
    """K_lookup: finds an identity's subject without storing the identity."""
    body: bytes
    """K_body: hashes the bytes of deliveries."""
    fingerprint: bytes
    """K_fp: from it each project's key for fingerprints of dropped secrets."""
    attachment: bytes
    """Wraps the keys of attachments."""


class SubjectRow(NamedTuple):
    """A subject as it is kept: how its identity finds it, its id, and its key, wrapped."""

    lookup: bytes
    id: bytes
    wrapped: bytes


class Keyring(Protocol):
    """The secrets of one trail and the keys of its subjects.

    `subjects` returns a subject for every identity asked for, making those that are new; what it
    returns is durable, so that no entry can name a subject whose key is lost in a crash. Two
    processes that ask at once for one identity get the same subject. `subject` finds one by its
    16-byte id, and None once it was erased. Raises Busy, DiskFull, and Tampered where a key does
    not unwrap. Not safe for use from several threads.
    """

    @property
    def secrets(self) -> Secrets: ...
    def subjects(self, identities: Iterable[str]) -> dict[str, Subject]: ...
    def subject(self, id: bytes) -> Subject | None: ...
    def erase(self, id: bytes) -> None:
        """Delete a subject's key, durably and from the disk; its disclosures are then noise."""
        ...

    def forget(self) -> None:
        """Drop what is remembered, because another process may have erased a subject."""
        ...

    def identities_checked(self) -> int:
        """Unwrap every key; how many there are. Raises Tampered at the first that is broken."""
        ...

    def wrapped_secrets(self) -> dict[str, bytes]:
        """The secrets as they are kept: by name, wrapped. `unwrap_secrets` reads them."""
        ...

    def subject_rows(self, *, after: bytes = b"", count: int) -> list[SubjectRow]:
        """The next `count` subjects whose lookup is above `after`, ascending by its bytes."""
        ...

    def put_subject_rows(self, rows: Iterable[SubjectRow]) -> None:
        """Keep subjects that came from `subject_rows`, durably; those that are known stay."""
        ...

    def close(self) -> None: ...


def new_secrets(random: bytes) -> Secrets:
    """Secrets from 192 random bytes."""
    starts = range(0, KEY_BYTES * len(Secrets._fields), KEY_BYTES)
    return Secrets(*(random[at : at + KEY_BYTES] for at in starts))


def lookup(secrets: Secrets, identity: str) -> bytes:
    """HMAC(K_lookup, identity)[:16]: the same identity is found again, and can't be read off."""
    return hmac.digest(secrets.lookup, identity.encode("utf-8"), "sha256")[:_LOOKUP_BYTES]


def project_fingerprint_key(secrets: Secrets, project: str) -> bytes:
    """HKDF(K_fp, project): the key of one project's fingerprints.

    A remote wrapper is handed this one only.
    """
    return derived(secrets.fingerprint, b"fingerprint/" + project.encode("utf-8"))


def spool_secret(secrets: Secrets) -> bytes:
    """The X25519 key that opens what runs sealed to this trail; none of `keys.db` has to change."""
    return derived(secrets.fingerprint, b"spool v1")


def backup_key(secrets: Secrets) -> bytes:
    """What seals backups: whoever may write the place where they lie has not got it."""
    return derived(secrets.fingerprint, b"backup")


def wrap_secrets(key: bytes, secrets: Secrets, random: Callable[[int], bytes]) -> dict[str, bytes]:
    """Each under its name, so that none can stand for another."""
    return {
        name: wrap(key, secret, purpose=_purpose(name), nonce=random(NONCE_BYTES))
        for name, secret in secrets._asdict().items()
    }


def unwrap_secrets(key: bytes, wrapped: Mapping[str, bytes], *, whence: str) -> Secrets:
    """The reverse of `wrap_secrets`; raises Tampered, also for one too many or too few."""
    if wrapped.keys() != set(Secrets._fields):
        names = ", ".join(Secrets._fields)
        raise Tampered(f"{whence}: expected {names}, found {sorted(wrapped)}")
    opened = {name: unwrap(key, one, purpose=_purpose(name)) for name, one in wrapped.items()}
    return Secrets(**opened)


def _purpose(name: str) -> bytes:
    return b"secret " + name.encode("ascii", "replace")


def wrap(key: bytes, plain: bytes, *, purpose: bytes, nonce: bytes) -> bytes:
    """nonce ‖ AES-256-GCM(key, plain, aad = purpose)."""
    return nonce + AESGCM(key).encrypt(nonce, plain, purpose)


def unwrap(key: bytes, wrapped: bytes, *, purpose: bytes) -> bytes:
    """The reverse of `wrap`; raises Tampered for another key, purpose, or a changed byte."""
    try:
        return AESGCM(key).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], purpose)
    except (InvalidTag, ValueError):
        name = _named(purpose)
        raise Tampered(
            f"{name}: does not open under this trail's key; either the key is another trail's, or "
            "its bytes were changed"
        ) from None


def _named(purpose: bytes) -> str:
    """A purpose as people read it: words, and perhaps an id of 16 bytes behind them."""
    words, id = purpose, b""
    if purpose.startswith((b"subject", b"attachment")):
        words, id = purpose[:-16], purpose[-16:]
    return f"{words.decode('ascii', 'replace')} {id.hex()}".strip()


def wrapping_key(octets: bytes, *, whence: str) -> bytes:
    """32 bytes, raw or as 64 hex digits with an optional newline; raises Misconfigured."""
    if len(octets) == KEY_BYTES:
        return octets
    text = octets.strip()
    if len(text) == 2 * KEY_BYTES and all(digit in b"0123456789abcdefABCDEF" for digit in text):
        return bytes.fromhex(text.decode("ascii"))
    raise Misconfigured(
        f"{whence}: expected a key of 32 bytes, raw or as 64 hex digits, found {len(octets)} bytes"
    )
