"""CDEvents are found however they are sent."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from deploytrail.errors import Malformed, SenderError, TooLarge
from deploytrail.formats.cdevents import Within, events, subject_predicate

EVENT = {"context": {"type": "dev.cdevents.build.started.0.3.0"}, "subject": {}}
OCTETS = json.dumps(EVENT, separators=(",", ":")).encode()
CLOUD = {"specversion": "1.0", "id": "1", "source": "/ci", "type": EVENT["context"]["type"]}

SENT = {
    "bare": EVENT,
    "structured": CLOUD | {"data": EVENT},
    "structured in base64": CLOUD | {"data_base64": base64.b64encode(OCTETS).decode()},
    "a batch of bare ones": [EVENT],
    "a batch of structured ones": [CLOUD | {"data": EVENT}],
}


@pytest.mark.parametrize("how", SENT)
def test_an_event_is_found_however_it_is_sent(how: str) -> None:
    (found,) = events(json.dumps(SENT[how], separators=(",", ":")).encode())
    assert (bytes(found.octets), found.other) == (OCTETS, None)


def test_another_cloudevent_is_told_by_its_type() -> None:
    octets = json.dumps(CLOUD | {"type": "harbor.quota.exceeded", "data": {"a": 1}}).encode()
    assert list(events(octets)) == [Within(octets, "harbor.quota.exceeded")]


def test_one_that_can_not_be_read_keeps_no_other_of_a_batch_away() -> None:
    found = [bytes(each.octets) for each in events(json.dumps([1, EVENT, CLOUD]).encode())]
    assert [json.loads(each) for each in found] == [1, EVENT, CLOUD]


BAD = {
    "no json": (b"{", "JSON"),
    "half a batch": (b"[1,", "JSON"),
    "no object": (b'"text"', "an object"),
    "nothing": (b"", "JSON"),
    "no context": (b'{"subject":{}}', "body.context"),
    "no data": (json.dumps(CLOUD).encode(), "body.data"),
    "data without a context": (json.dumps(CLOUD | {"data": {}}).encode(), "body.data.context"),
    "data that is no object": (json.dumps(CLOUD | {"data": 1}).encode(), "body.data.context"),
    "no base64": (json.dumps(CLOUD | {"data_base64": "!"}).encode(), "data_base64"),
}


@pytest.mark.parametrize("why", BAD)
def test_what_holds_none_is_refused_by_name(why: str) -> None:
    octets, told = BAD[why]
    with pytest.raises(Malformed) as error:
        list(events(octets))
    assert told in str(error.value)


def test_too_many_at_once_are_refused() -> None:
    with pytest.raises(TooLarge):
        list(events(b"[" + b"1," * 10_000 + b"1]"))


TYPES = {
    "dev.cdevents.build.started.0.3.0": "build.started",
    "dev.cdevents.build.started.1.0.0-draft": "build.started",
    "dev.cdevents.testcase.finished.0.1.0": "testcaserun.finished",
    "dev.cdevents.testsuite.started.0.1.0": "testsuiterun.started",
    "dev.cdeventsx.acme-pipeline.started.0.1.0": None,
    "dev.cdevents.build.started": None,
    "build.started.0.1.0": None,
}


@pytest.mark.parametrize("type_", TYPES)
def test_a_type_is_its_subject_and_predicate_in_any_version(type_: str) -> None:
    assert subject_predicate(type_) == TYPES[type_]


@given(some.binary(max_size=80) | some.recursive(
    some.none() | some.text(max_size=9) | some.integers(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(
        some.sampled_from(["context", "data", "data_base64", "type", "specversion"]), inner),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_body_is_read_or_refused(octets: bytes) -> None:
    try:
        found = list(events(octets))
    except SenderError:
        return
    assert all(isinstance(each, Within) for each in found)
