"""Events come in over HTTP: each is answered, in order, with a receipt or with a problem."""

from __future__ import annotations

import gzip
import json
from typing import Any

import msgspec
import pytest

from deploytrail.event import Source
from deploytrail.zstd import zstd
from tests.app.places import Place
from tests.events import body, event
from tests.web.served import Served

BATCH = "application/cloudevents-batch+json"
TERRAFORM = Source(tool="terraform", instance="forged")


def test_an_event_is_answered_with_its_receipt(server: Served) -> None:
    answer = server.record(body())
    assert answer.status == 201
    receipt = answer.json()["receipt"]
    assert (receipt["index"], receipt["size"]) == (0, 1)


def test_the_same_again_gives_the_first_receipt(server: Served) -> None:
    sent = body()
    first, again = server.record(sent), server.record(sent)
    assert (first.status, again.status) == (201, 200)
    assert again.json() == first.json()


def test_the_same_id_with_another_body_is_a_conflict(server: Served) -> None:
    one = event()
    server.record(msgspec.json.encode(one))
    answer = server.record(msgspec.json.encode(msgspec.structs.replace(one, outcome="failure")))
    assert answer.status == 409
    assert "source.delivery: expected the same event as entry 0" in answer.detail


def test_several_are_answered_one_by_one_and_in_order(server: Served) -> None:
    sent = b"[" + b",".join([body(), b'{"action":1}', body()]) + b"]"
    answer = server.record(sent)
    assert answer.status == 200
    first, second, third = answer.json()["items"]
    assert (first["receipt"]["index"], third["receipt"]["index"]) == (0, 1)
    assert second["problem"]["status"] == 400


def test_one_a_line_is_several(server: Served) -> None:
    answer = server.record(body() + b"\n\r\n" + body(), content_type="application/x-ndjson")
    assert [each["receipt"]["index"] for each in answer.json()["items"]] == [0, 1]


def test_whoever_sent_it_stands_in_the_event(server: Served, there: Place) -> None:
    server.record(body(source=TERRAFORM), token="recorder")
    with there.opened() as trail:
        (shown,) = trail.entries()
    source: Any = shown.event["source"]
    assert source["instance"] == "token:ci"


def test_the_same_delivery_from_another_credential_is_another_event(server: Served) -> None:
    sent = body(source=TERRAFORM)
    first, second = server.record(sent, token="recorder"), server.record(sent)
    assert (first.status, second.status) == (201, 201)


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress], ids=["gzip", "zstd"])
def test_a_packed_body_is_unpacked(server: Served, pack: Any) -> None:
    coding = "gzip" if pack is gzip.compress else "zstd"
    packed = pack(body())
    # In pieces of one byte, and as two streams one behind the other.
    pieces = [packed[at : at + 1] for at in range(len(packed))]
    assert server.record(pieces, content_encoding=coding).status == 201
    lines = pack(body() + b"\n") + pack(body())
    answer = server.record(lines, content_encoding=coding, content_type="application/x-ndjson")
    assert len(answer.json()["items"]) == 2


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress], ids=["gzip", "zstd"])
def test_a_bomb_is_refused_before_it_is_unpacked(server: Served, pack: Any) -> None:
    coding = "gzip" if pack is gzip.compress else "zstd"
    packed = pack(bytes(100 * 1024 * 1024))
    answer = server.record(packed, content_encoding=coding)
    assert answer.status == 413
    assert server.assembled.server.budget.taken == 0


def test_the_entry_comes_along_where_it_is_asked_for(server: Served, there: Place) -> None:
    answer = server.record(body(), "/v1/events?include=entry")
    with there.opened() as trail:
        shown = trail.show(0)
        disclosures = trail.disclosures([shown.entry])
    found = answer.json()
    assert msgspec.json.decode(json.dumps(found["entry"]), type=bytes) == shown.entry
    assert len(found["disclosures"]) == len(disclosures) > 0


REFUSED = {
    "nothing": (b"", {}, 400, "body: expected an event"),
    "no JSON": (b"hello", {}, 400, "found what begins with b'hello'"),
    "half an object": (b'{"id":', {}, 400, "event: expected JSON"),
    "half an array": (b"[{},", {}, 400, "expected a JSON array of events"),
    "an empty array": (b"[]", {}, 400, "expected events, found none"),
    "UTF-16": ('{"id":1}'.encode("utf-16"), {}, 400, "body: expected an event"),
    "another charset": (b"{}", {"content_type": "application/json; charset=latin-1"}, 415, "UTF-8"),
    "another type": (b"{}", {"content_type": "text/plain"}, 415, "content-type: expected"),
    "no type": (b"{}", {"content_type": ""}, 415, "content-type: expected"),
    "another coding": (b"{}", {"content_encoding": "br"}, 415, "content-encoding: expected gzip"),
    "no gzip": (b"{}", {"content_encoding": "gzip"}, 400, "body: expected gzip"),
    "no zstd": (b"{}", {"content_encoding": "zstd"}, 400, "body: expected zstd"),
    "half a gzip": (gzip.compress(b"{}")[:-4], {"content_encoding": "gzip"}, 400, "all of a gzip"),
    "half a zstd": (zstd.compress(b"{}")[:-2], {"content_encoding": "zstd"}, 400, "all of a zstd"),
    "too deep": (b"[" * 100_000, {}, 400, "expected a JSON array of events"),
    "too many": (b"[" + b"{}," * 10_000 + b"{}]", {}, 413, "at most 10000 events"),
    "too long": (b" " * (16 * 1024 * 1024 + 1), {}, 413, "at most 16777216 bytes"),
    "too long by its header": (b"", {"content_length": "99999999999"}, 413, "at most 16777216"),
    "no length": (b"{}", {"content_length": "-1"}, 400, "content-length: expected a number"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_body_is_refused_that_is(server: Served, reason: str) -> None:
    sent, headers, status, said = REFUSED[reason]
    answer = server.record(sent, **headers)
    assert answer.status == status, answer.body
    assert said in answer.detail
    assert server.assembled.server.budget.taken == 0


CLOUD = {
    "specversion": "1.0",
    "id": "42",
    "source": "/ci\u00e9b",
    "type": "deployment.succeeded",
    "time": "2026-11-22T10:00:00Z",
}
IN_HEADERS = {
    f"ce_{name}": value.replace("\u00e9", "%C3%A9") for name, value in CLOUD.items()
}  # fmt: skip
STRUCTURED = {"content_type": "application/cloudevents+json"}


def cloud(**more: Any) -> bytes:
    return json.dumps({**CLOUD, **more}).encode()


WAYS: dict[str, tuple[bytes, dict[str, str]]] = {
    "in headers": (b'{"a": 1}', IN_HEADERS),
    "in headers, without a type": (b'{ "a":1}', {**IN_HEADERS, "content_type": ""}),
    "whole": (cloud(data={"a": 1}), STRUCTURED),
    "whole, in another order": (
        json.dumps({"data": {"a": 1}, **dict(reversed(CLOUD.items()))}).encode(), STRUCTURED,
    ),
    "whole, its attributes in headers too": (cloud(data={"a": 1}), {**IN_HEADERS, **STRUCTURED}),
    "whole, with the type of its data": (
        cloud(data={"a": 1}, datacontenttype="application/json"), STRUCTURED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_a_cloudevent_is_one_delivery_in_whichever_way_it_comes(server: Served, way: str) -> None:
    sent, headers = WAYS[way]
    first = server.record(sent, **headers)
    assert first.status == 201, first.body
    for other, more in WAYS.values():
        again = server.record(other, **more)
        assert (again.status, again.json()) == (200, first.json())
    batch = server.record(b"[" + WAYS["whole"][0] + b"]", content_type=BATCH)
    assert batch.json()["items"] == [first.json()]


@pytest.mark.parametrize("way", WAYS)
def test_a_cloudevent_with_other_data_is_a_conflict_in_whichever_way(
    server: Served, way: str
) -> None:
    server.record(cloud(data={"a": 2}), **STRUCTURED)
    sent, headers = WAYS[way]
    answer = server.record(sent, **headers)
    assert answer.status == 409
    assert "source.delivery: expected the same event as entry 0" in answer.detail


def test_what_headers_say_of_a_cloudevent_is_decoded(server: Served, there: Place) -> None:
    server.record(b"", **IN_HEADERS)
    with there.opened() as trail:
        (shown,) = trail.entries()
    source: Any = shown.event["source"]
    assert source["delivery"] == "/ci\u00e9b 42"


def test_data_of_a_cloudevent_that_is_no_json_is_refused_by_its_type(server: Served) -> None:
    answer = server.record(b"hello", **{**IN_HEADERS, "content_type": "text/plain"})
    assert answer.status == 415
    assert "expected application/json of the data" in answer.detail
