"""Leases between nodes: advisory locks of PostgreSQL, held by a connection of their own.

The server lets go of one when its holder dies, or can't be reached any more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import psycopg

from deploytrail.errors import Busy
from deploytrail.stores.postgres.address import Address
from deploytrail.stores.postgres.failures import own_error
from deploytrail.stores.postgres.link import Link, Waits, connect

_TRY: Final = "SELECT pg_try_advisory_lock(%s)"
_TAKE: Final = "SELECT pg_advisory_lock(%s)"
_LET_GO: Final = "SELECT pg_advisory_unlock(%s)"


class Lease:
    """One lease by its name, held by at most one in the whole database."""

    def __init__(self, address: Address, name: str) -> None:
        self._address = address
        self._name = name
        self._number = int.from_bytes(
            hashlib.sha256(b"deploytrail/" + name.encode()).digest()[:8], "big", signed=True
        )
        self._link: Link | None = None

    @contextmanager
    def held(self, *, seconds_max: float) -> Iterator[None]:
        """Hold it for a block; raises Busy where somebody else holds it for longer than allowed.

        Whoever loses the connection meanwhile has lost the lease, and is not told: what is done
        under a lease must be safe without it.
        """
        link = self._opened(seconds_max)
        try:
            self._take(link, seconds_max)
            yield
        finally:
            with suppress(psycopg.Error):
                link.execute(_LET_GO, (self._number,))

    def try_hold(self) -> bool:
        """Hold it until `close` if nobody else does; whether that is so."""
        link = self._opened(0)
        try:
            return bool(link.execute(_TRY, (self._number,)).fetchall()[0][0])
        except psycopg.Error as error:
            raise own_error(error, self._address) or error from None

    @property
    def is_held(self) -> bool:
        """Whether the connection that held it still stands; asks the server."""
        try:
            return self._link is not None and bool(self._link.execute("SELECT 1").fetchall())
        except psycopg.Error:
            return False

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _opened(self, seconds_max: float) -> Link:
        # The wait for the lease has a limit of its own.
        waits = Waits(lock=seconds_max, statement=0)
        if self._link is None or self._link.closed:
            self._link = connect(self._address, waits)
        return self._link

    def _take(self, link: Link, seconds_max: float) -> None:
        try:
            # Zero would mean without an end.
            link.execute(f"SET lock_timeout = {max(1, int(seconds_max * 1000))}")
            link.execute(_TAKE, (self._number,))
        except psycopg.errors.LockNotAvailable as error:
            raise Busy(
                f"{self._address}: expected the lease {self._name} within {seconds_max:g} s, but "
                "another process holds it; try again"
            ) from error
        except psycopg.Error as error:
            raise own_error(error, self._address) or error from None
