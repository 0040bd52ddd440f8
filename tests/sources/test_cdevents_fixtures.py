"""Every event of the specification's conformance set is read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from deploytrail.kit.delivery import Delivery
from deploytrail.sources.cdevents import SOURCE
from deploytrail.testing import RECEIVED, events
from tests.conftest import ROOT

FIXTURES: Path = ROOT.parent / "shared" / "fixtures"
SET = FIXTURES / "cdevents-spec"
DOCS = FIXTURES / "cdevents-spec-docs"
pytestmark = pytest.mark.skipif(not SET.is_dir(), reason="no ../shared/fixtures here")
_UNREAD = "integration.delivery."


def read(path: Path) -> list[str]:
    found = events(SOURCE, Delivery(path.read_bytes(), (), RECEIVED))
    for each in found:
        assert each["actor"]
        assert each["time"]
        assert each["outcome"]
    return [each["action"] for each in found]


def test_the_whole_conformance_set_is_read() -> None:
    """One of each type; its file of ids is no event."""
    paths = sorted((SET / "conformance").glob("*.json"))
    told = {path.stem: read(path) for path in paths}
    unread = [name for name, some in told.items() if any(one.startswith(_UNREAD) for one in some)]
    assert unread == []
    assert len(told) == len(SOURCE.kinds) == 48
    assert all(len(some) == 1 for some in told.values())
    kinds = {name.replace("_", ".") for name in told}
    assert kinds == set(SOURCE.kinds)


def test_a_custom_type_is_kept_as_unrecognised() -> None:
    assert read(SET / "custom" / "conformance.json") == ["integration.delivery.unrecognised"]


def test_the_examples_of_the_documents_are_read_or_say_why_not() -> None:
    """Most are fragments: links, which are no events, and parts of an event."""
    told = Counter(action for path in sorted(DOCS.glob("*.json")) for action in read(path))
    assert told == {
        "build.job.started": 1,
        "build.pipeline.queued": 1,
        "code.change.merged": 1,
        "integration.delivery.malformed": 11,
        "integration.delivery.unrecognised": 1,
    }
