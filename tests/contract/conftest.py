"""The contract's fixtures: one engine after the other, each test with an empty log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploytrail.log.store import Store
from tests.contract.engines import ENGINES, Engine
from tests.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Engine]:
    made = ENGINES[request.param](request, tmp_path, clock)
    yield made
    made.close()


@pytest.fixture
def store(engine: Engine) -> Store:
    return engine.open()
