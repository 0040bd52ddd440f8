"""Deliveries that others recorded of GitLab are understood, or say why they are not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from deploytrail.kit.delivery import fetched
from deploytrail.sources.gitlab import SOURCE
from deploytrail.testing import RECEIVED, events
from tests.conftest import ROOT

FIXTURES = ROOT.parent / "shared" / "fixtures"
FOLDERS = (
    "gitlab-webhooks-go-gitlab",
    "scm-webhooks-drone-go-scm/gitlab",
    "scm-webhooks-go-playground/gitlab",
)
NOT_READ = {
    # Its names end in blanks: a merge request has a number within its project.
    "gitlab-webhooks-go-gitlab/group_merge_request.json": (
        "integration.delivery.malformed",
        "body.object_attributes.iid: is missing",
    ),
    # An action is always sent now; without one, nobody knows what happened to the request.
    "scm-webhooks-go-playground/gitlab/system-merge-request-event.json": (
        "integration.delivery.malformed",
        "body.object_attributes.action: is missing",
    ),
}

COUNTS = {"read": 73, "set aside": 11}


def recorded() -> list[Path]:
    if not FIXTURES.is_dir():
        pytest.skip("the shared fixtures are not beside this checkout")
    return [path for folder in FOLDERS for path in sorted((FIXTURES / folder).rglob("*.json"))]


def told(path: Path) -> list[dict[str, Any]]:
    return events(SOURCE, fetched(path.read_bytes(), RECEIVED))


def test_what_others_recorded_is_read() -> None:
    found = {str(path.relative_to(FIXTURES)): told(path) for path in recorded()}
    not_read = {
        name: (event["action"], event["error"]["text"])
        for name, some in found.items()
        for event in some
        if event["action"].startswith("integration.delivery.") and "error" in event
    }
    assert not_read == NOT_READ
    counts = Counter(
        "set aside" if each["action"] == "integration.delivery.set_aside" else "read"
        for some in found.values()
        for each in some
        if "error" not in each or not each["action"].startswith("integration.")
    )
    assert counts == COUNTS, counts


def test_each_event_of_what_others_recorded_is_whole() -> None:
    for path in recorded():
        for event in told(path):
            assert {"action", "outcome", "time", "actor"} <= set(event), path.name
            assert "id" in event["actor"] or event["actor"]["type"] == "unknown", path.name
