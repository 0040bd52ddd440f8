"""The events that a run itself makes: its start and its end.

Pure: times and ids are arguments. What happened in between is told by the tool's source.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from msgspec.structs import replace

from deploytrail.event import Error, Event, EventId, Outcome, Plan, Source
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
    """The first event of a run, part 0 of its delivery; all others resemble it."""
    return Event(
        id=event_id,
        action=actions.started,
        outcome="pending",
        time=now,
        observed=now,
        attempt=context.attempt,
        actor=context.actor,
        on_behalf_of=context.on_behalf_of,
        client=context.client,
        trigger=context.trigger,
        where=context.where,
        reason=context.reason,
        links=replace(context.links, plan=plan.content_digest if plan else None),
        plan=plan,
        command=context.command,
        source=Source(tool=context.tool, instance=LOCAL_INSTANCE, delivery=context.run),
    )


def glass(
    start: Event, context: RunContext, action: str, *, event_id: EventId, now: datetime
) -> Event:
    """That somebody asked to break the glass before a start, or broke it for that start.

    The catalogue makes both severe enough that another person looks at them.
    """
    return replace(
        start,
        id=event_id,
        action=action,
        outcome="success",
        time=now,
        observed=now,
        reason=context.emergency or context.reason,
        links=replace(start.links, plan=None) if start.links else None,
        plan=None,
        command=None,
        source=replace(start.source, delivery=f"{start.source.delivery}:{action}"),
    )


def following(start: Event, *, now: datetime, part: int, plan: Plan | None = None) -> Event:
    """What every event of a run resembles that its start caused; its command is told by the start.

    `plan` is the one that the run made or applied, for the link alone.
    """
    assert start.links is not None
    digest = plan.content_digest if plan else None
    return replace(
        start,
        time=now,
        observed=now,
        links=replace(start.links, plan=digest, caused_by=(start.id,)),
        plan=None,
        command=None,
        source=replace(start.source, part=part),
    )


def ended(
    start: Event,
    actions: Actions,
    ending: Ending,
    *,
    event_id: EventId,
    now: datetime,
    part: int,
    duration_ms: int,
    outcome: Outcome,
    plan: Plan | None = None,
    error: Error | None = None,
    version: str | None = None,
) -> Event:
    """The last event of a run; `error` is what the tool said went wrong.

    `denied` is one that somebody said no to, when the tool asked. A command that was asked to stop
    and then ended by itself has an exit code and a signal.
    """
    ends = {"success": actions.succeeded, "denied": actions.cancelled}
    action = ends.get(outcome, actions.failed)
    if ending.asked is not None and outcome != "success":
        error = Error(code="interrupted", text=error.text if error else None)
        action = actions.cancelled
    assert start.command is not None
    if ending.reason is not None:
        # The command stands before its fault, in clear: `NAME=value command` is found nowhere.
        fault = readable(ending.reason).rpartition(": ")[2]
        error = Error(code="not_started", text=f"{start.command.tool}: {fault}"[:512])
        action = actions.cancelled
    return replace(
        following(start, now=now, part=part, plan=plan),
        id=event_id,
        action=action,
        outcome=outcome,
        duration_ms=duration_ms,
        error=error,
        plan=plan,
        # The variables stand in the start already, and are by far the largest part.
        command=replace(
            start.command,
            variables={},
            version=version,
            exit_code=ending.exit_code,
            signal=ending.signal or ending.asked,
        ),
    )
