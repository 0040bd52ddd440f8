"""Leases: one holder in the whole database, gone with its connection."""

from __future__ import annotations

from contextlib import closing

import pytest

from deploytrail.errors import Busy
from deploytrail.stores.postgres.lease import Lease
from tests.contract.engines import PostgresEngine
from tests.postgresql import Server


def test_a_lease_has_one_holder_and_each_name_its_own(engine: PostgresEngine) -> None:
    with (
        closing(Lease(engine.address, "publish")) as one,
        closing(Lease(engine.address, "publish")) as other,
        closing(Lease(engine.address, "index")) as another,
    ):
        with one.held(seconds_max=1):
            with (
                pytest.raises(Busy, match=r"lease publish within 0\.1 s"),
                other.held(seconds_max=0.1),
            ):
                raise AssertionError("two holders")
            with another.held(seconds_max=0.1):
                assert not other.try_hold()
        with other.held(seconds_max=0.1):
            assert not one.try_hold()
        assert one.try_hold()
        assert one.is_held


def test_whoever_loses_the_connection_loses_the_lease(
    postgres_server: Server, engine: PostgresEngine
) -> None:
    with closing(Lease(engine.address, "a")) as one, closing(Lease(engine.address, "a")) as other:
        with one.held(seconds_max=1):
            assert len(postgres_server.end_sessions(engine.name)) == 1
            with other.held(seconds_max=5):
                assert not one.is_held
        with one.held(seconds_max=5):
            assert one.is_held
