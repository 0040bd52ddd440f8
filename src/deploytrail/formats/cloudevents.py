"""CloudEvents 1.0 (https://github.com/cloudevents/spec): an envelope, and the event that it means.

Pure: the time and an id are arguments. Where `data` is an event of ours, it is that; else the
envelope itself is told, under the action that its `type` names, or as a delivery that nobody knows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

from deploytrail.actions import CATALOGUE
from deploytrail.errors import Malformed
from deploytrail.event import EVENT_BYTES_MAX, EventId
from deploytrail.untrusted import Untrusted, parse_json

MEDIA_PREFIX: Final = "application/cloudevents"
JSON: Final = f"{MEDIA_PREFIX}+json"
BATCH: Final = f"{MEDIA_PREFIX}-batch+json"
TOOL: Final = "cloudevents"
HEADER_PREFIX: Final = "ce-"
UNRECOGNISED: Final = "integration.delivery.unrecognised"
_DATA: Final = ("data", "data_base64")
_DATA_TYPE: Final = "datacontenttype"
_DATA_TYPE_JSON: Final = "application/json"
_CHARACTERS_MAX: Final = 250
_DEPTH_MAX: Final = 64
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPED: Final = re.compile(r"\\(.)")
_UNSEEN: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")


class Meant(NamedTuple):
    """A CloudEvent as an event of ours, in JSON; `body` is what its repeats have in common."""

    event: bytes
    body: bytes


def meant(envelope: bytes, *, now: str, id: EventId) -> Meant:
    """What a structured CloudEvent means.

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
        return Meant(msgspec.json.encode(data), _canonical(value))
    return Meant(msgspec.json.encode(_told(given, now, id)), _canonical(value))


def _canonical(envelope: Mapping[str, Any]) -> bytes:
    """The same bytes for one CloudEvent however it was sent, and others for any other.

    In headers an attribute is the text of its value, and Content-Type says what `data` is, which
    is JSON where nobody says so (the JSON format, §3.1); an attribute that is null is not set
    (§2.2). `data` is the JSON value from which the event is made: where it differs, this does.
    """
    found = {}
    for name, value in envelope.items():
        if name == "data":
            found[name] = value
        elif isinstance(value, bool | int):
            found[name] = str(value).lower()
        elif value is not None:
            found[name] = value
    kind, *_ = str(found.get(_DATA_TYPE, "")).split(";")
    if kind.strip().lower() == _DATA_TYPE_JSON:
        del found[_DATA_TYPE]
    return json.dumps(found, sort_keys=True, separators=(",", ":")).encode()


def envelope(headers: Mapping[str, str], data: bytes) -> bytes:
    """The structured form of one whose attributes came as headers, its data as JSON (binary mode).

    Raises Malformed for an attribute or for data that can't be read.
    """
    found: dict[str, Any] = {
        name.removeprefix(HEADER_PREFIX): _attribute(name, value)
        for name, value in sorted(headers.items())
        if name.startswith(HEADER_PREFIX)
    }
    for name in (*_DATA, _DATA_TYPE):
        if name in found:
            raise Malformed(
                f"{HEADER_PREFIX}{name}: expected data in the body and its type in Content-Type, "
                "found them in a header; move them"
            )
    if data.strip():
        parse_json(data, what="cloudevent.data", bytes_max=EVENT_BYTES_MAX, depth_max=_DEPTH_MAX)
        found["data"] = msgspec.Raw(data)
    return msgspec.json.encode(found)


def _attribute(name: str, value: str) -> str:
    """Unquoted, then percent-decoded once (the HTTP binding, §3.1.3.2)."""
    unquoted = _QUOTED.sub(lambda match: _ESCAPED.sub(r"\1", match[1]), value)
    try:
        # Octets came as Latin-1, and are UTF-8 also where they should have been encoded.
        return unquote_to_bytes(unquoted.encode("latin-1")).decode("utf-8")
    except UnicodeError:
        raise Malformed(
            f"{name[:60]}: expected UTF-8, percent-encoded, found other bytes; encode it so"
        ) from None


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
    if not 0 < len(text) <= _CHARACTERS_MAX or _UNSEEN.search(text):
        raise Malformed(
            f"cloudevent.{name}: expected 1 to {_CHARACTERS_MAX} characters without blanks and "
            f"control characters, found {len(text)}; shorten it"
        )
    return text
