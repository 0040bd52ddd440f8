"""For programs: a trail by its address, and events to record there.

from deploytrail.sdk import Trail, event

with Trail.open("https://trail.example.org", token=...) as trail:
    trail.record([event("deployment.started", actor="ci:release", environment="prod")])
    for shown in trail.search("env:prod outcome:failure since:7d").items:
        ...
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from deploytrail import actions
from deploytrail.address import Server, address
from deploytrail.clock import Clock, SystemClock
from deploytrail.errors import DeploytrailError, NotFound, SenderError
from deploytrail.event import Actor, Event, EventId, Links, Outcome, Reason, Source, Target, Where
from deploytrail.trail import (
    Attachment,
    Facet,
    Histogram,
    OpenTrail,
    Page,
    Published,
    Receipt,
    Shown,
    Stats,
)
from deploytrail.untrusted import parse_event

__all__ = [
    "Actor", "Attachment", "DeploytrailError", "Event", "EventId", "Facet", "Histogram", "Links",
    "NotFound", "Page", "Published", "Reason", "Receipt", "SenderError", "Shown", "Source", "Stats",
    "Target", "Trail", "Where", "event",
]  # fmt: skip

_TOOL: Final = "sdk"
_INSTANCE: Final = "local"


class Trail(OpenTrail, Protocol):
    """A trail, wherever it is; see `OpenTrail`."""

    @staticmethod
    def open(
        url: str | Path | None = None, *, token: str | None = None, create: bool = True
    ) -> OpenTrail:
        """`sqlite:///DIRECTORY`, a path, `postgresql://…` or `https://…`; else DEPLOYTRAIL_URL.

        Without either, the user's own directory, as on the command line. `token`, else
        DEPLOYTRAIL_TOKEN, opens a server. `create` makes a trail where there is none, but never
        on a server. Raises Malformed for another address, and what opening it raises.
        """
        given = os.environ.get("DEPLOYTRAIL_URL", "") if url is None else str(url)
        found = address(given) if given else None
        if isinstance(found, Server):
            from deploytrail.remote import RemoteTrail

            return RemoteTrail(found.url, token=token or os.environ.get("DEPLOYTRAIL_TOKEN"))
        from deploytrail.app.local import open_local

        return open_local(found, create=create)


def event(
    action: str,
    *,
    actor: str | Actor,
    outcome: Outcome | None = None,
    project: str | None = None,
    unit: str | None = None,
    environment: str | None = None,
    reason: str | None = None,
    targets: Iterable[Target] = (),
    tool: str = _TOOL,
    delivery: str | None = None,
    clock: Clock | None = None,
    **blocks: Any,
) -> Event:
    """An event of now, ready to be recorded; `blocks` are the further fields of `Event`.

    `actor` as text is an id, such as `ci:release`, of a service. `delivery` is the sender's own id
    of what happened: the same again is the same event. `outcome` is what the action's own name
    says where it is left out: failure, for `deployment.failed`. Raises Malformed for what no event
    can be, and for an outcome that its action contradicts.
    """
    clock = SystemClock() if clock is None else clock
    where = Where(project=project, unit=unit, environment=environment)
    made = Event(
        id=clock.event_id(),
        action=action,
        outcome=actions.outcome(str(action)) if outcome is None else outcome,
        time=clock.now(),
        actor=Actor(type="service", id=actor) if isinstance(actor, str) else actor,
        source=Source(tool=tool, instance=_INSTANCE, delivery=delivery),
        where=None if where == Where() else where,
        reason=None if reason is None else Reason(from_="stated", text=reason),
        targets=tuple(targets),
        **blocks,
    )
    # What is made in Python was never held against its own types.
    parsed = parse_event(msgspec.json.encode(made))
    actions.check_outcome(parsed.action, parsed.outcome)
    return parsed
