"""Whatever a proven delivery says becomes an event, or one that says what was not understood."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from deploytrail.event import Auth
from deploytrail.intake.translating import Surroundings, translated
from deploytrail.kit.delivery import Delivery, fetched
from deploytrail.kit.draft import Draft
from deploytrail.kit.source import Circumstances, Kind, Telling
from deploytrail.testing import RECEIVED, surroundings
from tests.toy_source import SOURCE, Deployed, deployed

TOKEN = "gh" + "p_16C7e42F292c6912E7710c838347Ae178B4a"
TIME = "2026-11-22T10:00:00Z"


def events(*tellings: Any, **around: Any) -> list[dict[str, Any]]:
    body = msgspec.json.encode({"all": tellings})
    return given(fetched(body, RECEIVED), surroundings(SOURCE)._replace(**around))


def given(delivery: Delivery, around: Surroundings) -> list[dict[str, Any]]:
    found = translated(delivery, around)
    return [msgspec.json.decode(msgspec.json.encode(each.event)) for each in found]


def told(**fields: Any) -> dict[str, Any]:
    return {"kind": "deployed", "user": "alice", "application": "shop", **fields}


def test_what_is_told_is_an_event_of_the_connection() -> None:
    (event,) = events(told(id="d-1"))
    assert event["action"] == "deployment.succeeded"
    assert event["outcome"] == "success"
    assert event["actor"] == {
        "type": "user",
        "id": "shipper:alice",
        "auth": {"method": "signature", "assurance": 2, "verified_by": "sample"},
    }
    assert event["source"] == {"tool": "shipper", "instance": "sample", "delivery": "d-1"}


def test_each_telling_has_parts_of_its_own() -> None:
    found = events(told(id="d-1"), told(id="d-2"), told())
    assert [each["source"]["delivery"] for each in found[:2]] == ["d-1", "d-2"]
    assert found[2]["source"]["delivery"].startswith("body:")
    assert {each["source"].get("part", 0) for each in found} == {0}


def test_the_same_bytes_have_the_same_id() -> None:
    assert events(told())[0]["source"] == events(told())[0]["source"]
    assert events(told())[0]["source"] != events(told(user="bob"))[0]["source"]


def test_an_id_that_is_too_long_stays_one() -> None:
    one, other = (events(told(id="x" * 600 + end))[0]["source"]["delivery"] for end in "ab")
    assert one != other
    assert len(one) < 64


def test_ids_that_a_mask_would_make_one_stay_two() -> None:
    """And neither shows the token."""
    one, other = (TOKEN, TOKEN[:-1] + "b")
    found = [events(told(id=each))[0]["source"]["delivery"] for each in (one, other)]
    assert found[0] != found[1]
    assert all(each.startswith("body:") for each in found)


def test_a_kind_that_nobody_knows_is_kept() -> None:
    (event,) = events({"kind": "sailed"})
    assert event["action"] == "integration.delivery.unrecognised"
    assert event["targets"] == [{"type": "kind", "id": "sailed"}]
    assert "Shipper kind 'sailed'" in event["error"]["text"]


MALFORMED: dict[str, tuple[Any, str]] = {
    "a field is missing": ({"kind": "deployed", "user": "alice"}, "body.application: is missing"),
    "a field is null": (told(user=None), "body.user: expected text, found null"),
    "another type": (told(user=["alice"]), "body.user: expected text, found an array"),
    "no time": (told(time="yesterday"), "body.time: expected"),
    "a time before there were tools": (told(time="1970-01-01T00:00:00Z"), "time: expected a time"),
    "its reader refuses it": (told(kind="refusing"), "body.user: expected somebody"),
    "an action of no catalogue": (told(action="deployment.sank"), "action: expected a name"),
    "an action of the trail itself": (told(action="audit.trail.created"), "which only the trail"),
}


@pytest.mark.parametrize("why", MALFORMED)
def test_what_is_not_as_its_kind_says_is_kept_with_the_reason(why: str) -> None:
    said, expected = MALFORMED[why]
    found = events(told(id="before"), said | {"id": "wrong"}, told(id="after"))
    assert [each["action"] for each in found] == [
        "deployment.succeeded",
        "integration.delivery.malformed",
        "deployment.succeeded",
    ]
    assert expected in found[1]["error"]["text"]
    assert found[1]["source"]["delivery"] == "wrong"


def test_an_error_cites_no_value() -> None:
    (event,) = events(told(time=TOKEN))
    assert TOKEN not in str(event)


def test_what_can_not_be_taken_apart_is_kept_as_a_whole() -> None:
    (event,) = given(fetched(b"no json at all", RECEIVED), surroundings(SOURCE))
    assert event["action"] == "integration.delivery.malformed"
    assert event["error"]["code"] == "delivery"
    assert event["source"]["delivery"].startswith("whole:body:")


def test_what_tells_nothing_of_deployments_is_counted_in_one_entry() -> None:
    found = events({"kind": "starred"}, told(), {"kind": "starred"}, told(kind="nothing"))
    assert [each["action"] for each in found] == [
        "deployment.succeeded",
        "integration.delivery.set_aside",
    ]
    assert found[1]["targets"] == [
        {"type": "kind", "id": "starred", "change": "2"},
        {"type": "kind", "id": "nothing", "change": "1"},
    ]


def test_a_delivery_that_tells_nothing_is_an_event_too() -> None:
    (event,) = events()
    assert event["action"] == "integration.delivery.set_aside"


def test_nobody_is_vouched_for_better_than_the_delivery_was_proven() -> None:
    weak = Auth(method="token", assurance=1, verified_by="sample")
    (event,) = events(told(author="git:bob"), auth=weak)
    assert event["actor"]["auth"]["assurance"] == 1
    assert event["on_behalf_of"]["auth"] == {"method": "claimed", "assurance": 0}


def test_a_token_in_a_text_does_not_arrive() -> None:
    (event,) = events(told(application=f"shop {TOKEN}"))
    assert TOKEN not in str(event)


def test_what_is_too_long_is_cut_and_says_so() -> None:
    (event,) = events(told(targets=300))
    assert len(event["targets"]) == 256
    assert event["targets"][-1] == {"type": "more", "id": "(45 more)"}


def test_an_id_that_is_cut_stays_another_than_its_neighbour() -> None:
    one, other = (events(told(application="x" * length))[0]["targets"] for length in (5_000, 5_001))
    assert one != other
    assert len(one[0]["id"]) == 1024


def test_what_is_too_large_as_a_whole_is_cut_further() -> None:
    (event,) = events(told(application="x" * 5_000, targets=300))
    assert event["targets"][-1] == {"type": "more", "id": "(285 more)"}


def test_an_empty_name_is_left_out() -> None:
    (event,) = events(told(application=""))
    assert event["targets"] == [{"type": "application"}]


def test_a_source_that_makes_too_many_is_refused() -> None:
    def many(body: Deployed, at: Circumstances) -> Iterator[Draft]:
        for _ in range(10_001):
            yield from deployed(body, at)

    kinds = {"deployed": Kind(Deployed, many)}
    source = msgspec.structs.replace(SOURCE, kinds=kinds)
    (event,) = events(told(), source=source)
    assert event["action"] == "integration.delivery.malformed"


def test_a_fault_of_a_source_loses_nothing() -> None:
    def failing(body: Deployed, _: Circumstances) -> Iterator[Draft]:
        yield from [][body.targets]

    kinds = {"deployed": Kind(Deployed, failing)}
    (event,) = events(told(id="d-1"), source=msgspec.structs.replace(SOURCE, kinds=kinds))
    assert event["action"] == "integration.delivery.malformed"
    assert event["error"]["code"] == "source-fault"
    assert "found IndexError at test_translating.py" in event["error"]["text"]
    assert event["source"]["delivery"] == "d-1"


def test_a_source_that_can_not_even_take_apart_loses_nothing() -> None:
    def failing(delivery: Delivery) -> Iterator[Telling]:
        raise KeyError(delivery.body)

    (event,) = events(told(), source=msgspec.structs.replace(SOURCE, tell=failing))
    assert event["error"]["code"] == "source-fault"
    assert "alice" not in event["error"]["text"]
