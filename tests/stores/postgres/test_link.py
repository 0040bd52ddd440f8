"""What a connection insists on: a server that keeps what it says, and settings of its own."""

from __future__ import annotations

from contextlib import closing

import pytest

from deploytrail.errors import Misconfigured
from deploytrail.stores.postgres.address import Address
from deploytrail.stores.postgres.link import Waits, connect
from tests.contract.engines import PostgresEngine
from tests.fakes import FakeClock
from tests.log.entries import append, batch
from tests.postgresql import Server, running
from tests.verified import verified


def test_a_server_that_forgets_what_it_called_durable_is_refused() -> None:
    with running() as server:
        engine = PostgresEngine(server, FakeClock())
        store = engine.open()
        for setting in ("fsync", "full_page_writes"):
            server.run(f"ALTER SYSTEM SET {setting} = off")
            server.run("SELECT pg_reload_conf()")
            server.end_sessions(engine.name)
            with pytest.raises(Misconfigured, match=rf"{setting} = on, found off.*ALTER SYSTEM"):
                engine.open()
            with pytest.raises(Misconfigured, match=rf"{setting} = on"):
                append(store, batch(0, 1))
            server.run(f"ALTER SYSTEM RESET {setting}")
            server.run("SELECT pg_reload_conf()")
        server.end_sessions(engine.name)
        append(store, batch(0, 1))
        assert len(verified(store)) == 1
        engine.close()


DEFAULTS: dict[str, str] = {
    "synchronous_commit": "off",
    "default_transaction_read_only": "on",
    "search_path": "public",
    "row_security": "on",
}


def test_defaults_of_a_role_change_nothing(postgres_server: Server, engine: PostgresEngine) -> None:
    for name, value in DEFAULTS.items():
        postgres_server.run(f"ALTER DATABASE {engine.name} SET {name} = {value}")
    with closing(connect(Address(postgres_server.url(engine.name)), Waits(lock=1.5))) as link:
        found = {
            name: link.execute(f"SHOW {name}").fetchall()[0][0]
            for name in [*DEFAULTS, "lock_timeout"]
        }
    assert found == {
        "synchronous_commit": "on",
        "default_transaction_read_only": "off",
        "search_path": "pg_catalog",
        "row_security": "off",
        "lock_timeout": "1500ms",
    }
    store = engine.open()
    append(store, batch(0, 1))
    assert len(verified(store)) == 1


def test_a_standby_is_no_place_to_write_and_a_fine_one_to_read() -> None:
    with running() as server:
        engine = PostgresEngine(server, FakeClock())
        append(engine.open(), batch(0, 300))
        engine.close()
        server.crash()
        (server.directory / "standby.signal").touch()
        server.start()
        store = engine.open()
        assert len(verified(store)) == 300
        with pytest.raises(Misconfigured, match="expected the primary server"):
            append(store, batch(300, 1))
        engine.close()
