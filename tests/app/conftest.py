"""A trail in a directory of its own, with a clock that is told the time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from deploytrail.app.trails.directory import DirectoryTrail, open_directory
from tests.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    return {"XDG_STATE_HOME": str(tmp_path / "state"), "DEPLOYTRAIL_HOME": str(tmp_path / "home")}


@pytest.fixture
def trail(clock: FakeClock, environment: Mapping[str, str]) -> Iterator[DirectoryTrail]:
    opened = open_directory(clock=clock, environment=environment)
    yield opened
    opened.close()
