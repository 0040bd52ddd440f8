"""Firehose delivers for a source, and is answered in its own words."""

from __future__ import annotations

import json

import pytest

from deploytrail.kit.delivery import Delivery
from deploytrail.kit.door import Answered, Became
from deploytrail.kit.firehose import answer
from tests.fakes import NOON

ID = "8f0c1c0e-0000-4000-8000-000000000001"
HEADER = "x-amz-firehose-request-id"


def delivery(*ids: str) -> Delivery:
    return Delivery(b"", tuple((HEADER, each) for each in ids), NOON)


def test_firehose_is_answered_by_the_id_of_its_request() -> None:
    answered = answer(delivery(ID), Became(events=1), NOON)
    assert answered is not None
    assert answered[:2] == (200, "application/json")
    said = json.loads(answered.body)
    assert said == {"requestId": ID, "timestamp": int(NOON.timestamp() * 1000)}


def test_firehose_is_refused_with_the_reason() -> None:
    answered = answer(delivery(ID), Became(status=401, why="no key"), NOON)
    assert answered is not None
    assert answered.status == 401
    assert json.loads(answered.body)["errorMessage"] == "no key"


OTHERS = {"none": (), "two": (ID, "another")}


@pytest.mark.parametrize("what", OTHERS)
def test_what_firehose_did_not_send_is_answered_as_ever(what: str) -> None:
    assert answer(delivery(*OTHERS[what]), Became(), NOON) is None


def test_an_id_that_a_stranger_sends_is_repeated_as_text_and_not_at_length() -> None:
    answered = answer(delivery('"}' * 4_000), Became(), NOON)
    assert isinstance(answered, Answered)
    assert json.loads(answered.body)["requestId"] == '"}' * 128


def test_only_status_200_is_no_refusal() -> None:
    assert not Became().is_refused
    assert Became(status=429).is_refused
