"""OTLP in protobuf (opentelemetry/proto/logs/v1/logs.proto, 1.x): logs, and answers.

Pure. Fields are named as in OTLP/JSON, so that both refuse in the same words.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from deploytrail.errors import TooLarge
from deploytrail.formats import otlp_logs, protobuf
from deploytrail.formats.otlp_logs import (
    EXPORT_BYTES_MAX,
    SEVERITY,
    SPAN_ID_BYTES,
    TRACE_ID_BYTES,
    UINT32,
    Log,
    Origin,
    Value,
)
from deploytrail.formats.protobuf import Message

MEDIA_TYPE: Final = "application/x-protobuf"
_STRING, _BOOL, _INT, _DOUBLE, _ARRAY, _PAIRS, _BYTES = range(1, 8)


def logs(octets: bytes) -> tuple[Log, ...]:
    """As `otlp_json.logs`, of the same content in protobuf."""
    if len(octets) > EXPORT_BYTES_MAX:
        raise TooLarge(
            f"otlp: expected at most {EXPORT_BYTES_MAX} bytes, found {len(octets)}; send less"
        )
    found: list[Log] = []
    for resource_logs in Message(octets, "otlp").messages(1, "resourceLogs"):
        for scope_logs in resource_logs.messages(2, "scopeLogs"):
            origin = _origin(resource_logs, scope_logs)
            for each in scope_logs.messages(2, "logRecords"):
                otlp_logs.refuse_many(len(found) + 1, scope_logs.path)
                found.append(_log(origin, each))
    return tuple(found)


def answer(rejected: int = 0, message: str = "") -> bytes:
    """As `otlp_json.answer`."""
    partial = protobuf.tagged(1, rejected) if rejected else b""
    partial += protobuf.tagged(2, message.encode()) if message else b""
    return protobuf.tagged(1, partial) if partial else b""


def refusal(message: str) -> bytes:
    """As `otlp_json.refusal`."""
    return protobuf.tagged(2, message.encode())


def _origin(resource_logs: Message, scope_logs: Message) -> Origin:
    resource = resource_logs.message(1, "resource")
    scope = scope_logs.message(1, "scope")
    return Origin(
        resource=_attributes(resource, 1),
        resource_dropped=_count(resource, 2),
        scope_name=scope.text(1, "name"),
        scope_version=scope.text(2, "version"),
        scope=_attributes(scope, 3),
        scope_dropped=_count(scope, 4),
    )


def _log(origin: Origin, given: Message) -> Log:
    severity = given.signed(2, "severityNumber")
    return otlp_logs.log(
        origin,
        time_unix_nano=given.fixed64(1, "timeUnixNano") or None,
        observed_unix_nano=given.fixed64(11, "observedTimeUnixNano") or None,
        severity_number=otlp_logs.within(severity, SEVERITY, f"{given.path}.severityNumber"),
        severity_text=given.text(3, "severityText"),
        event_name=given.text(12, "eventName"),
        body=_value(given.message(5, "body"), 0),
        attributes=_attributes(given, 6),
        attributes_dropped=_count(given, 7),
        trace_id=_identifier(given, 9, "traceId", TRACE_ID_BYTES),
        span_id=_identifier(given, 10, "spanId", SPAN_ID_BYTES),
    )


def _attributes(given: Message, number: int) -> dict[str, Value]:
    pairs = _pairs(given, number, "attributes", 0)
    return otlp_logs.mapping(pairs, f"{given.path}.attributes")


def _pairs(given: Message, number: int, name: str, depth: int) -> Iterator[tuple[str, Value]]:
    for each in given.messages(number, name):
        yield each.text(1, "key"), _value(each.message(2, "value"), depth)


def _value(given: Message, depth: int) -> Value:
    kinds = [number for number in range(_STRING, _BYTES + 1) if given.has(number)]
    match otlp_logs.only(kinds, given.path):
        case 1:
            return given.text(_STRING, "stringValue")
        case 2:
            return given.boolean(_BOOL, "boolValue")
        case 3:
            return given.signed(_INT, "intValue")
        case 4:
            return otlp_logs.decimal(given.double(_DOUBLE, "doubleValue"))
        case 5:
            block = given.message(_ARRAY, "arrayValue")
            below = otlp_logs.deeper(depth, block.path)
            return [_value(each, below) for each in block.messages(1, "values")]
        case 6:
            block = given.message(_PAIRS, "kvlistValue")
            below = otlp_logs.deeper(depth, block.path)
            return otlp_logs.mapping(_pairs(block, 1, "values", below), f"{block.path}.values")
        case 7:
            return otlp_logs.octets_text(given.octets(_BYTES, "bytesValue"))
    return None


def _count(given: Message, number: int) -> int:
    name = "droppedAttributesCount"
    return otlp_logs.within(given.unsigned(number, name), UINT32, f"{given.path}.{name}")


def _identifier(given: Message, number: int, name: str, size: int) -> str | None:
    return otlp_logs.identifier(given.octets(number, name), size, f"{given.path}.{name}")
