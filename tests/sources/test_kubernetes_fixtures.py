"""Audit events that clusters wrote become events; others that lack what decides are told so."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

import pytest

from deploytrail.kit.delivery import fetched
from deploytrail.sources.kubernetes import SOURCE
from deploytrail.testing import RECEIVED, events
from tests.conftest import ROOT

FIXTURES = ROOT.parent / "shared" / "fixtures"
pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason="no ../shared/fixtures here")


def told(bodies: Iterable[bytes]) -> tuple[Counter[str], list[str]]:
    """How often each of read, set aside, unrecognised, malformed; and what was not read."""
    counted: Counter[str] = Counter()
    unread = []
    for body in bodies:
        for event in events(SOURCE, fetched(body, RECEIVED)):
            assert all(event[what] for what in ("actor", "outcome", "time"))
            head, _, word = event["action"].rpartition(".")
            word = word if head == "integration.delivery" else "read"
            counted[word] += 1
            if word in {"unrecognised", "malformed"}:
                unread.append(event["error"]["text"])
    return counted, unread


def labelled(name: str) -> list[bytes]:
    text = (FIXTURES / "panther-labelled-events" / name).read_text("utf-8")
    return [json.dumps(json.loads(line)["event"]).encode() for line in text.splitlines()]


def test_events_of_real_clusters_are_read() -> None:
    counted, unread = told(
        path.read_bytes() for path in sorted((FIXTURES / "k8s-audit-falco").glob("*.json"))
    )
    assert unread == ["body.stage: is missing"]
    assert (counted["read"], counted["set_aside"]) == (40, 11)


def test_events_of_eks_are_read() -> None:
    counted, unread = told(labelled("aws_eks.ndjson"))
    assert (counted["read"], counted["set_aside"], len(unread)) == (1, 13, 6), unread


def test_events_that_were_flattened_say_what_they_lack() -> None:
    counted, unread = told(labelled("kubernetes.ndjson"))
    assert (counted["read"], counted["set_aside"], len(unread)) == (12, 9, 216), unread
    assert set(unread) == {"body.stage: is missing", "body.verb: is missing"}
