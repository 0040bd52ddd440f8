"""A log to follow, on SQLite, with a clock that is told the time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.engines import SqliteEngine
from tests.fakes import FakeClock
from tests.follow.logs import Log


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def log(tmp_path: Path, clock: FakeClock) -> Iterator[Log]:
    engine = SqliteEngine(tmp_path, clock)
    yield Log(engine.open())
    engine.close()
