"""The events that a run itself makes: its start and its end.

Pure: times and ids are arguments. What happened in between is told by the tool's source.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from deploytrail.event import Error, Event, EventId, Links, Outcome, Plan, Source
from deploytrail.trail import LOCAL_INSTANCE
from deploytrail.wrapper.child import Ending
from deploytrail.wrapper.run_context import RunContext, readable


class Actions(NamedTuple):
    """The names of a start and its ends."""

    started: str
    succeeded: str
    failed: str
    cancelled: str


DEPLOYMENT: Final = Actions(
    "deployment.started", "deployment.succeeded", "deployment.failed", "deployment.cancelled"
)
COMMAND: Final = Actions("runtime.command.started", *["runtime.command.finished"] * 3)


def started(
    context: RunContext,
    actions: Actions,
    *,
    event_id: EventId,
    now: datetime,
    plan: Plan | None = None,
) -> Event:
    """The first event of a run, part 0 of its delivery."""
    return _event(
        context,
        actions.started,
        "pending",
        event_id=event_id,
        now=now,
        part=0,
        links=_links(context, plan),
        plan=plan,
    )


def ended(
    context: RunContext,
    actions: Actions,
    ending: Ending,
    *,
    event_id: EventId,
    now: datetime,
    part: int,
    duration_ms: int,
    start: EventId,
    outcome: Outcome,
    plan: Plan | None = None,
    error: Error | None = None,
    version: str | None = None,
) -> Event:
    """The last event of a run; `error` is what the tool said went wrong.

    A command that was asked to stop and then ended by itself has an exit code and a signal.
    """
    action = actions.succeeded if outcome == "success" else actions.failed
    if ending.asked is not None and outcome != "success":
        error = Error(code="interrupted", text=error.text if error else None)
        action = actions.cancelled
    if ending.reason is not None:
        error = Error(code="not_started", text=readable(ending.reason)[:512])
        action = actions.cancelled
    event = _event(
        context,
        action,
        outcome,
        event_id=event_id,
        now=now,
        part=part,
        links=_links(context, plan, caused_by=start),
        plan=plan,
    )
    # The variables stand in the start already, and are by far the largest part.
    command = msgspec.structs.replace(
        context.command,
        variables={},
        version=version,
        exit_code=ending.exit_code,
        signal=ending.signal or ending.asked,
    )
    return msgspec.structs.replace(event, command=command, duration_ms=duration_ms, error=error)


def caused(context: RunContext, plan: Plan | None, *, by: EventId) -> Links:
    """The links of what a run did: those of the run, its plan, and its start as the cause."""
    return _links(context, plan, caused_by=by)


def _links(context: RunContext, plan: Plan | None, caused_by: EventId | None = None) -> Links:
    return msgspec.structs.replace(
        context.links,
        plan=plan.content_digest if plan else None,
        caused_by=(caused_by,) if caused_by else (),
    )


def _event(
    context: RunContext,
    action: str,
    outcome: Outcome,
    *,
    event_id: EventId,
    now: datetime,
    part: int,
    links: Links,
    plan: Plan | None,
) -> Event:
    return Event(
        id=event_id,
        action=action,
        outcome=outcome,
        time=now,
        observed=now,
        attempt=context.attempt,
        actor=context.actor,
        on_behalf_of=context.on_behalf_of,
        client=context.client,
        trigger=context.trigger,
        where=context.where,
        reason=context.reason,
        links=links,
        plan=plan,
        command=context.command,
        source=Source(tool=context.tool, instance=LOCAL_INSTANCE, delivery=context.run, part=part),
    )
