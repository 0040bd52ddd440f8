"""Entries of random events, as the log and the vault have them, for an index to take in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, NamedTuple

from deploytrail import entry
from deploytrail.clock import rfc3339
from deploytrail.entry import unbase64url
from deploytrail.event import Event
from deploytrail.follow.view import Read
from deploytrail.vault.conceal import Concealer, identities
from deploytrail.vault.subject import Subject, subject
from tests.fakes import NOON
from tests.query.filters import PERSONS, shown

ORIGIN = "deploytrail.test/index/1"
_CONCEALER = Concealer(origin=ORIGIN, body_key=bytes(32))
_KNOWN = {id: unbase64url(pseudonym) for id, _, pseudonym in PERSONS}


class Logged(NamedTuple):
    """A log in memory: entries, their events as readers see them, and disclosures by digest."""

    entries: list[bytes]
    shown: list[dict[str, Any]]
    disclosures: dict[bytes, bytes]

    def read(self, first: int, until: int) -> Read:
        octets = self.entries[first:until]
        return Read(
            first, octets, [entry.fields(one) for one in octets], lambda _: self.disclosures
        )


def logged(events: Iterable[Event]) -> Logged:
    """A log of these events, one a second from noon on."""
    found = Logged([], [], {})
    for index, event in enumerate(events):
        moment = NOON + timedelta(seconds=index)
        concealed = _CONCEALER.conceal(
            event,
            body=b"",
            observed=rfc3339(moment),
            nonce=index.to_bytes(16, "big"),
            subjects={one: _subject(one) for one in identities(event)},
        )
        stamp = rfc3339(moment).encode()
        found.entries.append(entry.stamped(concealed.entry, concealed.stamp_offset, stamp))
        found.disclosures.update((made.digest, made.named) for _, made in concealed.disclosures)
        plain = shown(event, index=index, logged=moment)
        found.shown.append({"observed": rfc3339(moment), **plain})
    return found


def _subject(identity: str) -> Subject:
    id = _KNOWN.get(identity) or hashlib.sha256(identity.encode()).digest()[:16]
    return subject(id, hashlib.sha256(id).digest())


def subject_name(identity: str) -> str:
    """The pseudonym of whoever has this id."""
    return _subject(identity).name
