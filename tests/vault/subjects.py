"""Subjects of the cast, as a keyring would give them."""

from __future__ import annotations

from collections.abc import Iterable

from deploytrail.vault.subject import Subject, subject


def subjects(identities: Iterable[str]) -> dict[str, Subject]:
    """One subject for each identity, always the same."""
    return {each: made(each) for each in identities}


def made(identity: str) -> Subject:
    octets = identity.encode()
    return subject(octets[:16].ljust(16, b"\x00"), (octets * 32)[:32])
