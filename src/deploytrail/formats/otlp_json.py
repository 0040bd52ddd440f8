"""OTLP/JSON (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding): logs, and answers.

Pure. The names are lowerCamelCase and only these; 64-bit integers are text or numbers, ids are
hexadecimal, other octets base64, and unknown fields are passed over.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any, Final

from deploytrail.errors import Malformed
from deploytrail.formats import otlp_logs
from deploytrail.formats.otlp_logs import (
    EXPORT_BYTES_MAX,
    INT64,
    SEVERITY,
    SPAN_ID_BYTES,
    TRACE_ID_BYTES,
    UINT32,
    UINT64,
    Log,
    Origin,
    Value,
)
from deploytrail.untrusted import Untrusted, parse_json

MEDIA_TYPE: Final = "application/json"
_DEPTH_MAX: Final = 96
"""Of JSON: a level of a value takes up to four, and the log around it ten."""
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,19})", re.ASCII)
_DECIMAL: Final = re.compile(
    r"-?(?:0|[1-9][0-9]{0,400})(?:\.[0-9]{1,400})?(?:[eE][-+]?[0-9]{1,4})?", re.ASCII
)
_NAMED: Final = ("NaN", "Infinity", "-Infinity")
_URL_SAFE: Final = str.maketrans("-_", "+/")
_KINDS: Final = (
    "stringValue",
    "boolValue",
    "intValue",
    "doubleValue",
    "arrayValue",
    "kvlistValue",
    "bytesValue",
)


def logs(octets: bytes) -> tuple[Log, ...]:
    """The logs of one ExportLogsServiceRequest, in its order.

    Raises Malformed, naming the field, or TooLarge.
    """
    value = parse_json(octets, what="otlp", bytes_max=EXPORT_BYTES_MAX, depth_max=_DEPTH_MAX)
    found: list[Log] = []
    for resource_logs in Untrusted(value, "otlp").blocks("resourceLogs"):
        for scope_logs in resource_logs.blocks("scopeLogs"):
            origin = _origin(resource_logs, scope_logs)
            for each in scope_logs.blocks("logRecords"):
                otlp_logs.refuse_many(len(found) + 1, scope_logs.path)
                found.append(_log(origin, each))
    return tuple(found)


def answer(rejected: int = 0, message: str = "") -> bytes:
    """An ExportLogsServiceResponse; `message` says why some were rejected, or warns."""
    if not rejected and not message:
        return b"{}"
    partial = {"rejectedLogRecords": str(rejected), "errorMessage": message}
    return json.dumps({"partialSuccess": partial}, separators=(",", ":")).encode()


def refusal(message: str) -> bytes:
    """A google.rpc.Status, the body of every answer that is no success."""
    return json.dumps({"message": message}, separators=(",", ":")).encode()


def _origin(resource_logs: Untrusted, scope_logs: Untrusted) -> Origin:
    resource = _block(resource_logs, "resource")
    scope = _block(scope_logs, "scope")
    return Origin(
        resource=_attributes(resource),
        resource_dropped=_integer(resource, "droppedAttributesCount", UINT32),
        scope_name=scope.optional_text("name") or "",
        scope_version=scope.optional_text("version") or "",
        scope=_attributes(scope),
        scope_dropped=_integer(scope, "droppedAttributesCount", UINT32),
    )


def _log(origin: Origin, given: Untrusted) -> Log:
    body = given.optional_block("body")
    return otlp_logs.log(
        origin,
        time_unix_nano=_integer(given, "timeUnixNano", UINT64) or None,
        observed_unix_nano=_integer(given, "observedTimeUnixNano", UINT64) or None,
        severity_number=_integer(given, "severityNumber", SEVERITY),
        severity_text=given.optional_text("severityText") or "",
        event_name=given.optional_text("eventName") or "",
        body=None if body is None else _value(body, 0),
        attributes=_attributes(given),
        attributes_dropped=_integer(given, "droppedAttributesCount", UINT32),
        trace_id=_identifier(given, "traceId", TRACE_ID_BYTES),
        span_id=_identifier(given, "spanId", SPAN_ID_BYTES),
    )


def _attributes(given: Untrusted) -> dict[str, Value]:
    return otlp_logs.mapping(_pairs(given, "attributes", 0), f"{given.path}.attributes")


def _pairs(given: Untrusted, name: str, depth: int) -> Iterator[tuple[str, Value]]:
    for each in given.blocks(name):
        value = each.optional_block("value")
        yield each.optional_text("key") or "", None if value is None else _value(value, depth)


def _value(given: Untrusted, depth: int) -> Value:
    kind = otlp_logs.only([name for name in _KINDS if name in given], given.path)
    match kind:
        case "stringValue":
            return given.text(kind)
        case "boolValue":
            return given.optional_boolean(kind)
        case "intValue":
            return _integer(given, kind, INT64)
        case "doubleValue":
            return _double(given, kind)
        case "bytesValue":
            return otlp_logs.octets_text(_octets(given, kind))
        case None:
            return None
    block = given.block(kind)
    below = otlp_logs.deeper(depth, block.path)
    if kind == "arrayValue":
        return [_value(each, below) for each in block.blocks("values")]
    return otlp_logs.mapping(_pairs(block, "values", below), f"{block.path}.values")


def _block(given: Untrusted, name: str) -> Untrusted:
    return given.optional_block(name) or Untrusted({}, f"{given.path}.{name}")


def _integer(given: Untrusted, name: str, bounds: tuple[int, int]) -> int:
    value = given.raw(name)
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    elif isinstance(value, str):
        raise Malformed(f"{given.path}.{name}: expected an integer, found other text; mend it")
    else:
        value = given.optional_integer(name)
    return otlp_logs.within(value or 0, bounds, f"{given.path}.{name}")


def _double(given: Untrusted, name: str) -> Value:
    value: Any = given.raw(name)
    if isinstance(value, str) and value in _NAMED:
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number or (isinstance(value, str) and _DECIMAL.fullmatch(value)):
        try:
            found = float(value)
        except OverflowError:
            found = float("inf")
        if abs(found) != float("inf"):
            return found
    raise Malformed(f"{given.path}.{name}: expected a number, found something else; mend it")


def _octets(given: Untrusted, name: str) -> bytes:
    text = given.text(name).translate(_URL_SAFE).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Malformed(f"{given.path}.{name}: expected base64, found other text") from None


def _identifier(given: Untrusted, name: str, size: int) -> str | None:
    path = f"{given.path}.{name}"
    try:
        octets = binascii.unhexlify(given.optional_text(name) or "")
    except (binascii.Error, ValueError):
        raise Malformed(f"{path}: expected {2 * size} hexadecimal digits, found others") from None
    return otlp_logs.identifier(octets, size, path)
