"""Subjects' keys as engines keep them: wrapped, each for its purpose."""

from __future__ import annotations

from typing import NamedTuple

from deploytrail.clock import Clock
from deploytrail.vault import keys
from deploytrail.vault.subject import KEY_BYTES, SUBJECT_BYTES, Subject, subject


class NewSubject(NamedTuple):
    """A subject that was just made, and its key as it is kept."""

    subject: Subject
    wrapped: bytes


def new_subject(wrapping_key: bytes, clock: Clock) -> NewSubject:
    id, key = clock.random(SUBJECT_BYTES), clock.random(KEY_BYTES)
    nonce = clock.random(keys.NONCE_BYTES)
    wrapped = keys.wrap(wrapping_key, key, purpose=b"subject" + id, nonce=nonce)
    return NewSubject(subject(id, key), wrapped)


def unwrap_subject(wrapping_key: bytes, id: bytes, wrapped: bytes) -> Subject:
    """Raises Tampered where its key does not open."""
    return subject(id, keys.unwrap(wrapping_key, wrapped, purpose=b"subject" + id))
