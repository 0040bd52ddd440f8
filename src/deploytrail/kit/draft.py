"""A draft: what a source makes of a delivery, before the trail adds what only it may say.

Values only. A draft is an event without `id`, `source`, `observed` and `where`: ids, who delivered,
when we heard of it and where it belongs are not the sender's to say.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from msgspec import Struct

from deploytrail.event import (
    Access,
    Actor,
    Agent,
    Approval,
    Artifact,
    Auth,
    Change,
    Client,
    Command,
    Drift,
    EnvironmentClass,
    Error,
    Links,
    Outcome,
    Plan,
    Policy,
    Raw,
    Reason,
    Severity,
    Target,
    Trigger,
    Vcs,
)

CLAIMED: Final = Auth(method="claimed", assurance=0)
"""Of an actor whom only the body names, such as the author of a commit: nobody knows who it was."""
UNKNOWN: Final = Actor(type="unknown", auth=CLAIMED)
"""Where a delivery names nobody."""


class Place(Struct, frozen=True, kw_only=True, gc=False):
    """Where it happened: `raw` in the tool's words, the rest what the tool itself calls so.

    `environment` is a word of the tool's, such as the environment of a GitHub deployment: the
    mapping decides which of ours it is.
    """

    raw: Raw = Raw()
    project: str | None = None
    unit: str | None = None
    environment: str | None = None
    environment_class: EnvironmentClass | None = None


class Draft(Struct, frozen=True, kw_only=True, gc=False):
    """One action that a delivery tells of; the fields are those of `event.Event`.

    `outcome` None is what the action's name says. An actor without `auth` was vouched for by
    whoever proved the delivery; `CLAIMED` says that nobody did. Texts and lists may be longer than
    an event takes: they are cut to fit, and told so.
    """

    action: str
    time: datetime
    actor: Actor
    outcome: Outcome | None = None
    severity: Severity | None = None
    duration_ms: int | None = None
    attempt: int | None = None
    error: Error | None = None
    on_behalf_of: Actor | None = None
    client: Client | None = None
    trigger: Trigger | None = None
    place: Place = Place()
    targets: tuple[Target, ...] = ()
    changes: tuple[Change, ...] = ()
    reason: Reason | None = None
    links: Links | None = None
    plan: Plan | None = None
    policy: Policy | None = None
    approval: Approval | None = None
    vcs: Vcs | None = None
    artifact: Artifact | None = None
    drift: Drift | None = None
    access: Access | None = None
    agent: Agent | None = None
    command: Command | None = None
    url: str | None = None
    """Where a person looks at it."""
    sequence: int | None = None
    """The sender's own count, where it has one without gaps."""
