"""What a request says, as what is to be recorded: events in one of the forms that are read here.

Pure but for the clock's time and ids.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from deploytrail import attachment_line
from deploytrail.app.events.claimed import Heard
from deploytrail.clock import Clock, rfc3339
from deploytrail.errors import Malformed, SenderError
from deploytrail.event import Event
from deploytrail.formats import cloudevents
from deploytrail.trail import LOCAL_INSTANCE
from deploytrail.web import splitting
from deploytrail.web.problem import WrongType

MEDIA: Final = (splitting.JSON, splitting.NDJSON, cloudevents.JSON, cloudevents.BATCH)
OWNER_ASSURANCE: Final = 1
"""How well an account of the operating system proves who it is."""
_BINARY: Final = "ce-specversion"


class Sender(NamedTuple):
    """Through whose credential events come; `admit` raises what keeps one out, where not all may
    be recorded with it.
    """

    instance: str
    admit: Callable[[Event], None] | None = None

    def heard(self, body: bytes, event: bytes | None = None) -> Heard:
        # Whoever has the trail's files could write there what accounts of this machine do.
        is_owner = self.instance == LOCAL_INSTANCE and event is None
        most = OWNER_ASSURANCE if is_owner else 0
        return Heard(body, self.instance, event, admit=self.admit, assurance_max=most)


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
    if _BINARY in headers and not media.startswith(cloudevents.MEDIA_PREFIX):
        return _binary(media, headers)
    if media not in MEDIA:
        raise WrongType(
            f"content-type: expected {', '.join(MEDIA)}, found {media[:60]!a}; say how the events "
            "are written, as Content-Type: application/json"
        )
    return Form(media, {})


def _binary(media: str, headers: Mapping[str, str]) -> Form:
    """Of a CloudEvent in binary mode, whose data is JSON also where nobody says what it is."""
    if media not in {"", splitting.JSON}:
        raise WrongType(
            f"content-type: expected {splitting.JSON} of the data of a CloudEvent, found "
            f"{media[:60]!a}; send JSON"
        )
    attributes = {
        name: value for name, value in headers.items() if name.startswith(cloudevents.HEADER_PREFIX)
    }
    return Form(splitting.JSON, attributes)


def said(body: bytes, written: Form, *, by: Sender, clock: Clock) -> Said:
    """Raises Malformed for a body that is none in its form, TooLarge for too many events."""
    if written.attributes:
        whole = cloudevents.envelope(written.attributes, body)
        return Said([_meant(whole, by, clock)], is_single=True)
    if written.media == cloudevents.JSON:
        return Said([_meant(body, by, clock)], is_single=True)
    if written.media == cloudevents.BATCH:
        items = splitting.counted(splitting.array(body))
        return Said([_meant(each, by, clock) for each in items], is_single=False)
    cut = splitting.cut(body, written.media)
    if written.media == splitting.NDJSON:
        return Said(_with_attachments(cut.bodies, by), is_single=False)
    return Said([by.heard(each) for each in cut.bodies], cut.is_single)


def _with_attachments(lines: Sequence[bytes], by: Sender) -> list[Heard | SenderError]:
    """The events of lines, each with the attachments behind it."""
    found: list[Heard | SenderError] = []
    for line in lines:
        if not attachment_line.is_attachment(line):
            found.append(by.heard(line))
            continue
        if not found:
            raise Malformed(
                "attachment_of: expected an attachment behind its event, found one before all; "
                "send the event first"
            )
        last = found[-1]
        if isinstance(last, Heard):
            try:
                attached = (*last.attachments, attachment_line.decode(line))
                found[-1] = last._replace(attachments=attached)
            except SenderError as error:
                # Recorded without its evidence, the event could not be given it later.
                found[-1] = error
    return found


def _meant(envelope: bytes, by: Sender, clock: Clock) -> Heard | SenderError:
    """What is made of an envelope bears a new id each time; the envelope tells repeats."""
    try:
        found = cloudevents.meant(envelope, now=rfc3339(clock.now()), id=clock.event_id())
    except SenderError as error:
        return error
    return by.heard(found.body, found.event)
