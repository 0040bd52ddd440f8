"""A connection of the index: limits of its own, and none that is left open behind a failure."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from deploytrail.errors import Misconfigured, Unreachable
from deploytrail.index.postgres import sql
from deploytrail.index.postgres.database import Link, connected, patient, transaction
from deploytrail.index.postgres.shelf import PostgresShelf
from tests.index.entries import ORIGIN

if TYPE_CHECKING:
    from tests.postgresql import Server

LIMITS = {
    "statement_timeout": "1min",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "1min",
    "search_path": "some, pg_catalog",
}


def _sessions(server: Server, database: str) -> int:
    (found,) = server.run("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [database])
    return int(found[0])


def test_a_connection_waits_for_nothing_without_an_end(postgres_server: Server) -> None:
    name = postgres_server.database()
    for limit in LIMITS:
        default = "public" if limit == "search_path" else "0"
        postgres_server.run(f"ALTER DATABASE {name} SET {limit} = {default}")
    with closing(connected(postgres_server.url(name), "some")) as link:
        found = {limit: link.execute(f"SHOW {limit}".encode()).fetchone() for limit in LIMITS}
    assert found == {limit: (value,) for limit, value in LIMITS.items()}


def test_a_table_is_written_anew_for_as_long_as_that_takes(postgres_server: Server) -> None:
    def limit() -> object:
        return link.execute("SHOW statement_timeout").fetchall()[0][0]

    with closing(connected(postgres_server.url(postgres_server.database()))) as link:
        with patient(link):
            within = limit()
        assert (within, limit()) == ("0", "1min")
        with pytest.raises(Misconfigured, match="expected one as we write it"), patient(link):
            link.execute("VACUUM FULL nothing")
        assert limit() == "1min"


def test_a_connection_that_can_t_be_set_up_is_closed(postgres_server: Server) -> None:
    name = postgres_server.database()
    postgres_server.run(f"CREATE ROLE carol_{name} LOGIN")
    postgres_server.run(
        "REVOKE EXECUTE ON FUNCTION set_config(text, text, boolean) FROM PUBLIC", database=name
    )
    with pytest.raises(Misconfigured, match="permission denied") as raised:
        connected(postgres_server.url(name, user=f"carol_{name}"))
    # What was raised still holds whatever the failed call had.
    assert raised.value.__traceback__ is not None
    assert _ended(postgres_server, name)


def test_a_connection_to_what_is_no_index_is_closed(postgres_server: Server) -> None:
    name = postgres_server.database()
    with pytest.raises(Misconfigured, match="expected one as we write it") as raised:
        PostgresShelf(postgres_server.url(name), "some")
    assert raised.value.__traceback__ is not None
    assert _ended(postgres_server, name)


def test_a_transaction_that_stood_still_for_too_long_is_tried_again(
    postgres_server: Server,
) -> None:
    name = postgres_server.database()
    PostgresShelf.create(postgres_server.url(name), "some", ORIGIN)

    def stand_still(link: Link) -> None:
        with transaction(link, sql.WRITING):
            link.execute(sql.LOCK)
            assert _ended(postgres_server, name)
            link.execute(sql.ADVANCE, (1,))

    with closing(connected(postgres_server.url(name), "some")) as link:
        link.execute("SET idle_in_transaction_session_timeout = 1")
        with pytest.raises(Unreachable, match="its database went away"):
            stand_still(link)
    # Whoever waited for what it held goes on.
    shelf = PostgresShelf(postgres_server.url(name), "some", is_writer=True)
    with closing(shelf), shelf.writing() as pen:
        pen.advance(2)


def _ended(server: Server, database: str) -> bool:
    """Whether there soon is no session in a database: one ends a little after its connection."""
    return any(not _sessions(server, database) for _ in range(2_000))
