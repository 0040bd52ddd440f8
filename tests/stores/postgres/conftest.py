"""A log in a database of its own, and the wire to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.engines import PostgresEngine
from tests.fakes import FakeClock
from tests.postgresql import Server
from tests.stores.postgres.wire import Wire


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def engine(postgres_server: Server, clock: FakeClock) -> Iterator[PostgresEngine]:
    made = PostgresEngine(postgres_server, clock)
    yield made
    made.close()


@pytest.fixture
def wire(postgres_server: Server) -> Iterator[Wire]:
    made = Wire(postgres_server.socket)
    yield made
    made.close()
