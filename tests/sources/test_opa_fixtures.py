"""The batch of OPA's own documentation is read whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploytrail.kit.delivery import fetched
from deploytrail.sources.opa import SOURCE
from deploytrail.testing import RECEIVED, events


def test_the_documented_batch_is_one_allowed_decision(fixtures: Path) -> None:
    folder = fixtures / "opa-decision-log-docs"
    if not folder.is_dir():
        pytest.skip("opa-decision-log-docs is absent")
    found = [
        event
        for path in sorted(folder.glob("*.json"))
        for event in events(SOURCE, fetched(path.read_bytes(), RECEIVED))
    ]
    assert [(each["action"], each["outcome"], each["time"]) for each in found] == [
        ("policy.decision.made", "success", "2018-01-01T00:00:00Z")
    ]
    assert found[0]["client"] == {"address": "[::1]:59943"}
    assert "salary" not in str(found)
