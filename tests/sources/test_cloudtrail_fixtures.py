"""CloudTrail's events as AWS documents them, and as others recorded them, become events."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import pytest

from deploytrail.kit.delivery import fetched
from deploytrail.sources.cloudtrail import SOURCE
from deploytrail.testing import RECEIVED, events
from tests.conftest import ROOT

FIXTURES = ROOT.parent / "shared" / "fixtures"
pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason="no ../shared/fixtures here")


def bodies(*folders: str) -> Iterator[tuple[str, bytes]]:
    for folder in folders:
        for path in sorted((FIXTURES / folder).rglob("*.json")):
            yield path.name, path.read_bytes()


def panther() -> Iterator[tuple[str, bytes]]:
    lines = (FIXTURES / "panther-labelled-events" / "aws_cloudtrail.ndjson").read_text("utf-8")
    for line in lines.splitlines():
        found = json.loads(line)
        yield found["test"], json.dumps(found["event"]).encode()


def told(some: Iterator[tuple[str, bytes]]) -> tuple[Counter[str], list[str]]:
    """How often each of read, set aside, unrecognised, malformed; and what was not read."""
    counted: Counter[str] = Counter()
    unread = []
    for name, body in some:
        for event in events(SOURCE, fetched(body, RECEIVED)):
            assert all(event[what] for what in ("actor", "outcome", "time")), name
            head, _, word = event["action"].rpartition(".")
            word = word if head == "integration.delivery" else "read"
            counted[word] += 1
            if word in {"unrecognised", "malformed"}:
                unread.append(f"{name}: {event['error']['text']}")
    return counted, unread


def test_recorded_files_are_read_to_the_last_event() -> None:
    counted, unread = told(bodies("cloudtrail-invictus", "cloudtrail-stratus-red-team"))
    assert (counted["read"], unread) == (890, [])


def test_events_of_the_vendor_are_read_and_what_is_no_event_is_told() -> None:
    counted, unread = told(bodies("cloudtrail-aws-docs"))
    assert (counted["read"], len(unread)) == (26, 6), unread


def test_events_that_others_label_are_read() -> None:
    counted, unread = told(panther())
    assert (counted["read"], len(unread)) == (371, 25), unread


def test_states_are_read_and_what_else_eventbridge_sends_is_unrecognised() -> None:
    counted, unread = told(bodies("aws-events-lambda-go"))
    assert (counted["read"], counted["unrecognised"], counted["malformed"]) == (6, 7, 7), unread
