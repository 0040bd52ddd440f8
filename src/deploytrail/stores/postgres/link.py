"""One connection to the server, with the settings that our promises need.

Whoever connects gets a session that syncs its commits, finds no name but by its schema, waits for
nothing without an end, and a server that keeps what it says is durable.
"""

from __future__ import annotations

import logging
from typing import Any, Final, NamedTuple

import psycopg

from deploytrail.errors import Misconfigured
from deploytrail.stores.postgres.address import Address
from deploytrail.stores.postgres.failures import own_error, unreachable

# What it says of a connection that broke is raised as well; on standard error it is only noise.
logging.getLogger("psycopg").addHandler(logging.NullHandler())
Link = psycopg.Connection[tuple[Any, ...]]
VERSION_MIN: Final = 140_000
_TRANSACTION_TIMEOUT_SINCE: Final = 170_000
_KEPT: Final = {
    "fsync": "on",
    "full_page_writes": "on",
    "zero_damaged_pages": "off",
}
"""Without these the server says that it stored what a crash of its machine takes away."""
_SERVER: Final = (
    "SELECT current_setting('server_version_num')::int, current_setting('server_version'), "
    "ARRAY(SELECT current_setting(name) FROM unnest(%s::text[]) WITH ORDINALITY AS n(name, at) "
    "ORDER BY at)"
)


class Waits(NamedTuple):
    """How long is waited, in seconds: for a lock, for a statement, for a client in a transaction,
    and for a server that went away in a commit.
    """

    lock: float = 10.0
    statement: float = 60.0
    idle: float = 30.0
    return_: float = 15.0


def connect(address: Address, waits: Waits) -> Link:
    """A connection; raises Unreachable, and Misconfigured for a server that keeps no promise."""
    try:
        link: Link = psycopg.connect(address.conninfo, autocommit=True)
    except psycopg.Error as error:
        raise unreachable(address.without_secrets(str(error)), address) from None
    try:
        link.execute(_settings(waits, link.info.server_version))
        row = link.execute(_SERVER, (list(_KEPT),)).fetchone()
    except psycopg.Error as error:
        link.close()
        raise own_error(error, address) or error from None
    assert row is not None
    try:
        _refuse_careless(row, address)
    except Misconfigured:
        link.close()
        raise
    return link


def _settings(waits: Waits, version: int) -> str:
    limits = {
        "lock_timeout": waits.lock,
        "statement_timeout": waits.statement,
        "idle_in_transaction_session_timeout": waits.idle,
    }
    if version >= _TRANSACTION_TIMEOUT_SINCE and waits.statement:
        limits["transaction_timeout"] = waits.lock + waits.statement + waits.idle
    return "; ".join(
        [
            # The role or the database may have another default.
            "SET synchronous_commit = on",
            "SET default_transaction_read_only = off",
            # Nobody's function or operator stands in for one of the server's.
            "SET search_path = pg_catalog",
            # A policy that hides rows is an error, not an answer with less in it.
            "SET row_security = off",
            "SET client_min_messages = warning",
            # A client whose machine went away holds the lock no longer than that.
            "SET tcp_keepalives_idle = 10",
            "SET tcp_keepalives_interval = 5",
            "SET tcp_keepalives_count = 3",
            *(f"SET {name} = {int(seconds * 1000)}" for name, seconds in limits.items()),
        ]
    )


def _refuse_careless(row: tuple[Any, ...], address: Address) -> None:
    number, version, settings = row
    if number < VERSION_MIN:
        raise Misconfigured(
            f"{address}: expected PostgreSQL {VERSION_MIN // 10_000} or newer, found {version}; "
            "use a newer server"
        )
    for (name, wanted), found in zip(_KEPT.items(), settings, strict=True):
        if found != wanted:
            raise Misconfigured(
                f"{address}: expected {name} = {wanted}, found {found}: this server loses what it "
                f"called durable. Set it in postgresql.conf (ALTER SYSTEM SET {name} = {wanted}; "
                "SELECT pg_reload_conf())"
            )
