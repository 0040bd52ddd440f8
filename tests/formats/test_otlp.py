"""Logs of OTLP: the same values from both encodings, and the same refusals."""

from __future__ import annotations

import base64
import contextlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.errors import Malformed, SenderError, TooLarge
from deploytrail.formats import otlp_json, otlp_protobuf
from deploytrail.formats.otlp_logs import (
    ATTRIBUTES_MAX,
    EXPORT_BYTES_MAX,
    LOGS_MAX,
    VALUE_DEPTH_MAX,
    Log,
)
from tests.formats import wire
from tests.formats.otlp import ALICE, export, protobuf
from tests.searching import examples


def as_json(content: Any) -> tuple[Log, ...]:
    return otlp_json.logs(json.dumps(content).encode())


def as_protobuf(content: Any) -> tuple[Log, ...]:
    return otlp_protobuf.logs(protobuf(content))


READERS: dict[str, Callable[[Any], tuple[Log, ...]]] = {"JSON": as_json, "protobuf": as_protobuf}
OCTET_READERS = {"JSON": otlp_json.logs, "protobuf": otlp_protobuf.logs}


@pytest.fixture(params=READERS)
def logs(request: pytest.FixtureRequest) -> Callable[[Any], tuple[Log, ...]]:
    return READERS[request.param]


def body(value: Any, logs: Callable[[Any], tuple[Log, ...]]) -> Any:
    (found,) = logs(export(value))
    return found.body


def test_a_log_is_read_with_its_resource_and_scope(
    logs: Callable[[Any], tuple[Log, ...]],
) -> None:
    first, second, third = logs(ALICE)
    assert first == Log(
        resource={"service.name": "payments"},
        resource_dropped=1,
        scope_name="acme.deploy",
        scope_version="2.1",
        scope={"team": "infra"},
        scope_dropped=2,
        time_unix_nano=1795348800000000001,
        observed_unix_nano=1795348800000000002,
        severity_number=9,
        severity_text="INFO",
        event_name="deployment.started",
        body="alice deploys",
        attributes={
            "user.id": "alice",
            "attempt": -7,
            "is.prod": True,
            "ratio": 0.5,
            "key": "AP8=",
            "nothing": None,
        },
        attributes_dropped=3,
        trace_id="5b8efff798038103d269b633813fc60c",
        span_id="eee19b7ec3c1b174",
    )
    assert (second.resource, second.body) == ({"service.name": "payments"}, {})
    assert third == Log(resource={})


def test_a_body_is_text_or_its_json(logs: Callable[[Any], tuple[Log, ...]]) -> None:
    nested = {
        "kvlistValue": {
            "values": [
                {"key": "who", "value": {"stringValue": "älice"}},
                {"key": "steps", "value": {"arrayValue": {"values": [{"intValue": 1}, {}]}}},
            ]
        }
    }
    texts = [found.text for found in (*logs(export({"stringValue": "a"})), *logs(export(nested)))]
    assert texts == ["a", '{"who":"älice","steps":[1,null]}']
    assert logs(export())[0].text == ""
    assert logs(export({"stringValue": ""}))[0].body == ""


def test_zero_is_an_unknown_time_and_an_absent_id(
    logs: Callable[[Any], tuple[Log, ...]],
) -> None:
    (found,) = logs(export(timeUnixNano="0", traceId="00" * 16, spanId="00" * 8))
    assert (found.time_unix_nano, found.trace_id, found.span_id) == (None, None, None)


def test_doubles_that_json_has_no_number_for_are_told_by_name(
    logs: Callable[[Any], tuple[Log, ...]],
) -> None:
    for name in ("NaN", "Infinity", "-Infinity"):
        assert body({"doubleValue": name}, logs) == name
    found = body({"doubleValue": -2}, logs)
    assert (found, type(found)) == (-2.0, float)


def test_a_truth_is_no_number(logs: Callable[[Any], tuple[Log, ...]]) -> None:
    assert body({"boolValue": False}, logs) is False
    assert body({"boolValue": True}, logs) is True


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
LEAVES: st.SearchStrategy[Any] = (
    st.builds(lambda it: {"stringValue": it}, TEXT)
    | st.builds(lambda it: {"boolValue": it}, st.booleans())
    | st.builds(lambda it: {"intValue": str(it)}, INT64)
    | st.builds(lambda it: {"intValue": it}, INT64)
    | st.builds(lambda it: {"doubleValue": it}, st.floats(allow_nan=False, allow_infinity=False))
    | st.builds(lambda it: {"doubleValue": it}, st.sampled_from(["NaN", "Infinity", "-Infinity"]))
    | st.builds(lambda it: {"bytesValue": base64.b64encode(it).decode()}, st.binary(max_size=9))
    | st.just({})
)


def pairs(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(TEXT, values, max_size=4).map(
        lambda found: [{"key": key, "value": value} for key, value in found.items()]
    )


VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(lambda it: {"arrayValue": {"values": it}}, st.lists(inner, max_size=4))
        | st.builds(lambda it: {"kvlistValue": {"values": it}}, pairs(inner))
    ),
    max_leaves=10,
)
COUNTS = st.integers(0, (1 << 32) - 1)
LOGS = st.fixed_dictionaries(
    {},
    optional={
        "timeUnixNano": st.integers(0, (1 << 64) - 1).map(str),
        "observedTimeUnixNano": st.integers(0, (1 << 64) - 1),
        "severityNumber": st.integers(0, (1 << 31) - 1),
        "severityText": TEXT,
        "eventName": TEXT,
        "body": VALUES,
        "attributes": pairs(VALUES),
        "droppedAttributesCount": COUNTS,
        "traceId": st.binary(min_size=16, max_size=16).map(bytes.hex),
        "spanId": st.binary(min_size=8, max_size=8).map(bytes.hex),
    },
)
ORIGINS = st.fixed_dictionaries(
    {},
    optional={"attributes": pairs(VALUES), "droppedAttributesCount": COUNTS},
)
SCOPES = st.fixed_dictionaries(
    {"logRecords": st.lists(LOGS, max_size=3)},
    optional={"scope": ORIGINS.map(lambda found: {**found, "name": "acme", "version": "1"})},
)
EXPORTS = st.lists(
    st.fixed_dictionaries(
        {"scopeLogs": st.lists(SCOPES, max_size=2)}, optional={"resource": ORIGINS}
    ),
    max_size=2,
).map(lambda found: {"resourceLogs": found})


@examples(150)
@given(EXPORTS)
def test_both_encodings_of_one_content_are_the_same_values(content: Any) -> None:
    # By their text: 1, 1.0 and True are equal, and three different things.
    assert repr(as_json(content)) == repr(as_protobuf(content))


@pytest.mark.parametrize("name", ["logs.json", "events.json"])
def test_opentelemetrys_own_examples_are_the_same_values(name: str, fixtures: Path) -> None:
    octets = (fixtures / "otlp-examples" / name).read_bytes()
    found = otlp_json.logs(octets)
    assert len(found) == 1
    assert repr(found) == repr(as_protobuf(json.loads(octets)))
    assert found[0].resource == {"service.name": "my.service"}
    assert (found[0].event_name, found[0].severity_number) in {("", 10), ("browser.page_view", 9)}


def chain(levels: int) -> Any:
    """A value of so many arrays in each other."""
    found: Any = {"intValue": 1}
    for _ in range(levels):
        found = {"arrayValue": {"values": [found]}}
    return found


def attributes(*keys: str) -> Any:
    return export(attributes=[{"key": key, "value": {"intValue": 1}} for key in keys])


LOG = r"otlp\.resourceLogs\[0\]\.scopeLogs\[0\]\.logRecords\[0\]"
BAD: dict[str, tuple[Any, str]] = {
    "a key given twice": (attributes("a", "b", "a"), rf"{LOG}\.attributes\[2\]\.key: .* found it"),
    "two kinds of value": (
        export({"intValue": 1, "stringValue": "1"}),
        rf"{LOG}\.body: expected a value of one kind, found 2",
    ),
    "a trace id that is short": (export(traceId="ab"), rf"{LOG}\.traceId: expected 16 bytes"),
    "zeroes that are short": (export(traceId="00"), rf"{LOG}\.traceId: expected 16 bytes"),
    "a span id that is long": (export(spanId="ab" * 16), rf"{LOG}\.spanId: expected 8 bytes"),
    "a severity below zero": (export(severityNumber=-1), rf"{LOG}\.severityNumber: expected a n"),
    "more than uint32": (
        export(droppedAttributesCount=1 << 32),
        rf"{LOG}\.droppedAttributesCount: expected a number from 0",
    ),
    "a value that is too deep": (
        export(chain(VALUE_DEPTH_MAX + 1)),
        rf"{LOG}\.body\.arrayValue.*: expected at most {VALUE_DEPTH_MAX} levels",
    ),
}


@pytest.mark.parametrize("reason", BAD)
def test_both_encodings_refuse_in_the_same_words(reason: str) -> None:
    content, told = BAD[reason]
    refusals = []
    for read in READERS.values():
        with pytest.raises(Malformed, match=told) as refused:
            read(content)
        refusals.append(str(refused.value))
    assert refusals[0] == refusals[1]


def test_a_value_may_be_as_deep_as_is_allowed(logs: Callable[[Any], tuple[Log, ...]]) -> None:
    assert body(chain(VALUE_DEPTH_MAX), logs) == json.loads(
        "[" * VALUE_DEPTH_MAX + "1" + "]" * VALUE_DEPTH_MAX
    )


def test_many_attributes_and_many_logs_are_refused(
    logs: Callable[[Any], tuple[Log, ...]],
) -> None:
    keys = [str(each) for each in range(ATTRIBUTES_MAX + 1)]
    assert len(logs(attributes(*keys[:-1]))[0].attributes) == ATTRIBUTES_MAX
    with pytest.raises(TooLarge, match=rf"{LOG}\.attributes: expected at most {ATTRIBUTES_MAX}"):
        logs(attributes(*keys))
    # Over all scopes, and not of each.
    scope: dict[str, Any] = {"logRecords": [{}] * (LOGS_MAX // 2)}
    most: Any = {"resourceLogs": [{"scopeLogs": [scope]}] * 2}
    assert len(logs(most)) == LOGS_MAX
    most["resourceLogs"].append(export()["resourceLogs"][0])
    with pytest.raises(TooLarge, match=f"expected at most {LOGS_MAX} logs"):
        logs(most)


BAD_JSON: dict[str, tuple[Any, str]] = {
    "an array": ([], "otlp: expected an object, found an array"),
    "a name of a severity": (export(severityNumber="INFO"), r"severityNumber: expected an int"),
    "a fraction for an integer": (export({"intValue": 1.5}), r"intValue: expected an integer"),
    "a truth for an integer": (export({"intValue": True}), r"intValue: expected an integer"),
    "more than int64": (export({"intValue": str(1 << 63)}), r"intValue: expected a number from"),
    "less than int64": (export({"intValue": -(1 << 63) - 1}), r"intValue: expected a number from"),
    "digits of another script": (export({"intValue": "١"}), r"intValue: expected an integer"),
    "a time before 1970": (export(timeUnixNano="-1"), r"timeUnixNano: expected a number from 0"),
    "words for a double": (export({"doubleValue": "half"}), r"doubleValue: expected a number"),
    "a double beyond doubles": (export({"doubleValue": 10**400}), r"doubleValue: expected a num"),
    "a text beyond doubles": (export({"doubleValue": "1e999"}), r"doubleValue: expected a number"),
    "a truth for a double": (export({"doubleValue": True}), r"doubleValue: expected a number"),
    "no base64": (export({"bytesValue": "a*"}), r"bytesValue: expected base64"),
    "base64 that is cut off": (export({"bytesValue": "a"}), r"bytesValue: expected base64"),
    "base64 for an id": (export(traceId="W47/95gDgQPSabYz"), r"traceId: expected 32 hexadecimal"),
    "an odd number of digits": (export(spanId="abc"), r"spanId: expected 16 hexadecimal"),
    "an id in another script": (export(spanId="é" * 16), r"spanId: expected 16 hexadecimal"),
    "a number for a body": (export(5), r"body: expected an object"),
    "text for logs": ({"resourceLogs": [{"scopeLogs": "a"}]}, r"scopeLogs: expected an array"),
}


@pytest.mark.parametrize("reason", BAD_JSON)
def test_json_of_another_shape_is_refused(reason: str) -> None:
    content, told = BAD_JSON[reason]
    with pytest.raises(Malformed, match=told):
        as_json(content)


def test_json_may_say_null_and_what_nobody_knows() -> None:
    (found,) = as_json(
        {**export({"stringValue": "a", "later": 1}, time_unix_nano=5, attributes=None), "x": {}}
    )
    assert found == Log(resource={}, body="a")


def test_octets_may_be_in_either_base64_and_without_padding() -> None:
    for text in ("-_8=", "+/8=", "-_8", "+/8"):
        assert body({"bytesValue": text}, as_json) == "+/8="


def test_an_export_that_is_too_large_is_refused() -> None:
    for read in OCTET_READERS.values():
        with pytest.raises(TooLarge, match=f"otlp: expected at most {EXPORT_BYTES_MAX} bytes"):
            read(bytes(EXPORT_BYTES_MAX + 1))


def test_answers_say_what_was_rejected_and_why() -> None:
    assert (otlp_json.answer(), otlp_protobuf.answer()) == (b"{}", b"")
    assert json.loads(otlp_json.answer(3, "no actor")) == {
        "partialSuccess": {"rejectedLogRecords": "3", "errorMessage": "no actor"}
    }
    partial = wire.number(1, 3) + wire.octets(2, "no actor")
    assert otlp_protobuf.answer(3, "no actor") == wire.octets(1, partial)
    # Nothing rejected and a message is a warning.
    assert json.loads(otlp_json.answer(0, "mind"))["partialSuccess"]["rejectedLogRecords"] == "0"
    assert otlp_protobuf.answer(0, "mind") == wire.octets(1, wire.octets(2, "mind"))


def test_a_refusal_is_a_status_with_its_message() -> None:
    assert json.loads(otlp_json.refusal("too large")) == {"message": "too large"}
    assert otlp_protobuf.refusal("too large") == wire.octets(2, "too large")


@examples(300)
@given(st.data())
def test_changed_exports_are_read_or_refused(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(OCTET_READERS)))
    octets = bytearray(protobuf(ALICE) if name == "protobuf" else json.dumps(ALICE).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.none() | st.integers(0, len(octets)))
    with contextlib.suppress(SenderError):
        for found in OCTET_READERS[name](bytes(octets[:cut])):
            assert math.isfinite(len(found.text))


@examples(300)
@given(st.binary(max_size=300))
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    for read in OCTET_READERS.values():
        with contextlib.suppress(SenderError):
            read(octets)
