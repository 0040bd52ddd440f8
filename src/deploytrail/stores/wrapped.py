"""A trail's secrets and its subjects' keys as engines keep them: wrapped, each for its purpose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from deploytrail.clock import Clock
from deploytrail.errors import Tampered
from deploytrail.vault import keys
from deploytrail.vault.keys import Secrets
from deploytrail.vault.subject import KEY_BYTES, SUBJECT_BYTES, Subject, subject


class NewSubject(NamedTuple):
    """A subject that was just made, and its key as it is kept."""

    subject: Subject
    wrapped: bytes


def wrap_secrets(secrets: Secrets, wrapping_key: bytes, clock: Clock) -> dict[str, bytes]:
    """By name."""
    return {
        name: keys.wrap(
            wrapping_key, secret, purpose=_purpose(name), nonce=clock.random(keys.NONCE_BYTES)
        )
        for name, secret in secrets._asdict().items()
    }


def unwrap_secrets(rows: Mapping[str, bytes], wrapping_key: bytes, where: str) -> Secrets:
    """The reverse; raises Tampered where one is missing, is too many, or does not open."""
    if rows.keys() != set(Secrets._fields):
        raise Tampered(f"{where}: expected {', '.join(Secrets._fields)}, found {sorted(rows)}")
    opened = {
        name: keys.unwrap(wrapping_key, wrapped, purpose=_purpose(name))
        for name, wrapped in rows.items()
    }
    return Secrets(**opened)


def new_subject(wrapping_key: bytes, clock: Clock) -> NewSubject:
    id, key = clock.random(SUBJECT_BYTES), clock.random(KEY_BYTES)
    nonce = clock.random(keys.NONCE_BYTES)
    wrapped = keys.wrap(wrapping_key, key, purpose=b"subject" + id, nonce=nonce)
    return NewSubject(subject(id, key), wrapped)


def unwrap_subject(wrapping_key: bytes, id: bytes, wrapped: bytes) -> Subject:
    """Raises Tampered where its key does not open."""
    return subject(id, keys.unwrap(wrapping_key, wrapped, purpose=b"subject" + id))


def _purpose(name: str) -> bytes:
    return b"secret " + name.encode("ascii")
