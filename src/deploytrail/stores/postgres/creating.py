"""A trail's schemas made in a database: in one transaction, so all of them or none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

from deploytrail.stores.postgres.address import Address
from deploytrail.stores.postgres.failures import own_error
from deploytrail.stores.postgres.link import Link, Waits, connect

# Two that make a trail at once: the second finds what the first has made.
_ALONE: Final = "SELECT pg_advisory_xact_lock(7235700101)"


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
