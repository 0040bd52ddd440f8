"""What a request says, as what is to be recorded: events in one of the forms that are read here.

Pure but for the clock's time and ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from deploytrail.app.claimed import Heard
from deploytrail.clock import Clock, rfc3339
from deploytrail.errors import SenderError
from deploytrail.formats import cloudevents
from deploytrail.trail import LOCAL_INSTANCE
from deploytrail.web import splitting
from deploytrail.web.problem import WrongType

MEDIA: Final = (splitting.JSON, splitting.NDJSON, cloudevents.JSON, cloudevents.BATCH)
OWNER_ASSURANCE: Final = 1
"""How well an account of the operating system proves who it is."""
_BINARY: Final = "ce-specversion"


class Said(NamedTuple):
    """What a body holds, in order; `is_single` where it is one event and no list of them."""

    events: list[Heard | SenderError]
    is_single: bool


class Form(NamedTuple):
    """How a body is written: its media type, and the attributes of a CloudEvent beside it."""

    media: str
    attributes: Mapping[str, str]


def form(headers: Mapping[str, str]) -> Form:
    """Raises WrongType for one that is not read here, before anything of the body is."""
    media = splitting.media_type(headers.get("content-type", ""))
    attributes = {}
    if _BINARY in headers:
        attributes = {
            name: value
            for name, value in headers.items()
            if name.startswith(cloudevents.HEADER_PREFIX)
        }
    if media not in MEDIA:
        raise WrongType(
            f"content-type: expected {', '.join(MEDIA)}, found {media[:60]!a}; say how the events "
            "are written"
        )
    return Form(media, attributes)


def said(body: bytes, written: Form, *, instance: str, clock: Clock) -> Said:
    """Raises Malformed for a body that is none in its form, TooLarge for too many events."""
    if written.attributes:
        whole = cloudevents.envelope(written.attributes, body)
        return Said([_meant(whole, instance, clock)], is_single=True)
    if written.media == cloudevents.JSON:
        return Said([_meant(body, instance, clock)], is_single=True)
    if written.media == cloudevents.BATCH:
        items = splitting.counted(splitting.array(body))
        return Said([_meant(each, instance, clock) for each in items], is_single=False)
    cut = splitting.cut(body, written.media)
    # Whoever has the trail's files could write there what accounts of this machine do.
    most = OWNER_ASSURANCE if instance == LOCAL_INSTANCE else 0
    return Said([Heard(each, instance, assurance_max=most) for each in cut.bodies], cut.is_single)


def _meant(envelope: bytes, instance: str, clock: Clock) -> Heard | SenderError:
    """The envelope's bytes tell repeats from conflicts: what is made of it bears a new id."""
    try:
        event = cloudevents.event_of(envelope, now=rfc3339(clock.now()), id=clock.event_id())
    except SenderError as error:
        return error
    return Heard(envelope, instance, event)
