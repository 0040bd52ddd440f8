"""CloudEvents: an envelope around an event of ours, or told as it is."""

from __future__ import annotations

import contextlib
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail import actions
from deploytrail.errors import SenderError
from deploytrail.event import EventId
from deploytrail.formats import cloudevents
from deploytrail.untrusted import parse_event
from tests.events import body
from tests.fakes import NOON

ID = EventId("01a1b2c3-0000-7000-8000-000000000001")
NOW = "2026-11-22T12:00:00.000000Z"
PLAIN = {
    "specversion": "1.0",
    "id": "42",
    "source": "https://ci.example/pipelines/7",
    "type": "deployment.succeeded",
    "subject": "payments/api",
    "time": "2026-11-22T11:00:00Z",
}


def event_of(envelope: Any) -> Any:
    octets = envelope if isinstance(envelope, bytes) else json.dumps(envelope).encode()
    found = parse_event(cloudevents.meant(octets, now=NOW, id=ID).event)
    actions.check(found, NOON)
    return found


def body_of(envelope: Any) -> bytes:
    octets = envelope if isinstance(envelope, bytes) else json.dumps(envelope).encode()
    return cloudevents.meant(octets, now=NOW, id=ID).body


def test_data_that_is_an_event_of_ours_is_that_event() -> None:
    ours = body()
    envelope = json.dumps(PLAIN).encode()[:-1] + b', "data": ' + ours + b"}"
    assert event_of(envelope) == parse_event(ours)


def test_an_action_of_ours_is_told_as_such() -> None:
    found = event_of(PLAIN)
    assert (found.action, found.outcome) == ("deployment.succeeded", "unknown")
    assert found.time.isoformat() == "2026-11-22T11:00:00+00:00"
    assert [(each.type, each.id) for each in found.targets] == [
        ("cloudevent.subject", "payments/api")
    ]
    assert found.source.delivery == "https://ci.example/pipelines/7 42"


def test_another_type_is_a_delivery_that_nobody_knows() -> None:
    found = event_of({**PLAIN, "type": "com.example.ping", "data": {"hello": 1}})
    assert found.action == cloudevents.UNRECOGNISED
    assert found.targets[0].id == "com.example.ping"


def test_without_a_time_it_is_now() -> None:
    found = event_of({name: each for name, each in PLAIN.items() if name != "time"})
    assert found.time == NOON


def test_headers_and_data_are_the_same_envelope() -> None:
    headers = {f"ce-{name}": value for name, value in PLAIN.items()}
    whole = cloudevents.envelope({**headers, "content-type": "application/json"}, b'{"a": 1}')
    assert json.loads(whole) == {**PLAIN, "data": {"a": 1}}
    assert whole == cloudevents.envelope(dict(reversed(headers.items())), b'{"a": 1}')


HEADERS = {f"ce-{name}": value for name, value in PLAIN.items()}
WITH_DATA: dict[str, Any] = {**PLAIN, "data": {"a": 1, "b": [None, "\u00e9", 1.5]}}
SAME: dict[str, Any] = {
    "another order of keys": dict(reversed(WITH_DATA.items())),
    "another order in its data": {**PLAIN, "data": dict(reversed(WITH_DATA["data"].items()))},
    "blanks": json.dumps(WITH_DATA, indent=3).encode(),
    "text that is not escaped": json.dumps(WITH_DATA, ensure_ascii=False).encode(),
    "an attribute that is not set": {**WITH_DATA, "dataschema": None},
    "the type of its data": {**WITH_DATA, "datacontenttype": "application/JSON; charset=utf-8"},
    "headers": cloudevents.envelope(HEADERS, json.dumps(WITH_DATA["data"]).encode()),
}


@pytest.mark.parametrize("reason", SAME)
def test_one_cloudevent_has_one_body_also_with(reason: str) -> None:
    assert body_of(SAME[reason]) == body_of(WITH_DATA)


OTHER: dict[str, Any] = {
    "id": {**WITH_DATA, "id": "43"},
    "time": {**WITH_DATA, "time": "2026-11-22T11:00:01Z"},
    "extension": {**WITH_DATA, "traceparent": "x"},
    "type of its data": {**WITH_DATA, "datacontenttype": "text/plain"},
    "data": {**WITH_DATA, "data": {**WITH_DATA["data"], "a": 2}},
    "type in its data": {**WITH_DATA, "data": {**WITH_DATA["data"], "a": "1"}},
    "order in a list": {**WITH_DATA, "data": {"a": 1, "b": ["\u00e9", None, 1.5]}},
    "null in its data": {**WITH_DATA, "data": {**WITH_DATA["data"], "c": None}},
    "large number": {**WITH_DATA, "data": 10**40},
    "larger number": {**WITH_DATA, "data": 10**40 + 1},
    "data, that is null": {**PLAIN, "data": None},
    "data, that there is none": PLAIN,
}


@pytest.mark.parametrize("reason", OTHER)
def test_a_cloudevent_has_another_body_with_another(reason: str) -> None:
    others = {name: body_of(each) for name, each in OTHER.items() if name != reason}
    assert body_of(OTHER[reason]) not in {body_of(WITH_DATA), *others.values()}


def test_what_is_a_word_or_a_number_is_its_text_in_headers() -> None:
    extended = {**PLAIN, "sampled": True, "sequence": 7}
    headers = HEADERS | {"ce-sampled": "true", "ce-sequence": "7"}
    assert body_of(extended) == body_of(cloudevents.envelope(headers, b""))


DECODED = {
    "/ci%C3%A9b": "/ci\u00e9b",
    "/ci%c3%a9b": "/ci\u00e9b",
    "Euro%20%E2%82%AC%20%F0%9F%98%80": "Euro \u20ac \U0001f600",
    "%41lice": "Alice",
    "100%25": "100%",
    "%2541": "%41",
    "50%": "50%",
    "a+b": "a+b",
    '"a b"': "a b",
    r'"a \"b\" \\"': 'a "b" \\',
    '"%22"': '"',
    '5" wide': '5" wide',
    "\xc3\xa9": "\u00e9",
}


@pytest.mark.parametrize("value", DECODED)
def test_a_header_is_unquoted_and_percent_decoded_once(value: str) -> None:
    found = json.loads(cloudevents.envelope({**HEADERS, "ce-subject": value}, b""))
    assert found["subject"] == DECODED[value]


@given(st.text(min_size=1).filter(lambda text: text.isprintable()))
def test_any_text_comes_through_headers(text: str) -> None:
    value = quote(text, safe="!#$&'()*+,/:;=?@[]")
    found = cloudevents.envelope({**HEADERS, "ce-subject": value}, b"")
    assert body_of(found) == body_of({**PLAIN, "subject": text})


HEADERS_REFUSED = {
    "no UTF-8": ({"ce-subject": "%FF"}, b"", "ce-subject: expected UTF-8, percent-encoded"),
    "too long UTF-8": ({"ce-subject": "%C0%A0"}, b"", "ce-subject: expected UTF-8"),
    "half a surrogate": ({"ce-subject": "%ED%A0%80"}, b"", "ce-subject: expected UTF-8"),
    "Latin-1": ({"ce-subject": "\xe9"}, b"", "ce-subject: expected UTF-8"),
    "its data": ({"ce-data": "{}"}, b"", "ce-data: expected data in the body"),
    "the type of its data": (
        {"ce-datacontenttype": "text/plain"}, b"{}", "ce-datacontenttype: expected data",
    ),
    "no JSON": ({}, b"hello", "cloudevent.data: expected JSON"),
    "a line break in its source": ({"ce-source": "a%0Ab"}, b"", "cloudevent.source: expected"),
    "a zero byte in its id": ({"ce-id": "%00"}, b"", "cloudevent.id: expected"),
    "a blank in its type": ({"ce-type": "a%20b"}, b"", "cloudevent.type: expected"),
}  # fmt: skip


@pytest.mark.parametrize("reason", HEADERS_REFUSED)
def test_headers_are_refused_with(reason: str) -> None:
    headers, data, said = HEADERS_REFUSED[reason]
    with pytest.raises(SenderError) as raised:
        event_of(cloudevents.envelope(HEADERS | headers, data))
    assert said in str(raised.value)


REFUSED = {
    "no JSON": (b"{", "cloudevent: expected JSON"),
    "no object": (b"[]", "cloudevent: expected an object"),
    "no version": ({**PLAIN, "specversion": None}, "cloudevent.specversion: is missing"),
    "another version": ({**PLAIN, "specversion": "0.3"}, "expected 1.0"),
    "no id": ({**PLAIN, "id": None}, "cloudevent.id: is missing"),
    "an empty id": ({**PLAIN, "id": ""}, "cloudevent.id: expected 1 to 250 characters"),
    "a blank in the source": ({**PLAIN, "source": "a b"}, "cloudevent.source: expected"),
    "a long type": ({**PLAIN, "type": "x" * 251}, "cloudevent.type: expected"),
    "bytes": ({**PLAIN, "data_base64": "AAAA"}, "cloudevent.data_base64: expected JSON"),
    "a number for a time": ({**PLAIN, "time": 7}, "cloudevent.time: expected text"),
    "a time that does not exist": ({**PLAIN, "time": "2026-02-30T00:00:00Z"}, "time: expected"),
    "a key twice": (b'{"specversion":"1.0","specversion":"1.0"}', "each key once"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_an_envelope_is_refused_with(reason: str) -> None:
    given, said = REFUSED[reason]
    with pytest.raises(SenderError) as raised:
        event_of(given)
    assert said in str(raised.value)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*PLAIN, "data"]), _json))
def test_whatever_comes_is_read_or_refused(changed: dict[str, Any]) -> None:
    with contextlib.suppress(SenderError):
        event_of({**PLAIN, **changed})
