"""Amazon Data Firehose to an HTTP endpoint: what one request holds, and how it is answered.

Pure. Source: Amazon Data Firehose Developer Guide, "HTTP endpoint delivery request and response
specifications"; Amazon CloudWatch Logs User Guide, "Log group-level subscription filters".
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw, Struct, field

from deploytrail.errors import Malformed, TooLarge
from deploytrail.gzipped import MAGIC, unpacked

MEDIA_TYPE: Final = "application/json"
ID_HEADER: Final = "x-amz-firehose-request-id"
"""The same as `requestId`, of which the answer is refused where it names another."""
UNPACKED_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of all records of a request together."""
BODIES_MAX: Final = 100_000
_ERROR_CHARACTERS_MAX: Final = 8_192
_DATA: Final = "DATA_MESSAGE"
_CONTROL: Final = "CONTROL_MESSAGE"
_BLANK: Final = " \t\r\n"


class Inner(NamedTuple):
    """One body that a request delivers, unpacked.

    `is_json` is false of what is text, such as a line of a log: it is given as it came. `group`,
    `stream` and `id` are those of CloudWatch Logs, where it came through a subscription.
    """

    octets: bytes
    is_json: bool = True
    group: str | None = None
    stream: str | None = None
    id: str | None = None


class _Record(Struct, frozen=True):
    data: str


class _Request(Struct, frozen=True):
    id: str = field(name="requestId")
    records: list[_Record]


class _Head(Struct, frozen=True):
    id: Raw = field(name="requestId", default=Raw())
    timestamp: Raw = Raw()
    records: Raw = Raw()


class _LogEvent(Struct, frozen=True):
    message: str
    id: str | None = None


class _Subscription(Struct, frozen=True):
    events: list[_LogEvent] = field(name="logEvents")
    kind: str = field(name="messageType")
    group: str | None = field(name="logGroup", default=None)
    stream: str | None = field(name="logStream", default=None)


class _SubscriptionHead(Struct, frozen=True):
    kind: Raw = field(name="messageType")
    events: Raw = field(name="logEvents")


_head: Final = msgspec.json.Decoder(_Head).decode
_request: Final = msgspec.json.Decoder(_Request)
_subscription_head: Final = msgspec.json.Decoder(_SubscriptionHead).decode
_subscription: Final = msgspec.json.Decoder(_Subscription)
_any: Final = msgspec.json.Decoder(Raw).decode
_NOT_READ: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def is_request(octets: bytes) -> bool:
    """Whether a body has the outer form of one, of which one part may be missing.

    What has but two of its three words is one at fault, not something else.
    """
    try:
        head = _head(octets)
    except _NOT_READ:
        return False
    return sum(bool(bytes(each)) for each in (head.id, head.timestamp, head.records)) > 1


def bodies(octets: bytes) -> Iterator[Inner]:
    """What a request delivers, in its order; nothing for messages that only probe the way.

    Raises Malformed, naming the field, or TooLarge: over 16 MiB, or 100,000 bodies, in all.
    """
    request: _Request = _decoded(_request, octets, "body")
    left = UNPACKED_BYTES_MAX
    count = 0
    for at, record in enumerate(request.records):
        inside = _unpacked(record.data, f"body.records[{at}].data", left)
        left -= len(inside)
        for inner in _inner(inside, f"body.records[{at}].data"):
            count += 1
            if count > BODIES_MAX:
                raise TooLarge(
                    f"body.records: expected at most {BODIES_MAX} bodies, found more; "
                    "lower the buffer size of the stream"
                )
            yield inner


def answer(request_id: str, at: datetime, error: str = "") -> bytes:
    """The body of an answer; `error` says why a request failed. Only status 200 is success."""
    said: dict[str, Any] = {"requestId": request_id, "timestamp": int(at.timestamp() * 1000)}
    if error:
        said["errorMessage"] = error[:_ERROR_CHARACTERS_MAX]
    return json.dumps(said, separators=(",", ":")).encode()


def request_id(octets: bytes) -> str | None:
    """The id that a request gives itself; None where it can't be read."""
    try:
        found = msgspec.json.decode(_head(octets).id)
    except _NOT_READ:
        return None
    return found if isinstance(found, str) else None


def _unpacked(data: str, what: str, left: int) -> bytes:
    try:
        octets = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed(f"{what}: expected Base64, found other text") from None
    if octets.startswith(MAGIC):
        return unpacked(octets, what=what, bytes_max=left)
    if len(octets) > left:
        raise TooLarge(
            f"{what}: expected at most {UNPACKED_BYTES_MAX} bytes in all records, found more; "
            "lower the buffer size of the stream"
        )
    return octets


def _inner(octets: bytes, what: str) -> Iterator[Inner]:
    for inner in _values(octets):
        if inner.is_json and _is(_subscription_head, inner.octets):
            yield from _logged(_decoded(_subscription, inner.octets, what), what)
        else:
            yield inner


def _logged(given: _Subscription, what: str) -> Iterator[Inner]:
    if given.kind == _CONTROL:
        return
    if given.kind != _DATA:
        raise Malformed(f"{what}.messageType: expected {_DATA} or {_CONTROL}, found another")
    for event in given.events:
        octets = event.message.encode("utf-8", "surrogatepass")
        yield Inner(octets, _is(_any, octets), given.group, given.stream, event.id)


def _values(octets: bytes) -> Iterator[Inner]:
    """One JSON value, or several: a line each, or one behind the other on one line.

    Streams join what they are given with or without a line's end, as they are told to.
    """
    if _is(_any, octets):
        yield Inner(octets)
        return
    for line in octets.splitlines():
        if not line.strip():
            continue
        if _is(_any, line):
            yield Inner(line)
        else:
            yield from _joined(line)


def _joined(line: bytes) -> Iterator[Inner]:
    """Values without anything between them; from where that ends, the rest as one text."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        yield Inner(line, is_json=False)
        return
    at = _seen(text, 0)
    while at < len(text):
        try:
            _, end = _scanner.raw_decode(text, at)
        except (ValueError, RecursionError):
            yield Inner(text[at:].encode(), is_json=False)
            return
        yield Inner(text[at:end].encode())
        at = _seen(text, end)


def _seen(text: str, at: int) -> int:
    """Where what is not blank goes on."""
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at


_scanner: Final = json.JSONDecoder()


def _is(decode: Any, octets: bytes) -> bool:
    try:
        decode(octets)
    except _NOT_READ:
        return False
    return True


def _decoded(decoder: msgspec.json.Decoder[Any], octets: bytes, what: str) -> Any:
    try:
        return decoder.decode(octets)
    except msgspec.ValidationError as error:
        # Its words name types and fields that are ours, and where, and nothing that was sent.
        text, _, path = str(error).partition(" - at `$")
        raise Malformed(f"{what}{path.rstrip('`')}: {text.replace('`', '')}") from None
    except _NOT_READ:
        raise Malformed(f"{what}: expected JSON, found other bytes; mend its syntax") from None
