"""Every notification in HashiCorp's documentation is read; what is no notification is not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from deploytrail.kit.delivery import fetched
from deploytrail.sources.hcp_terraform import SOURCE
from deploytrail.testing import RECEIVED, events

READ = {
    "notification-configurations--01": ("deployment.cancelled", "2019-01-25T18:37:04Z"),
    "notification-configurations--02": ("drift.detected", "2022-06-09T05:23:10Z"),
    "notification-configurations--03": ("deployment.scheduled", "2026-11-22T12:00:00Z"),
    "notification-configurations--04": ("deployment.removed", "2022-06-09T05:22:51Z"),
    "notification-configurations--05": ("deployment.failed", "2026-11-22T12:00:00Z"),
}


def documented(fixtures: Path) -> list[Path]:
    folder = fixtures / "hcp-terraform-docs"
    if not folder.is_dir():
        pytest.skip("hcp-terraform-docs is absent")
    return sorted(folder.glob("*.json"))


def test_every_documented_notification_is_read(fixtures: Path) -> None:
    found = {}
    for path in documented(fixtures):
        for event in events(SOURCE, fetched(path.read_bytes(), RECEIVED)):
            if event["action"] != "integration.delivery.malformed":
                found[path.stem.partition("api-docs-")[2][:31]] = (event["action"], event["time"])
                assert event["actor"]["id"].startswith("hcp-terraform:")
                assert event["place"]["raw"]["workspace"].startswith("acme-org/")
    assert found == READ


def test_requests_and_answers_of_the_api_are_no_deliveries(fixtures: Path) -> None:
    actions = Counter(
        (event["action"], event["error"]["code"])
        for path in documented(fixtures)
        for event in events(SOURCE, fetched(path.read_bytes(), RECEIVED))
        if event["action"].startswith("integration.")
    )
    assert actions == {("integration.delivery.malformed", "delivery"): 32}, actions
