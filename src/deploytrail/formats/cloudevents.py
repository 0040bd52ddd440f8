"""CloudEvents 1.0 (https://github.com/cloudevents/spec): an envelope, and the event that it means.

Pure: the time and an id are arguments. Where `data` is an event of ours, it is that; else the
envelope itself is told, under the action that its `type` names, or as a delivery that nobody knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from deploytrail.actions import CATALOGUE
from deploytrail.errors import Malformed
from deploytrail.event import EVENT_BYTES_MAX, EventId
from deploytrail.untrusted import Untrusted, parse_json

JSON: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
TOOL: Final = "cloudevents"
HEADER_PREFIX: Final = "ce-"
UNRECOGNISED: Final = "integration.delivery.unrecognised"
_CHARACTERS_MAX: Final = 250
_DEPTH_MAX: Final = 64


def event_of(envelope: bytes, *, now: str, id: EventId) -> bytes:
    """The JSON of the event that a structured CloudEvent means.

    Raises Malformed for what is no CloudEvent 1.0, and TooLarge for one larger than an event.
    """
    value = parse_json(
        envelope, what="cloudevent", bytes_max=2 * EVENT_BYTES_MAX, depth_max=_DEPTH_MAX
    )
    given = Untrusted(value, "cloudevent")
    if given.text("specversion") != "1.0":
        raise Malformed("cloudevent.specversion: expected 1.0, found another; send version 1.0")
    if "data_base64" in given:
        raise Malformed("cloudevent.data_base64: expected JSON under data, found bytes; send JSON")
    data = given.raw("data")
    if isinstance(data, Mapping) and "action" in data:
        return msgspec.json.encode(data)
    return msgspec.json.encode(_told(given, now, id))


def envelope(headers: Mapping[str, str], data: bytes) -> bytes:
    """The structured form of one whose attributes came as headers (binary mode).

    The same headers and data give the same bytes.
    """
    found: dict[str, Any] = {
        name.removeprefix(HEADER_PREFIX): value
        for name, value in sorted(headers.items())
        if name.startswith(HEADER_PREFIX)
    }
    if data.strip():
        parse_json(data, what="cloudevent.data", bytes_max=EVENT_BYTES_MAX, depth_max=_DEPTH_MAX)
        found["data"] = msgspec.Raw(data)
    return msgspec.json.encode(found)


def _told(given: Untrusted, now: str, id: EventId) -> dict[str, Any]:
    """An event that says what the envelope says, and nothing that it doesn't."""
    kind = _short(given, "type")
    source, delivery = _short(given, "source"), _short(given, "id")
    targets = [] if kind in CATALOGUE else [{"type": "cloudevent.type", "id": kind}]
    subject = given.optional_text("subject")
    if subject:
        targets.append({"type": "cloudevent.subject", "id": subject[:1024]})
    found: dict[str, Any] = {
        "id": id,
        "action": kind if kind in CATALOGUE else UNRECOGNISED,
        "outcome": "unknown",
        "time": given.optional_text("time") or now,
        "actor": {"type": "unknown"},
        # A source and its id are together what names a CloudEvent; neither has a blank.
        "source": {"tool": TOOL, "instance": TOOL, "delivery": f"{source} {delivery}"},
    }
    return found | ({"targets": targets} if targets else {})


def _short(given: Untrusted, name: str) -> str:
    text = given.text(name)
    if not 0 < len(text) <= _CHARACTERS_MAX or any(one.isspace() for one in text):
        raise Malformed(
            f"cloudevent.{name}: expected 1 to {_CHARACTERS_MAX} characters without blanks, "
            f"found {len(text)}; shorten it"
        )
    return text
