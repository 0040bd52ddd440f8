"""From a delivery over a connection to what is to be recorded: proven, then translated."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from deploytrail.app.events.recording import Submission
from deploytrail.clock import Clock
from deploytrail.entry import base64url
from deploytrail.event import Auth, EventId, Where
from deploytrail.intake.translating import Surroundings, translated
from deploytrail.kit.credential import Proof, Scheme, prove
from deploytrail.kit.delivery import Delivery
from deploytrail.kit.draft import Place
from deploytrail.kit.source import Source
from deploytrail.redact import fingerprint

IMPORTED: Final = Auth(method="imported", assurance=0)
"""Of whom a file names: whoever hands it over may have written it."""
_CONTENT: Final = b"deploytrail delivery v1\x00"
_CONTENT_BYTES: Final = 16


class Keys(NamedTuple):
    """The trail's keys that intake needs: `body` names bytes, `fingerprint_key` is a project's."""

    body: bytes
    fingerprint_key: Callable[[str], bytes]

    def content_id(self, octets: bytes) -> str:
        """A name of these bytes: equal for equal ones, for ever, and no oracle for guesses.

        Where a sender gives no id, or only one that nothing proves, its delivery is known by this.
        """
        made = hmac.digest(self.body, _CONTENT + octets, "sha256")[:_CONTENT_BYTES]
        return f"body:{base64url(made)}"

    def fingerprint(self, project: str, path: str, value: str) -> str:
        return fingerprint(self.fingerprint_key(project), path, value)


class Connected(NamedTuple):
    """A connection that may deliver: which tool, how it is proven, and where its things belong."""

    name: str
    source: Source
    scheme: Scheme
    secrets: Sequence[str]
    placed: Callable[[Place], Where | None]

    @property
    def instance(self) -> str:
        """`source.instance` of its events: its name, which no token (`token:…`) can have."""
        return self.name

    def __repr__(self) -> str:
        return f"Connected({self.name!r}, {self.source.name!r}, {self.scheme.name!r})"


class Taken(NamedTuple):
    """What a delivery becomes, and what proved it."""

    submissions: list[Submission]
    proof: Proof


def taken(delivery: Delivery, over: Connected, keys: Keys, clock: Clock) -> Taken:
    """What is to be recorded of a delivery, all of it together.

    Raises Unproven where nothing proves its sender, and nothing for what a proven one says.
    """
    proof = prove(over.scheme, delivery, over.secrets, now=delivery.received)
    vouched_for = proof.assurance > 0
    auth = Auth(
        method=proof.method if vouched_for else "claimed",
        assurance=proof.assurance,
        verified_by=over.name if vouched_for else None,
    )
    return Taken(list(_submissions(delivery, over, auth, keys, clock.event_id)), proof)


def imported(
    delivery: Delivery, over: Connected, keys: Keys, clock: Clock, *, auth: Auth = IMPORTED
) -> list[Submission]:
    """As `taken`, of what a file holds, or of what we fetched: nobody delivered it."""
    return list(imported_one_by_one(delivery, over, keys, clock.event_id, auth=auth))


def imported_one_by_one(
    delivery: Delivery,
    over: Connected,
    keys: Keys,
    ids: Callable[[], EventId],
    *,
    auth: Auth = IMPORTED,
) -> Iterator[Submission]:
    """As `imported`, each as it is asked for: a file may hold a hundred thousand."""
    return _submissions(delivery, over, auth, keys, ids, is_imported=auth is IMPORTED)


def _submissions(
    delivery: Delivery,
    over: Connected,
    auth: Auth,
    keys: Keys,
    ids: Callable[[], EventId],
    *,
    is_imported: bool = False,
) -> Iterator[Submission]:
    around = Surroundings(
        source=over.source,
        instance=over.instance,
        auth=auth,
        placed=over.placed,
        content_id=keys.content_id,
        fingerprint=keys.fingerprint,
        event_id=ids,
        is_imported=is_imported,
    )
    return (Submission(each.event, each.octets) for each in translated(delivery, around))
