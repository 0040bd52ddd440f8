"""Requests of Amazon Data Firehose: what they hold, what is refused, and what they are answered."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from deploytrail.errors import Malformed, SenderError, TooLarge
from deploytrail.formats import firehose
from deploytrail.formats.firehose import Inner, answer, bodies

ID = "8f0c1c0e-0000-4000-8000-000000000001"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def request(*records: bytes, **more: Any) -> bytes:
    held = [{"data": base64.b64encode(each).decode()} for each in records]
    said = {"requestId": ID, "timestamp": 1_795_348_800_000, "records": held}
    return json.dumps(said | more).encode()


def subscription(*messages: str, kind: str = "DATA_MESSAGE") -> bytes:
    events = [
        {"id": str(at), "timestamp": 1_795_348_800_000, "message": each}
        for at, each in enumerate(messages)
    ]
    said = {
        "messageType": kind,
        "owner": "111122223333",
        "logGroup": "/aws/eks/acme/cluster",
        "logStream": "kube-apiserver-audit-1",
        "subscriptionFilters": ["deploytrail"],
        "logEvents": events,
    }
    return gzip.compress(json.dumps(said).encode())


HELD: dict[str, tuple[bytes, list[bytes]]] = {
    "a value": (b'{"a":1}', [b'{"a":1}']),
    "a value over lines": (b'{\n"a":\n1}\n', [b'{\n"a":\n1}\n']),
    "a value a line": (b'{"a":1}\n\n{"a":2}\r\n', [b'{"a":1}', b'{"a":2}']),
    "values without a line's end": (b' {"a":"}{"} {"a":2}', [b'{"a":"}{"}', b'{"a":2}']),
    "packed": (gzip.compress(b'{"a":1}'), [b'{"a":1}']),
    "packed in members": (gzip.compress(b'{"a":1}') + gzip.compress(b'{"a":2}'),
                          [b'{"a":1}', b'{"a":2}']),
    "nothing": (b"", []),
    "blanks": (b" \n \n", []),
}  # fmt: skip


@pytest.mark.parametrize("what", HELD)
def test_each_value_of_a_record_is_a_body(what: str) -> None:
    record, expected = HELD[what]
    assert [each.octets for each in bodies(request(record))] == expected


def test_the_bodies_of_all_records_come_in_order() -> None:
    assert [each.octets for each in bodies(request(b"1", b"2", b"3"))] == [b"1", b"2", b"3"]


def test_what_a_subscription_to_a_log_delivers_is_unpacked_with_its_place() -> None:
    (inner,) = bodies(request(subscription('{"kind":"Event"}')))
    assert inner == Inner(
        b'{"kind":"Event"}', True, "/aws/eks/acme/cluster", "kube-apiserver-audit-1", "0"
    )


def test_a_line_of_a_log_that_is_no_json_is_given_as_text() -> None:
    first, second = bodies(request(subscription("I1122 watch closed", '{"a":1}')))
    assert (first.octets, first.is_json) == (b"I1122 watch closed", False)
    assert (second.octets, second.is_json) == (b'{"a":1}', True)


def test_a_message_that_probes_the_way_delivers_nothing() -> None:
    probe = subscription("CWL CONTROL MESSAGE: Checking health", kind="CONTROL_MESSAGE")
    assert list(bodies(request(probe))) == []


def test_text_beside_json_is_kept_as_text() -> None:
    found = list(bodies(request(b'{"a":1}{"a":2}rest of it\n{"a":3}\n\xff')))
    assert [(each.octets, each.is_json) for each in found] == [
        (b'{"a":1}', True),
        (b'{"a":2}', True),
        (b"rest of it", False),
        (b'{"a":3}', True),
        (b"\xff", False),
    ]


def test_a_request_is_known_by_two_of_its_words() -> None:
    said = json.loads(request(b"1"))
    for name in said:
        assert firehose.is_request(json.dumps(said | {name: None}).encode())
        assert firehose.is_request(json.dumps(_without(said, name)).encode())
    for octets in (b'{"Records":[]}', b'{"requestId":"1"}', b"[1]", b"no json", b""):
        assert not firehose.is_request(octets)


def _without(said: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in said.items() if key != name}


BAD: dict[str, tuple[bytes, str]] = {
    "no json": (b"{", "body: expected JSON"),
    "no array": (b'{"requestId":"1","records":{}}', "body.records"),
    "no data": (b'{"requestId":"1","records":[{}]}', "data"),
    "no base64": (b'{"requestId":"1","records":[{"data":"!!"}]}', "records[0].data"),
    "half of gzip": (request(gzip.compress(b"{}" * 99)[:-9]), "records[0].data"),
    "another envelope": (request(subscription("{}", kind="OTHER")), "messageType"),
    "no id": (b'{"records":[]}', "requestId"),
}


@pytest.mark.parametrize("why", BAD)
def test_a_request_at_fault_is_refused_by_name(why: str) -> None:
    octets, told = BAD[why]
    with pytest.raises(Malformed) as error:
        list(bodies(octets))
    assert told in str(error.value)


def test_records_unpack_to_no_more_than_is_allowed_together() -> None:
    # Each within the ratio; together beyond the limit.
    part = json.dumps([base64.b64encode(bytes([at % 251]) * 64).decode() for at in range(9_000)])
    packed = gzip.compress(part.encode())
    count = firehose.UNPACKED_BYTES_MAX // len(part) + 1
    assert len(list(bodies(request(*[packed] * (count - 1))))) == count - 1
    with pytest.raises(TooLarge, match=rf"records\[{count - 1}\]"):
        list(bodies(request(*[packed] * count)))


def test_a_bomb_is_refused() -> None:
    with pytest.raises(TooLarge):
        list(bodies(request(gzip.compress(bytes(8_000_000)))))


def test_too_many_bodies_are_refused() -> None:
    with pytest.raises(TooLarge, match="100000 bodies"):
        list(bodies(request(b"1\n" * 100_001)))


def test_an_answer_names_the_request_and_when() -> None:
    assert answer(ID, NOON) == f'{{"requestId":"{ID}","timestamp":1795348800000}}'.encode()


def test_a_refusal_says_why_and_no_more_than_is_kept_of_it() -> None:
    said = json.loads(answer(ID, NOON, "x" * 9_000))
    assert said["errorMessage"] == "x" * 8_192


def test_the_id_of_a_request_is_read_where_it_can_be() -> None:
    assert firehose.request_id(request()) == ID
    for octets in (b"", b"{}", b'{"requestId":1,"records":[]}'):
        assert firehose.request_id(octets) is None


@given(some.binary(max_size=200) | some.text(max_size=200).map(str.encode))
def test_whatever_a_record_holds_is_given_or_refused(record: bytes) -> None:
    for octets in (record, request(record), request(gzip.compress(record))):
        try:
            found = list(bodies(octets))
        except SenderError:
            continue
        assert all(isinstance(each, Inner) for each in found)
