"""The log's fixtures: a store on either engine, and a clock that is told the time.

A test that asks for the `engine` itself looks below the store, into the files of SQLite.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploytrail.log.store import Store
from tests.contract.engines import ENGINES, SqliteEngine
from tests.fakes import FakeClock


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store" in metafunc.fixturenames:
        is_below = "engine" in inspect.signature(metafunc.function).parameters
        engines = ["sqlite"] if is_below else sorted(ENGINES)
        metafunc.parametrize("store", engines, indirect=True)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def engine(tmp_path: Path, clock: FakeClock) -> Iterator[SqliteEngine]:
    made = SqliteEngine(tmp_path, clock)
    yield made
    made.close()


@pytest.fixture
def store(request: pytest.FixtureRequest, clock: FakeClock, tmp_path: Path) -> Iterator[Store]:
    if request.param == "sqlite":
        yield request.getfixturevalue("engine").open()
        return
    made = ENGINES[request.param](request, tmp_path, clock)
    yield made.open()
    made.close()
