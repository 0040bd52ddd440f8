"""Audit events that GitLab's documentation shows are understood."""

from __future__ import annotations

import pytest

from deploytrail.kit.delivery import fetched
from deploytrail.sources.gitlab_audit import SOURCE
from deploytrail.testing import RECEIVED, events
from tests.conftest import ROOT

FIXTURES = ROOT.parent / "shared" / "fixtures" / "gitlab-audit-streaming-docs"
EXPECTED = {
    "git_ssh_fetch_deploy_key": (
        "gitlab:deploy_key/deploy-key-name",
        "2022-07-26T05:43:53.662000Z",
    ),
    "repository_git_operation_integer_id": ("gitlab:user/1", "2022-05-25T06:49:15.213000Z"),
}


def test_what_gitlab_shows_is_read() -> None:
    if not FIXTURES.is_dir():
        pytest.skip("the shared fixtures are not beside this checkout")
    found = {
        path.stem: events(SOURCE, fetched(path.read_bytes(), RECEIVED))
        for path in sorted(FIXTURES.glob("*.json"))
    }
    assert {event["action"] for some in found.values() for event in some} == {
        "code.repository.cloned"
    }
    assert {
        name: (event["actor"]["id"], event["time"]) for name, (event,) in found.items()
    } == EXPECTED
