"""The header that names a GitHub event is not signed: it turns no body into another event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploytrail.intake.translating import SOURCE_FAULT
from deploytrail.kit.delivery import Delivery, fetched, heard
from deploytrail.sources.github import SOURCE
from deploytrail.sources.github_fit import ALIASES, EVENTS
from deploytrail.testing import RECEIVED, Sample, events, samples

SAMPLES = [
    sample
    for sample in samples(Path(__file__).parent / "github")
    if sample.headers.get("X-GitHub-Event") in EVENTS
]
BY_NAME = {sample.name: sample for sample in SAMPLES}
REFUSED = {"integration.delivery.malformed", "integration.delivery.unrecognised"}
SAME_TYPE = {"exemption_request_push_ruleset", "bypass_request_push_ruleset"}
"""Two names of one event."""


def named(sample: Sample, event: str) -> Delivery:
    return heard(sample.body, [(b"X-GitHub-Event", event.encode())], RECEIVED)


def only(delivery: Delivery) -> dict[str, Any]:
    (event,) = events(SOURCE, delivery)
    return event


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_a_body_under_the_name_of_another_event_is_refused(event: str) -> None:
    for sample in SAMPLES:
        own = sample.headers["X-GitHub-Event"]
        if event == own or {event, own} == SAME_TYPE:
            continue
        found = only(named(sample, event))
        assert found["action"] in REFUSED, (sample.name, event)


def test_a_body_under_an_unknown_name_is_kept_and_not_read() -> None:
    found = only(named(BY_NAME["push"], "moon_landing"))
    assert found["action"] == "integration.delivery.unrecognised"


@pytest.mark.parametrize("alias", sorted(ALIASES))
def test_a_former_name_of_an_event_is_read_as_its_present_one(alias: str) -> None:
    sample = next(one for one in SAMPLES if one.headers["X-GitHub-Event"] == ALIASES[alias])
    assert only(named(sample, alias)) == only(sample.delivery())


def test_a_delivery_without_the_name_of_its_event_is_refused() -> None:
    found = only(heard(BY_NAME["push"].body, [(b"X-GitHub-Delivery", b"1")], RECEIVED))
    assert "X-GitHub-Event: expected the name" in found["error"]["text"]


def test_an_action_that_is_no_utf_8_is_refused() -> None:
    body = BY_NAME["branch_protection_rule_edited"].body.replace(b'"edited"', b'"\xff"', 1)
    head = [(b"X-GitHub-Event", b"branch_protection_rule")]
    found = only(heard(body, head, RECEIVED))
    assert found["action"] in REFUSED
    assert found["error"]["text"].startswith("body")
    assert found["error"]["code"] != SOURCE_FAULT


def test_two_names_of_an_event_are_refused() -> None:
    both = [(b"X-GitHub-Event", b"push"), (b"X-GitHub-Event", b"star")]
    found = only(heard(BY_NAME["push"].body, both, RECEIVED))
    assert "expected once" in found["error"]["text"]


@pytest.mark.parametrize("name", ["push", "pull_request_opened", "deployment_status_success"])
def test_a_line_of_a_file_is_told_by_its_fields(name: str) -> None:
    sample = BY_NAME[name]
    assert events(SOURCE, fetched(sample.body, RECEIVED)) == list(sample.events)


FILES: dict[str, tuple[Any, str]] = {
    "fields of several events": (
        msgspec.json.decode(BY_NAME["exemption_request_push_ruleset_created"].body),
        "bypass_request_push_ruleset or ",
    ),
    "fields that nearly all bodies have": (
        msgspec.json.decode(BY_NAME["repository_deleted"].body),
        "found those of none",
    ),
    "fields of none": ({"moon": {}}, "found those of none"),
    "a payload that is no object": ({"event": "push", "payload": []}, "body.payload: expected"),
    "a list": ([], "body: expected an object"),
}


@pytest.mark.parametrize("why", FILES)
def test_a_line_of_a_file_that_may_be_any_event_is_refused(why: str) -> None:
    body, expected = FILES[why]
    found = only(fetched(msgspec.json.encode(body), RECEIVED))
    assert expected in found["error"]["text"]


def test_a_comment_on_an_issue_tells_nothing() -> None:
    body = msgspec.json.decode(BY_NAME["issue_comment_on_pull_request"].body)
    body["issue"]["html_url"] = "https://github.com/acme/infra/issues/8"
    sample = BY_NAME["issue_comment_on_pull_request"]
    found = only(sample.delivery(msgspec.json.encode(body)))
    assert found["action"] == "integration.delivery.set_aside"


def test_an_exemption_of_another_type_than_its_event_is_refused() -> None:
    found = only(
        named(BY_NAME["bypass_request_secret_scanning_created"], "dismissal_request_dependabot")
    )
    assert "body.exemption_request.request_type" in found["error"]["text"]


TIMES = {
    "the vendor's zero": "0001-01-01T00:00:00Z",
    "before the first year": "0001-01-01T00:00:00+14:00",
    "none": None,
}


@pytest.mark.parametrize("why", TIMES)
def test_a_time_that_is_none_is_when_we_heard_of_it(why: str) -> None:
    sample = BY_NAME["pull_request_opened"]
    body = msgspec.json.decode(sample.body)
    body["pull_request"]["created_at"] = TIMES[why]
    found = only(sample.delivery(msgspec.json.encode(body)))
    assert found["time"] == "2026-11-22T12:00:00Z"


@pytest.mark.parametrize("seconds", [0, -1, 10**10, 2**63 - 1])
def test_a_number_that_is_no_time_is_when_we_heard_of_it(seconds: int) -> None:
    sample = BY_NAME["push"]
    body = msgspec.json.decode(sample.body)
    body["repository"]["pushed_at"] = seconds
    found = only(sample.delivery(msgspec.json.encode(body)))
    assert found["time"] == "2026-11-22T12:00:00Z"
