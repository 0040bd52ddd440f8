"""An event that somebody wrote as JSON: what it says of itself is claimed, not proven.

Pure. How well an identity is proven, and through whom the event came, is ours to say.
"""

from __future__ import annotations

from typing import Final

from msgspec import structs

from deploytrail.errors import Malformed
from deploytrail.event import Actor, Auth, Event
from deploytrail.trail import LOCAL_INSTANCE

_CLAIMED: Final = Auth(method="claimed", assurance=0)


def claimed(event: Event) -> Event:
    """The event with assurance 0 and the local instance.

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
            f"action: expected one of your own, found {event.action!r:.70}, which only the trail "
            "itself enters; choose another from the catalogue"
        )
    changed: dict[str, object] = {}
    actors: dict[str, Actor | None] = {"actor": event.actor, "on_behalf_of": event.on_behalf_of}
    for name, actor in actors.items():
        if actor is not None and actor.auth is not None and actor.auth != _CLAIMED:
            changed[name] = structs.replace(actor, auth=_CLAIMED)
    if event.observed is not None:
        # When we heard of it is ours to say.
        changed["observed"] = None
    if event.source.instance != LOCAL_INSTANCE:
        changed["source"] = structs.replace(event.source, instance=LOCAL_INSTANCE)
    return structs.replace(event, **changed) if changed else event
