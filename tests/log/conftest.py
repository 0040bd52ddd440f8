"""The log's fixtures: a store on SQLite, and a clock that is told the time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploytrail.stores.sqlite.log import SqliteLog
from tests.contract.engines import SqliteEngine
from tests.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def engine(tmp_path: Path, clock: FakeClock) -> Iterator[SqliteEngine]:
    made = SqliteEngine(tmp_path, clock)
    yield made
    made.close()


@pytest.fixture
def store(engine: SqliteEngine) -> SqliteLog:
    return engine.open()
