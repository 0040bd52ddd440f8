"""Entries of GitHub's audit log that others recorded are understood, or say why they are not."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from deploytrail.kit.delivery import fetched
from deploytrail.sources.github_audit import SOURCE
from deploytrail.testing import RECEIVED, events
from tests.conftest import ROOT

FILE = ROOT.parent / "shared" / "fixtures" / "panther-labelled-events" / "github.ndjson"
NOT_READ = {
    # Reading is set aside.
    "git.fetch": 1,
    # Names that the vendor doesn't have.
    "invite_member": 1,
    "not_repository_vulnerability_alert.dismiss": 1,
    # Made up to show a user agent: without the visibility that it is about.
    "repo.access": 2,
}


def told() -> list[tuple[str, dict[str, Any]]]:
    if not FILE.is_file():
        pytest.skip("the shared fixtures are not beside this checkout")
    lines = [msgspec.json.decode(line) for line in FILE.read_bytes().splitlines()]
    entries = [one["event"] for one in lines if "GitHub.Audit" in one["log_types"]]
    return [
        (str(entry.get("action")), event)
        for entry in entries
        for event in events(SOURCE, fetched(msgspec.json.encode(entry), RECEIVED))
    ]


def test_what_others_recorded_is_read() -> None:
    found = Counter(name for name, event in told() if "delivery" in event["action"])
    assert found == NOT_READ
    assert len(told()) == 101


def test_each_event_of_what_others_recorded_is_whole() -> None:
    for name, event in told():
        assert {"action", "outcome", "time", "actor"} <= set(event), name
