"""Deliveries that others recorded of GitHub are understood, or say why they are not."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploytrail.kit.delivery import fetched, heard
from deploytrail.sources.github import SOURCE
from deploytrail.testing import RECEIVED, events
from tests.conftest import ROOT

FIXTURES = ROOT.parent / "shared" / "fixtures"
OCTOKIT = "github-webhooks-octokit"
OTHERS = ("scm-webhooks-drone-go-scm/github", "scm-webhooks-go-playground/github")
NOT_READ: dict[str, str] = {}
COUNTS: dict[str, int] = {}


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
    assert not_read == NOT_READ, msgspec.json.encode(not_read).decode()
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
