"""A connection of the index to PostgreSQL, and its errors as ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import psycopg

from deploytrail.errors import Busy, Misconfigured, TooSlow, Unreachable
from deploytrail.index.postgres import sql

Link = psycopg.Connection[tuple[Any, ...]]
_STATEMENT_MS: Final = 60_000
_LOCK_MS: Final = 10_000
_IDLE_MS: Final = 60_000
"""Of a transaction in which nothing is asked: longer than it takes to make what is written next."""


def connected(conninfo: str, schema: str = "") -> Link:
    """A connection that finds its tables in a schema, and waits for nothing without an end."""
    try:
        link: Link = psycopg.connect(conninfo, autocommit=True)
    except psycopg.Error:
        # What libpq says may have a password in it.
        raise Unreachable(
            "index: expected its database, which does not answer; try again, or look at it"
        ) from None
    path = f"{schema}, pg_catalog" if schema else "pg_catalog"
    limits = [str(limit) for limit in (_STATEMENT_MS, _LOCK_MS, _IDLE_MS)]
    try:
        with own_errors():
            link.execute(sql.SETTINGS, (path, *limits))
    except BaseException:
        link.close()
        raise
    return link


@contextmanager
def transaction(link: Link, begin: str) -> Iterator[None]:
    with own_errors():
        link.execute(begin.encode())
        try:
            yield
            link.execute("COMMIT")
        except BaseException:
            with suppress(psycopg.Error):
                link.execute("ROLLBACK")
            raise


@contextmanager
def patient(link: Link) -> Iterator[None]:
    """For statements that write a table anew: how long that takes is for its size to say."""
    with own_errors():
        link.execute(sql.STATEMENT_TIMEOUT, ("0",))
        try:
            yield
        finally:
            # A link that is broken says so to the next one who asks it.
            with suppress(psycopg.Error):
                link.execute(sql.STATEMENT_TIMEOUT, (str(_STATEMENT_MS),))


@contextmanager
def own_errors() -> Iterator[None]:
    try:
        yield
    except psycopg.errors.QueryCanceled as error:
        raise TooSlow(f"index: expected an answer sooner, found none yet: {error}") from error
    except (psycopg.errors.LockNotAvailable, psycopg.errors.SerializationFailure) as error:
        raise Busy(f"index: another process holds it: {error}; try again") from error
    except (
        psycopg.OperationalError,
        psycopg.errors.IdleInTransactionSessionTimeout,
    ) as error:
        raise Unreachable(f"index: its database went away: {error}; try again") from error
    except psycopg.Error as error:
        raise Misconfigured(
            f"index: expected one as we write it, found {error}; 'deploytrail index rebuild' "
            "makes it anew from the log"
        ) from error
