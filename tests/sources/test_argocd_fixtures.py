"""Our triggers say what Argo CD's own catalogue says; what Argo CD receives is nothing it sends."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from deploytrail.kit.delivery import fetched
from deploytrail.sources.argocd import SOURCE
from deploytrail.testing import RECEIVED, events
from tests.conftest import ROOT

SHIPPED = ROOT / "src/deploytrail/sources/files/argocd-notifications.yaml"
SAME = {
    "on-deleted": "trigger.deploytrail-deleted",
    "on-sync-running": "trigger.deploytrail-sync-running",
    "on-sync-succeeded": "trigger.deploytrail-sync-succeeded",
    "on-sync-failed": "trigger.deploytrail-sync-failed",
}


def parsed(text: str) -> Any:
    return import_module("yaml").safe_load(text)


def test_what_fires_a_trigger_is_what_fires_that_of_the_catalogue(fixtures: Path) -> None:
    folder = fixtures / "argocd-notifications-catalog" / "triggers"
    if not folder.is_dir():
        pytest.skip("argocd-notifications-catalog is absent")
    ours = parsed(SHIPPED.read_text(encoding="utf-8"))["data"]
    for theirs, name in SAME.items():
        (condition,) = parsed((folder / f"{theirs}.yaml").read_text(encoding="utf-8"))
        (own,) = parsed(ours[name])
        assert own["when"] == condition["when"]


def test_no_webhook_that_argo_cd_receives_is_read(fixtures: Path) -> None:
    folder = fixtures / "argocd-webhook-testdata"
    if not folder.is_dir():
        pytest.skip("argocd-webhook-testdata is absent")
    found = Counter(
        event["action"]
        for path in sorted(folder.rglob("*.json"))
        for event in events(SOURCE, fetched(path.read_bytes(), RECEIVED))
    )
    assert found == {
        "integration.delivery.malformed": 20,
        "integration.delivery.unrecognised": 1,
    }, found
