"""Exports of OTLP for tests: one content, written in both encodings as their specifications say."""

from __future__ import annotations

import base64
from typing import Any

from tests.formats import wire

ALICE: dict[str, Any] = {
    "resourceLogs": [
        {
            "resource": {
                "attributes": [{"key": "service.name", "value": {"stringValue": "payments"}}],
                "droppedAttributesCount": 1,
            },
            "scopeLogs": [
                {
                    "scope": {
                        "name": "acme.deploy",
                        "version": "2.1",
                        "attributes": [{"key": "team", "value": {"stringValue": "infra"}}],
                        "droppedAttributesCount": 2,
                    },
                    "logRecords": [
                        {
                            "timeUnixNano": "1795348800000000001",
                            "observedTimeUnixNano": 1795348800000000002,
                            "severityNumber": 9,
                            "severityText": "INFO",
                            "eventName": "deployment.started",
                            "body": {"stringValue": "alice deploys"},
                            "attributes": [
                                {"key": "user.id", "value": {"stringValue": "alice"}},
                                {"key": "attempt", "value": {"intValue": "-7"}},
                                {"key": "is.prod", "value": {"boolValue": True}},
                                {"key": "ratio", "value": {"doubleValue": 0.5}},
                                {"key": "key", "value": {"bytesValue": "AP8="}},
                                {"key": "nothing", "value": {}},
                            ],
                            "droppedAttributesCount": 3,
                            "traceId": "5B8EFFF798038103D269B633813FC60C",
                            "spanId": "EEE19B7EC3C1B174",
                            "flags": 1,
                        },
                        {"body": {"kvlistValue": {"values": []}}},
                    ],
                }
            ],
        },
        {"resource": {}, "scopeLogs": [{"logRecords": [{}]}]},
    ]
}
"""Two scopes; with three logs of which the last says nothing."""


def export(body: Any = None, **fields: Any) -> dict[str, Any]:
    """One log with this body and these fields."""
    log = {**({} if body is None else {"body": body}), **fields}
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": [log]}]}]}


def protobuf(content: dict[str, Any]) -> bytes:
    """The octets of what OTLP/JSON says so."""
    return b"".join(
        wire.octets(1, _message(each.get("resource"), 1, _resource) + _scopes(each))
        for each in content["resourceLogs"]
    )


def _message(value: Any, number: int, write: Any) -> bytes:
    return b"" if value is None else wire.octets(number, write(value))


def _scopes(given: dict[str, Any]) -> bytes:
    found = b""
    for each in given.get("scopeLogs", []):
        logs = b"".join(wire.octets(2, _log(log)) for log in each.get("logRecords", []))
        found += wire.octets(2, _message(each.get("scope"), 1, _scope) + logs)
    return found


def _attributes(given: dict[str, Any], number: int) -> bytes:
    return b"".join(wire.octets(number, _pair(each)) for each in given.get("attributes", []))


def _pair(given: dict[str, Any]) -> bytes:
    key = wire.octets(1, given["key"]) if "key" in given else b""
    return key + _message(given.get("value"), 2, _value)


def _count(given: dict[str, Any], number: int) -> bytes:
    return wire.number(number, int(given.get("droppedAttributesCount", 0)))


def _resource(given: dict[str, Any]) -> bytes:
    return _attributes(given, 1) + _count(given, 2)


def _scope(given: dict[str, Any]) -> bytes:
    names = wire.octets(1, given.get("name", "")) + wire.octets(2, given.get("version", ""))
    return names + _attributes(given, 3) + _count(given, 4)


def _log(given: dict[str, Any]) -> bytes:
    return (
        wire.fixed64(1, int(given.get("timeUnixNano", 0)))
        + wire.fixed64(11, int(given.get("observedTimeUnixNano", 0)))
        + wire.number(2, int(given.get("severityNumber", 0)))
        + wire.octets(3, given.get("severityText", ""))
        + _message(given.get("body"), 5, _value)
        + _attributes(given, 6)
        + _count(given, 7)
        + wire.fixed32(8, given.get("flags", 0))
        + wire.octets(9, bytes.fromhex(given.get("traceId", "")))
        + wire.octets(10, bytes.fromhex(given.get("spanId", "")))
        + wire.octets(12, given.get("eventName", ""))
    )


def _value(given: dict[str, Any]) -> bytes:
    found = b""
    for kind, value in given.items():
        found += {
            "stringValue": lambda it: wire.octets(1, it),
            "boolValue": lambda it: wire.number(2, int(it)),
            "intValue": lambda it: wire.number(3, int(it)),
            "doubleValue": lambda it: wire.double(4, float(it)),
            "arrayValue": lambda it: wire.octets(5, _values(it)),
            "kvlistValue": lambda it: wire.octets(
                6, b"".join(wire.octets(1, _pair(each)) for each in it["values"])
            ),
            "bytesValue": lambda it: wire.octets(7, base64.b64decode(it)),
        }[kind](value)
    return found


def _values(given: dict[str, Any]) -> bytes:
    return b"".join(wire.octets(1, _value(each)) for each in given["values"])
