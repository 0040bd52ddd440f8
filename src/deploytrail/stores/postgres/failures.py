"""PostgreSQL's errors as ours, by SQLSTATE (its manual, appendix A)."""

from __future__ import annotations

from typing import Final

import psycopg

from deploytrail.errors import (
    Busy,
    DeploytrailError,
    DiskFull,
    Misconfigured,
    NotPermitted,
    Unreachable,
)
from deploytrail.stores.postgres.address import Address

_NOTHING: Final = "nothing was stored"
_BUSY: Final = {
    "55P03": "expected another writer to finish in the time allowed; {nothing}. Try again",
    "40001": "another transaction came between; {nothing}. Try again",
    "40P01": "two transactions waited for each other; {nothing}. Try again",
    "57014": "a statement took longer than allowed or was cancelled; {nothing}. Try again",
    "25P03": "a transaction stood still for longer than allowed; {nothing}. Try again",
    "25P04": "a transaction took longer than allowed; {nothing}. Try again",
    "53200": "the server is out of memory; {nothing}. Give it more, or try again",
    "53300": "the server has no connection left; {nothing}. Raise max_connections, or try again",
    "53400": "the server is at a limit of its configuration; {nothing}. Raise it, or try again",
}
_GONE: Final = frozenset({"57P01", "57P02", "57P03", "57P04", "57P05"})
_NOT_OURS_CLASSES: Final = ("XX", "58", "23")
_NOT_OURS: Final = frozenset({"42P01", "42703", "42804", "42883", "3F000"})


def shakes_trust(error: psycopg.Error) -> bool:
    """Whether the server only says this of pages, rows or tables that are not as we wrote them.

    An I/O error, corruption, a broken constraint, a table or column that is gone. A failed fsync
    is not among them: there the server stops itself, and starts again from its write-ahead log.
    """
    state = error.sqlstate or ""
    return state.startswith(_NOT_OURS_CLASSES) or state in _NOT_OURS


def own_error(error: psycopg.Error, address: Address) -> DeploytrailError | None:
    """What an error of the server means to who asked; None for one that is a fault of ours."""
    state = error.sqlstate or ""
    said = address.without_secrets(error.diag.message_primary or str(error))
    if state in _BUSY:
        return Busy(f"{address}: {_BUSY[state].format(nothing=_NOTHING)}")
    if state == "53100":
        return DiskFull(f"{address}: no room left on the server's disk; {_NOTHING}. Free some")
    if state == "25006":
        return Misconfigured(
            f"{address}: expected the primary server, found one that only reads (a standby?); "
            "name the primary, or add target_session_attrs=read-write to the URL"
        )
    if state == "42501" or state.startswith("28"):
        return NotPermitted(
            f"{address}: expected a role that may do this, found one that may not: {said}; "
            "docs/postgres.md has the grants"
        )
    is_link = isinstance(error, psycopg.OperationalError) and not state
    if state in _GONE or state.startswith("08") or is_link:
        return unreachable(said, address)
    return None


def unreachable(said: str, address: Address) -> Unreachable:
    return Unreachable(
        f"{address}: expected an answer of the server, found none: {said}; {_NOTHING}. "
        "Look whether it runs and takes connections, then try again"
    )
