"""An event that somebody wrote as JSON: what it says of itself is claimed, not proven.

Pure. How well an identity is proven, and through whom the event came, is ours to say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from msgspec import structs

from deploytrail.app.events.recording import Submission
from deploytrail.errors import Malformed, SenderError
from deploytrail.event import Actor, Auth, Event, EventId
from deploytrail.redact import mask
from deploytrail.trail import LOCAL_INSTANCE, Attachment
from deploytrail.untrusted import parse_event

_CLAIMED: Final = Auth(method="claimed", assurance=0)


class Heard(NamedTuple):
    """What a sender wrote, and by whose credential it came: `source.instance`.

    `event` is the event's JSON where `body` is not that itself but an envelope around it. What is
    said of identities is believed up to `assurance_max`.
    """

    body: bytes
    instance: str = LOCAL_INSTANCE
    event: bytes | None = None
    attachments: Sequence[tuple[EventId, Attachment]] = ()
    """What came behind it, each with the id of the event that it says to belong to."""
    admit: Callable[[Event], None] | None = None
    """Raises what keeps an event out that this credential may not record."""
    assurance_max: int = 0
    made: Submission | None = None
    """What was made of it already: a line of a spool, whose signature was proven."""


def heard(one: Heard) -> Submission | SenderError:
    """What is to be recorded of it; the bytes themselves tell repeats from conflicts."""
    if one.made is not None:
        return one.made
    try:
        event = parse_event(one.body if one.event is None else one.event)
        attachments = [_attached(event.id, of, each) for of, each in one.attachments]
        said = claimed(event, instance=one.instance, assurance_max=one.assurance_max)
        if one.admit is not None:
            one.admit(said)
        return Submission(said, one.body, attachments)
    except SenderError as error:
        return error


def _attached(event: EventId, of: EventId, attachment: Attachment) -> Attachment:
    if of != event:
        raise Malformed(
            f"attachment_of: expected {event}, the event before it, found {of[:60]!a}; send each "
            "attachment behind its event"
        )
    return attachment


def claimed(event: Event, *, instance: str = LOCAL_INSTANCE, assurance_max: int = 0) -> Event:
    """The event with assurance 0, or up to that maximum, as heard through that instance.

    By which method an actor proved who it is, and to whom, the sender says without proof: neither
    is kept.

    Raises Malformed for what only the trail itself enters (`audit.…`): forged, an erasure would
    make a lost disclosure look accounted for. And for evidence: it names attachments, which come
    beside an event and never in it.
    """
    if event.evidence:
        raise Malformed(
            "evidence: expected none, found attachments that did not come with the event; the "
            "trail itself lists what it keeps, so leave it out"
        )
    if event.action.startswith("audit."):
        raise Malformed(
            f"action: expected one of your own, found {mask(event.action)!r:.70}, which only the "
            "trail itself enters; choose another from the catalogue"
        )
    changed: dict[str, object] = {}
    actors: dict[str, Actor | None] = {"actor": event.actor, "on_behalf_of": event.on_behalf_of}
    for name, actor in actors.items():
        if actor is None or actor.auth is None or actor.auth == _CLAIMED:
            continue
        if not 0 < actor.auth.assurance <= assurance_max:
            changed[name] = structs.replace(actor, auth=_CLAIMED)
    if event.observed is not None:
        # When we heard of it is ours to say.
        changed["observed"] = None
    if event.source.instance != instance:
        changed["source"] = structs.replace(event.source, instance=instance)
    return structs.replace(event, **changed) if changed else event
