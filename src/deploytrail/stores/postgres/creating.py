"""A trail's schemas made in a database: in one transaction, so all of them or none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import psycopg

from deploytrail.clock import Clock
from deploytrail.errors import Conflict, Incomplete
from deploytrail.stores.postgres.address import Address
from deploytrail.stores.postgres.failures import own_error
from deploytrail.stores.postgres.keys import SHAPE as KEYS
from deploytrail.stores.postgres.keys import PostgresKeyring
from deploytrail.stores.postgres.link import Link, Waits, connect
from deploytrail.stores.postgres.log import PostgresLog
from deploytrail.stores.postgres.log_sql import RESTORING
from deploytrail.stores.postgres.log_sql import SHAPE as LOG
from deploytrail.vault.keys import Secrets

# Two that make a trail at once: the second finds what the first has made.
_ALONE: Final = "SELECT pg_advisory_xact_lock(7235700101)"
_IS_RESTORING: Final = "SELECT to_regclass('deploytrail_log.restoring') IS NOT NULL"
_RESTORED: Final = "DROP TABLE deploytrail_log.restoring"
_MAY_WRITE: Final = (
    "SELECT has_table_privilege('deploytrail_log.tree', 'UPDATE') AND NOT pg_is_in_recovery()"
)


@contextmanager
def creating(address: Address, waits: Waits) -> Iterator[Link]:
    """A transaction that nobody else makes schemas in; durable where the block ends."""
    with connect(address, waits) as link:
        try:
            with link.transaction():
                link.execute(_ALONE)
                yield link
        except psycopg.Error as error:
            raise own_error(error, address) or error from error


class NewTrail(NamedTuple):
    """What a trail is made of."""

    origin: str
    policy: bytes
    secrets: Secrets


def has_trail(address: Address, waits: Waits) -> bool:
    with connect(address, waits) as link:
        return LOG.exists(link)


def may_write(address: Address, waits: Waits) -> bool:
    """Whether this role may append to the trail that is there, through this server."""
    with connect(address, waits) as link:
        try:
            row = link.execute(_MAY_WRITE).fetchone()
        except psycopg.Error:
            return False
    return row == (True,)


def create_trail(
    address: Address, waits: Waits, new: NewTrail, clock: Clock, wrapping_key: bytes
) -> None:
    """Make a trail's schemas with their first rows, durable on return.

    Raises Conflict where there is a trail, Incomplete where only its log is gone.
    """
    with creating(address, waits) as link:
        if LOG.exists(link):
            raise Conflict(f"{address}: expected no trail, found one; use it")
        if KEYS.exists(link):
            raise Incomplete(
                f"{address}: expected the schema {LOG.schema} beside {KEYS.schema}, found none: "
                "the log was removed. Restore it from a backup, or name another database"
            )
        _create(link, new, clock, wrapping_key)


def create_unready(
    address: Address, waits: Waits, new: NewTrail, clock: Clock, wrapping_key: bytes
) -> None:
    """As `create_trail`; nobody but `restore` can open it before `make_ready`.

    What an earlier call left that was stopped is made anew: it has promised nothing yet.
    """
    with creating(address, waits) as link:
        if LOG.exists(link) and link.execute(_IS_RESTORING).fetchone() != (True,):
            raise Conflict(
                f"{address}: expected no trail, found one; name an empty database with --url"
            )
        if KEYS.exists(link) and not LOG.exists(link):
            raise Conflict(
                f"{address}: expected no trail, found {KEYS.schema}, the keys of one whose log was "
                "removed; keep a copy of them (pg_dump), or name another database"
            )
        for shape in (LOG, KEYS):
            link.execute(f"DROP SCHEMA IF EXISTS {shape.schema} CASCADE")
        _create(link, new, clock, wrapping_key)
        link.execute(LOG.made(RESTORING))


def make_ready(address: Address, waits: Waits) -> None:
    """Let everybody open what was restored; durable on return."""
    with creating(address, waits) as link:
        link.execute(_RESTORED)


def _create(link: Link, new: NewTrail, clock: Clock, wrapping_key: bytes) -> None:
    PostgresKeyring.create(link, new.secrets, clock, wrapping_key=wrapping_key)
    PostgresLog.create(link, new.origin, new.policy)
