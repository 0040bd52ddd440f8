"""Foreign JSON: read strictly, and refused with the field, what was expected and what to do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail import actions
from deploytrail.errors import Malformed, TooLarge
from deploytrail.event import EVENT_BYTES_MAX, Event
from deploytrail.untrusted import Untrusted, parse_event, parse_json
from tests.events import body, event, events
from tests.fakes import NOON
from tests.searching import examples

PLAIN: dict[str, Any] = json.loads(body())
RAW = json.dumps(PLAIN).encode()


def changed(**fields: Any) -> bytes:
    """Alice's event with these fields; None leaves one out."""
    whole = {**PLAIN, **fields}
    return json.dumps({name: value for name, value in whole.items() if value is not None}).encode()


def added(members: str) -> bytes:
    """Alice's event with members that `json.dumps` would not write."""
    return RAW[:-1] + b"," + members.encode("utf-8", "surrogatepass") + b"}"


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


BAD: dict[str, tuple[bytes, str]] = {
    # Not JSON, or not ours to read.
    "nothing": (b"", "event: expected JSON"),
    "no JSON": (b"<xml/>", "event: expected JSON.*character 0"),
    "cut off": (RAW[:-1], "event: expected JSON"),
    "two values": (RAW + RAW, "event: expected JSON; Extra data"),
    "single quotes": (b"{'id': 1}", "event: expected JSON"),
    "a trailing comma": (RAW[:-1] + b",}", "event: expected JSON"),
    "a raw newline in text": (added('"trigger":"hu\nman"'), "event: expected JSON.*control"),
    "an array": (b"[]", "event: expected an object, found an array"),
    "a byte order mark": (b"\xef\xbb\xbf" + RAW, "event: expected UTF-8 without a byte order mark"),
    "UTF-16": (RAW.decode().encode("utf-16"), "event: expected UTF-8, found a zero byte"),
    "UTF-16 without a mark": (RAW.decode().encode("utf-16-le"), "event: expected UTF-8"),
    "Latin-1": (added('"trigger":"é"').decode().encode("latin-1"), "event: expected UTF-8"),
    "Latin-1 where a time stands": (
        RAW.replace(b"T12:", b"\xe912:", 1),
        "time: expected an RFC 3339 time",
    ),
    "too deep": (b"[" * 50_000, "event: expected"),
    "too deep in a field": (added(f'"where":{nested(5_000)}'), r"where\.a: is no field of where"),
    # Numbers.
    "NaN": (added('"duration_ms":NaN'), "duration_ms: expected a JSON number, found NaN"),
    "Infinity": (added('"attempt":Infinity'), "attempt: expected a JSON number, found Infinity"),
    "-Infinity": (added('"drift":{"added":-Infinity}'), r"drift\.added: .*found -Infinity"),
    "1e400": (added('"duration_ms":1e400'), "duration_ms: expected a number below"),
    "2^53": (changed(duration_ms=2**53), "duration_ms: expected .*found 9007199254740992"),
    "5,000 digits": (added(f'"attempt":{"9" * 5_000}'), "attempt: expected"),
    "a float": (changed(duration_ms=1.5), "duration_ms: expected an integer, found 1.5"),
    "a whole float": (changed(duration_ms=1.0), "duration_ms: expected an integer, found 1.0"),
    "below zero": (changed(attempt=-1), "attempt: expected an integer >= 0, found -1"),
    "true as a number": (changed(attempt=True), "attempt: expected an integer, found True"),
    "text as a number": (changed(attempt="1"), "attempt: expected an integer, found '1'"),
    # Lone surrogates.
    "a lone surrogate": (added(r'"links":{"run":"\ud800"}'), r"links\.run: expected Unicode"),
    "a lone low surrogate": (added(r'"links":{"run":"a\udc00b"}'), r"links\.run: expected Unicode"),
    "surrogates in the wrong order": (added(r'"links":{"run":"\udc00\ud800"}'), r"links\.run: "),
    "a lone surrogate in a key": (added(r'"\ud800":1'), "event: expected Unicode"),
    "a lone surrogate in an array": (
        added(r'"command":{"tool":"sh","arguments":["a","\ud83d"]}'),
        r"command\.arguments\[1\]: expected Unicode",
    ),
    "a surrogate as bytes": (added('"links":{"run":"\ud800"}'), "event: expected UTF-8"),
    # Names and shapes.
    "an unknown field": (changed(acter={}), "acter: is no field of an event"),
    "an unknown field below": (
        changed(policy={"engine": "opa", "decision": "deny", "violations": [{"rul": "a"}]}),
        r"policy\.violations\[0\]\.rul: is no field of policy\.violations\[0\]",
    ),
    "a missing field below": (changed(targets=[{"id": "a"}]), r"targets\[0\]\.type: is missing"),
    "no actor": (changed(actor=None), "actor: is missing; every event says"),
    "no id": (changed(id=None), "id: is missing"),
    "no time": (changed(time=None), "time: is missing"),
    "no source": (changed(source=None), "source: is missing"),
    "actor as text": (changed(actor="alice"), "actor: expected an object, found 'alice'"),
    "targets as an object": (changed(targets={}), "targets: expected an array, found an object"),
    "an unknown outcome": (
        changed(outcome="ok"),
        "outcome: expected one of success, failure, denied, pending, partial, unknown, found 'ok'",
    ),
    "an unknown type of actor": (
        changed(actor={"type": "robot"}),
        r"actor\.type: expected one of user, service, agent, .*, found 'robot'",
    ),
    "an unknown decision": (
        changed(approval={"decision": "yes"}),
        r"approval\.decision: expected one of requested, granted, .*, found 'yes'",
    ),
    "another schema": (changed(schema=2), "schema: expected one of 1, found 2"),
    "assurance over 3": (
        changed(actor={"type": "user", "id": "a", "auth": {"method": "x", "assurance": 4}}),
        r"actor\.auth\.assurance: expected an integer <= 3, found 4",
    ),
    "an empty word": (changed(plan={"tool": ""}), r"plan\.tool: expected .*at least 1 character"),
    "a long word": (
        changed(plan={"tool": "t" * 65}),
        r"plan\.tool: .*found 65 characters; shorten",
    ),
    "300 targets": (
        changed(targets=[{"type": "a"}] * 300),
        "targets: expected .*found 300 of them",
    ),
    "a number among texts": (
        changed(command={"tool": "sh", "arguments": ["a", 1]}),
        r"command\.arguments\[1\]: expected text, found 1",
    ),
    # Times.
    "a time without zone": (
        changed(time="2026-11-22T12:00:00"),
        "time: expected a time with its zone, found '2026-11-22T12:00:00'; add Z",
    ),
    "a time that is none": (changed(time="noon"), "time: expected an RFC 3339 time, found 'noon'"),
    "a time as a number": (changed(time=1_795_262_400), "time: expected a time, found 1795262400"),
    "the 30th of February": (changed(time="2026-02-30T12:00:00Z"), "time: expected an RFC 3339"),
    "a leap second": (
        changed(time="2016-12-31T23:59:60Z"),
        "time: expected a second from 00 to 59, found '2016-12-31T23:59:60Z'; leap seconds are not",
    ),
    "an absurd zone": (changed(time="2026-11-22T12:00:00+99:00"), "time: expected an RFC 3339"),
}


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_event_is_refused_by_the_name_of_its_field(reason: str) -> None:
    raw, message = BAD[reason]
    with pytest.raises(Malformed) as refused:
        parse_event(raw)
    assert refused.match("^" + message)
    assert len(str(refused.value)) < 300
    assert str(refused.value).isprintable()


TWICE: dict[str, tuple[bytes, str]] = {
    "at the top": (added('"outcome":"failure"'), "outcome: "),
    "with the same value": (added('"outcome":"success"'), "outcome: "),
    "spelled with an escape": (added('"\\u006futcome":"failure"'), "outcome: "),
    "one level down": (
        RAW.replace(b'"type": "user"', b'"type":"user","type":"service"'),
        r"actor\.type: ",
    ),
    "in an item": (
        added('"targets":[{"type":"a"},{"type":"b","type":"c"}]'),
        r"targets\[1\]\.type: ",
    ),
    "in a map": (
        added('"command":{"tool":"sh","variables":{"A":"1","A":"2"}}'),
        r"command\.variables\.A: ",
    ),
    "a whole block": (added('"actor":{"type":"system"}'), "actor: "),
    "an empty block": (added('"where":{},"where":{}'), "where: "),
    "null first": (added('"trigger":null,"trigger":"human"'), "trigger: "),
    "masked by a default": (added('"schema":1,"schema":1'), "schema: "),
    # A dropped key takes its quotes along; these texts try to bring as many back.
    "masked by escaped quotes": (
        added('"outcome":"failure","links":{"trace":"\\"\\""}'),
        "outcome: ",
    ),
    "masked by quotes as escapes": (
        added('"outcome":"failure","links":{"run":"\\u0022\\u0022\\u0022\\u0022"}'),
        "outcome: ",
    ),
    "masked by a quote in a text": (
        added('"reason":{"from":"none","text":"\\""}'),
        "reason: ",
    ),
    "a number twice": (added('"attempt":1,"attempt":2'), "attempt: "),
}


@pytest.mark.parametrize("reason", TWICE)
def test_a_key_twice_is_refused_wherever_it_stands(reason: str) -> None:
    raw, message = TWICE[reason]
    with pytest.raises(Malformed, match="^" + message):
        parse_event(raw)


@examples(100)
@given(events(), st.data())
def test_a_key_twice_is_refused_in_any_event(event: Event, data: st.DataObject) -> None:
    raw = body_of(event)
    assert parse_event(raw) == event
    # The members of every object of the event, as the bytes that follow its opening brace.
    at = data.draw(st.sampled_from(openings(raw)))
    member = first_member(raw, at)
    twice = raw[: at + 1] + member + b"," + raw[at + 1 :]
    with pytest.raises(Malformed, match="twice"):
        parse_event(twice)


def body_of(event: Event) -> bytes:
    return msgspec.json.encode(event)


def openings(raw: bytes) -> list[int]:
    """Where objects with members begin, outside of texts."""
    found, is_text, at = [], False, 0
    while at < len(raw):
        if is_text and raw[at] == ord("\\"):
            at += 1
        elif raw[at] == ord('"'):
            is_text = not is_text
        elif raw[at] == ord("{") and not is_text and raw[at + 1] != ord("}"):
            found.append(at)
        at += 1
    return found


def first_member(raw: bytes, opening: int) -> bytes:
    """The bytes of the first `"name":value` behind an opening brace."""
    text = raw[opening + 1 :].decode()
    name, behind = json.JSONDecoder().raw_decode(text)
    assert isinstance(name, str)
    _, length = json.JSONDecoder().raw_decode(text[behind + 1 :])
    return text[: behind + 1 + length].encode()


def test_what_reads_alike_is_read() -> None:
    spelled = RAW.replace(b'"outcome"', b'"\\u006futcome"').replace(b"{", b"{ \n\t", 1)
    assert parse_event(spelled) == parse_event(RAW)
    assert parse_event(added('"trigger":null,"schema":1')) == parse_event(RAW)


def test_an_event_of_the_greatest_size_is_read_and_one_byte_more_is_not() -> None:
    padded = RAW + b" " * (EVENT_BYTES_MAX - len(RAW))
    assert parse_event(padded) == parse_event(RAW)
    with pytest.raises(TooLarge, match="event: expected at most 60000 bytes, found 60001; keep"):
        parse_event(padded + b" ")


ABSURD: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown action": ({"action": "deployment.startd"}, "action: .*deployment.started"),
    "an action in another case": ({"action": "Deployment.Started"}, "action: expected"),
    "an action of the trail's own": ({"action": "audit.subject.erased"}, "action: expected"),
    "an id of another version": ({"id": "0189ab2f-7c3e-4a51-8d0e-3f1b2c4d5e6f"}, "id: .*UUIDv7"),
    "an id in capitals": ({"id": PLAIN["id"].upper().replace("0", "A")}, "id: expected a UUIDv7"),
    "a user without an id": ({"actor": {"type": "user"}}, r"actor\.id: is missing"),
    "the year 1970": ({"time": "1970-01-01T00:00:00Z"}, "time: .*not before 2000-01-01"),
    "the year 1": ({"time": "0001-01-01T00:00:00+14:00"}, "time: expected"),
    "the year 9999": ({"time": "9999-12-31T23:59:59-14:00"}, "time: .*24 hours ahead"),
    "two days ahead": ({"time": "2026-11-24T12:00:00Z"}, "time: .*mend the sender's clock"),
    "heard of too early": ({"observed": "1999-01-01T00:00:00Z"}, "observed: expected"),
}


@pytest.mark.parametrize("reason", ABSURD)
def test_what_types_cannot_tell_is_refused_by_the_catalogue(reason: str) -> None:
    fields, message = ABSURD[reason]
    with pytest.raises(Malformed, match="^" + message):
        actions.check(parse_event(changed(**fields)), NOON)


def test_a_time_of_tomorrow_at_this_hour_is_the_latest() -> None:
    latest = event(time=NOON + timedelta(hours=24))
    assert actions.check(latest, NOON) is latest
    assert latest.time > datetime(2026, 11, 23, tzinfo=UTC)


JSON_BAD: dict[str, tuple[bytes, str]] = {
    "a key twice": (b'{"a":{"b":[{"c":1,"c":2}]}}', r"body\.a\.b\[0\]\.c: expected each key once"),
    "a key twice at the top": (b'{"a":1,"a":1}', r"body\.a: "),
    "a key twice by an escape": (b'{"a":1,"\\u0061":1}', r"body\.a: "),
    "NaN": (b'{"a":[NaN]}', r"body\.a\[0\]: expected a JSON number, found NaN"),
    "NaN alone": (b"NaN", "body: expected a JSON number"),
    "1e400": (b'{"a":1e400}', r"body\.a: expected a number below 1.8e308"),
    "-1e400": (b"[-1e400]", r"body\[0\]: expected a number below"),
    "5,000 digits": (b'{"a":' + b"9" * 5_000 + b"}", "body: expected numbers of at most 4,300"),
    "a lone surrogate": (b'{"a":"\\ud800"}', r"body\.a: expected Unicode"),
    "a lone surrogate in an array": (b'{"a":["\\udfff"]}', r"body\.a\[0\]: expected Unicode"),
    "a lone surrogate alone": (b'"\\ud800"', "body: expected Unicode"),
    "a lone surrogate in a key": (b'{"a":{"\\ud800":1}}', "body: expected Unicode"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "body: expected UTF-8 without"),
    "UTF-16": ('{"a":1}'.encode("utf-16-be"), "body: expected UTF-8, found a zero byte"),
    "bytes that are not UTF-8": (b'{"a":"\xff"}', "body: expected UTF-8, found byte 6"),
    "9 levels": (nested(9).encode(), "body.a.a.a.a.a.a.a.a: expected at most 8 levels"),
    "9 arrays": (b"[" * 9 + b"]" * 9, r"body(\[0\])+: expected at most 8 levels"),
    "100,000 levels": (b"[" * 100_000 + b"]" * 100_000, "body: expected at most 8 levels"),
    "half a value": (b'{"a":', "body: expected JSON"),
}


@pytest.mark.parametrize("reason", JSON_BAD)
def test_bad_json_is_refused_with_its_path(reason: str) -> None:
    raw, message = JSON_BAD[reason]
    with pytest.raises(Malformed, match="^" + message):
        parse_json(raw, bytes_max=1_000_000, depth_max=8)


def test_json_of_the_greatest_size_and_depth_is_read() -> None:
    raw = nested(8).encode()
    assert parse_json(raw, bytes_max=len(raw), depth_max=8) == json.loads(raw)
    with pytest.raises(TooLarge, match=f"plan: expected at most {len(raw) - 1} bytes"):
        parse_json(raw, what="plan", bytes_max=len(raw) - 1)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda below: st.lists(below) | st.dictionaries(st.text(max_size=4), below),
)  # fmt: skip


@given(_values)
def test_sound_json_is_read_as_it_was_meant(value: Any) -> None:
    assert parse_json(json.dumps(value).encode(), bytes_max=10**6) == value


def test_many_keys_with_one_twice_are_refused_in_no_time() -> None:
    keys = ",".join(f'"{number}":0' for number in range(200_000))
    with pytest.raises(Malformed, match=r"body\.199999: expected each key once"):
        parse_json(f'{{{keys},"199999":1}}'.encode(), bytes_max=10**7)


BODY = Untrusted(
    {"text": "a", "number": 1, "yes": True, "none": None, "block": {"in": 1}, "list": [{}, "b"]}
)
READS: dict[str, tuple[Any, str]] = {
    "absent text": (lambda: BODY.text("no"), "body.no: is missing"),
    "null text": (lambda: BODY.text("none"), "body.none: is missing"),
    "number as text": (lambda: BODY.text("number"), "body.number: expected text, found an integer"),
    "boolean as integer": (lambda: BODY.integer("yes"), "body.yes: expected an integer, found a b"),
    "text as integer": (lambda: BODY.optional_integer("text"), "body.text: expected an integer"),
    "integer as boolean": (lambda: BODY.optional_boolean("number"), "body.number: expected true"),
    "text as block": (lambda: BODY.block("text"), "body.text: expected an object, found text"),
    "absent block": (lambda: BODY.block("no"), "body.no: is missing"),
    "missing in a block": (lambda: BODY.block("block").text("no"), "body.block.no: is missing"),
    "text among blocks": (lambda: BODY.blocks("list"), r"body\.list\[1\]: expected an object"),
    "block among texts": (
        lambda: BODY.texts("list"),
        r"body\.list\[0\]: expected text, found an o",
    ),
    "a body that is no object": (lambda: Untrusted([]), "body: expected an object, found an array"),
}


@pytest.mark.parametrize("reason", READS)
def test_a_field_of_another_kind_is_refused_by_its_path(reason: str) -> None:
    read, message = READS[reason]
    with pytest.raises(Malformed, match="^" + message):
        read()


def test_a_field_is_read_or_absent_and_never_silently_empty() -> None:
    assert (BODY.text("text"), BODY.integer("number")) == ("a", 1)
    assert BODY.optional_boolean("yes") is True
    assert BODY.block("block").integer("in") == 1
    assert BODY.optional_text("no") is None
    assert BODY.optional_block("none") is None
    assert BODY.blocks("no") == []
    assert BODY.texts("none") == []
    assert ("text" in BODY, "none" in BODY, "no" in BODY) == (True, False, False)
    assert BODY.names() == ["text", "number", "yes", "none", "block", "list"]
    assert BODY.raw("list") == [{}, "b"]
