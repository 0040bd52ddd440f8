"""Deliveries that others recorded of GitHub are understood, or say why they are not."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from deploytrail.kit.delivery import fetched, heard
from deploytrail.sources.github import SOURCE
from deploytrail.testing import RECEIVED, events
from tests.conftest import ROOT

FIXTURES = ROOT.parent / "shared" / "fixtures"
OCTOKIT = "github-webhooks-octokit"
DRONE = "scm-webhooks-drone-go-scm/github/testdata/webhooks"
PLAYGROUND = "scm-webhooks-go-playground/github"
OTHERS = (DRONE, PLAYGROUND)
NOT_READ = {
    # Of GitHub Enterprise Server 2: deployments have an action since.
    f"{OCTOKIT}/ghes-35/deployment/payload.json": "body.action: is missing",
    f"{OCTOKIT}/ghes-35/deployment_status/payload.json": "body.action: is missing",
    f"{OCTOKIT}/ghes-35/index.json": "body: expected an object, found an array",
    # Shortened by hand.
    f"{DRONE}/check_run.json": "body.repository.full_name: is missing",
    f"{DRONE}/merge_group_checks_requested.json": "body.repository.full_name: is missing",
    f"{DRONE}/status.json": "body.repository.full_name: is missing",
    f"{PLAYGROUND}/workflow_job.json": "found those of none",
    f"{PLAYGROUND}/workflow_run.json": "GitHub kind 'workflow_run.My workflow_run'",
    # Of the year 2016.
    f"{PLAYGROUND}/pull-request-review.json": "body.review.commit_id: is missing",
    f"{DRONE}/deployment.json": "found those of none",
    f"{DRONE}/deployment_commit.json": "found those of none",
    f"{PLAYGROUND}/deployment.json": "found those of none",
    f"{PLAYGROUND}/deployment-status.json": "found those of none",
    # Without a header these could be any event of a repository, or of nobody's.
    **{
        f"{PLAYGROUND}/{name}.json": "found those of none"
        for name in (
            "github-app-authorization",
            "installation",
            "integration-installation",
            "organization",
            "public",
            "repository",
            "repository-edited",
            "watch",
        )
    },
}
COUNTS = {"read": 252, "set aside": 161}


@cache
def told() -> dict[str, list[dict[str, Any]]]:
    """Octokit's folders are named by the event; the others' files have to be told by fields."""
    if not FIXTURES.is_dir():
        pytest.skip("the shared fixtures are not beside this checkout")
    found = {}
    for path in sorted((FIXTURES / OCTOKIT).rglob("*.json")):
        headers = [(b"X-GitHub-Event", path.parent.name.encode())]
        found[_name(path)] = events(SOURCE, heard(path.read_bytes(), headers, RECEIVED))
    for folder in OTHERS:
        for path in sorted((FIXTURES / folder).rglob("*.json")):
            found[_name(path)] = events(SOURCE, fetched(path.read_bytes(), RECEIVED))
    return found


def _name(path: Path) -> str:
    return str(path.relative_to(FIXTURES))


def test_what_others_recorded_is_read() -> None:
    not_read = {
        name: event["error"]["text"]
        for name, some in told().items()
        for event in some
        if event["action"].startswith("integration.delivery.") and "error" in event
    }
    assert sorted(not_read) == sorted(NOT_READ)
    for name, text in not_read.items():
        assert NOT_READ[name] in text, name
    counts = Counter(
        "set aside" if event["action"] == "integration.delivery.set_aside" else "read"
        for some in told().values()
        for event in some
        if "error" not in event or not event["action"].startswith("integration.")
    )
    assert counts == COUNTS


def test_each_event_of_what_others_recorded_is_whole() -> None:
    for name, some in told().items():
        assert some, name
        for event in some:
            assert {"action", "outcome", "time", "actor"} <= set(event), name
            assert event["actor"].get("id") or event["actor"]["type"] == "unknown", name
