"""The specification's own examples of logs are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploytrail.kit.delivery import Delivery
from deploytrail.sources.otlp import SOURCE
from deploytrail.testing import RECEIVED, events
from tests.conftest import ROOT

EXAMPLES: Path = ROOT.parent / "shared" / "fixtures" / "otlp-examples"
pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="no recorded deliveries beside us")


@pytest.mark.parametrize("name", ["logs", "events"])
def test_a_programs_logs_are_counted_and_not_kept(name: str) -> None:
    body = (EXAMPLES / f"{name}.json").read_bytes()
    (found,) = events(SOURCE, Delivery(body, (("content-type", "application/json"),), RECEIVED))
    assert found["action"] == "integration.delivery.set_aside"
    assert found["targets"] == [{"type": "kind", "id": "log", "change": "1"}]


@pytest.mark.parametrize("name", ["trace", "metrics"])
def test_what_are_no_logs_is_refused_by_name(name: str) -> None:
    body = (EXAMPLES / f"{name}.json").read_bytes()
    (found,) = events(SOURCE, Delivery(body, (("content-type", "application/json"),), RECEIVED))
    assert found["action"] == "integration.delivery.malformed"
    assert "logRecords" in found["error"]["text"]
