"""What the routes answer with: the types from which replies and their schemas are made.

Values only. Names only ever get more: `/v1` only grows.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from deploytrail.actions import Action
from deploytrail.trail import Facet, Receipt, Withheld
from deploytrail.web.problem import Problem


class Recorded(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of an event: a receipt where it stands in the log, else a problem.

    `published` answers `wait=published`: whether a signed checkpoint covers it by now. `entry`
    (base64) and `disclosures` (by digest, both base64url) answer `include=entry`: from these the
    leaf hash can be computed. One that was refused stops none of the others.
    """

    receipt: Receipt | None = None
    problem: Problem | None = None
    published: bool | None = None
    entry: str | None = None
    disclosures: dict[str, str] | None = None


class AllRecorded(Struct, frozen=True, kw_only=True):
    """One answer for each event that was sent, in order."""

    items: tuple[Recorded, ...]


class EventShown(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry as its readers see it.

    `event` is the event with everything revealed that the vault still holds, plus `logged`;
    `withheld` says what is not, and why. `summary` is a sentence rendered from it.
    """

    id: str
    index: int
    leaf: str
    logged: str
    summary: str
    event: dict[str, Any]
    withheld: tuple[Withheld, ...]
    receipt: Receipt


class EventProven(Struct, frozen=True, kw_only=True):
    """One event, its receipt, and the proof (c2sp.org/tlog-proof) that its entry is in the log.

    `proof` is null until a signed checkpoint covers the entry. `entry` is base64.
    """

    id: str
    index: int
    leaf: str
    logged: str
    summary: str
    event: dict[str, Any]
    withheld: tuple[Withheld, ...]
    receipt: Receipt
    proof: str | None
    entry: str


class EventPage(Struct, frozen=True, kw_only=True):
    """One page. `next` is the cursor of the one behind it, null at the end. `indexed` of the log's
    `size` entries were searched.
    """

    items: tuple[EventShown, ...]
    next: str | None
    indexed: int
    size: int


class Facets(Struct, frozen=True, kw_only=True):
    """The most frequent values of each field that was asked for, in that order."""

    items: tuple[Facet, ...]
    next: str | None


class Suggestions(Struct, frozen=True, kw_only=True):
    """Values, frequent ones first."""

    items: tuple[str, ...]
    next: str | None


class Actions(Struct, frozen=True, kw_only=True):
    """The catalogue of actions."""

    items: tuple[Action, ...]
    next: str | None


class ProblemKind(Struct, frozen=True, kw_only=True):
    """A kind of problem: what `type` names."""

    name: str
    status: int
    title: str
    meaning: str


class Health(Struct, frozen=True, kw_only=True):
    """Whether the server is up, or ready."""

    status: str


class SpoolKey(Struct, frozen=True, kw_only=True):
    """The key to which runs seal their spools: dt-spool-key:ORIGIN+BASE64."""

    key: str


class FingerprintKey(Struct, frozen=True, kw_only=True):
    """The key of a project's fingerprints: 32 bytes in base64."""

    project: str
    key: str
