"""CloudEvents: an envelope around an event of ours, or told as it is."""

from __future__ import annotations

import contextlib
import json
from typing import Any

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
    found = parse_event(cloudevents.event_of(octets, now=NOW, id=ID))
    actions.check(found, NOON)
    return found


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
