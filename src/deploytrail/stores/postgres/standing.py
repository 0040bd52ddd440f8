"""How a server stands, for whoever examines it."""

from __future__ import annotations

from typing import Final, NamedTuple

import psycopg

from deploytrail.stores.postgres.address import Address
from deploytrail.stores.postgres.failures import own_error
from deploytrail.stores.postgres.link import Waits, connect

_STANDING: Final = """
SELECT current_setting('server_version'), pg_is_in_recovery(),
       current_setting('data_checksums') = 'on', current_setting('synchronous_standby_names'),
       coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false),
       coalesce(inet_server_addr() = inet_client_addr(), true)
"""


class Standing(NamedTuple):
    """`standbys` are the synchronous ones, as the server is told them; empty for none.

    `is_local` tells a connection that never leaves this machine.
    """

    version: str
    is_standby: bool
    has_checksums: bool
    standbys: str
    is_encrypted: bool
    is_local: bool


def standing(address: Address, waits: Waits) -> Standing:
    """Raises what connecting to a careless or an absent server raises."""
    with connect(address, waits) as link:
        try:
            (row,) = link.execute(_STANDING)
        except psycopg.Error as error:
            raise own_error(error, address) or error from error
    return Standing(*row)
