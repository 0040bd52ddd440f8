"""Tables written anew without the rows that were deleted, as far as PostgreSQL can be told so.

A deleted row stays in its page, and vacuum only marks its place as free; rewritten, the table gets
a new file. Its write-ahead log, archives, standbys and backups keep the bytes for as long as they
are kept (docs/postgres.md).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

import psycopg

from deploytrail.errors import Busy
from deploytrail.stores.postgres.address import Address
from deploytrail.stores.postgres.failures import own_error
from deploytrail.stores.postgres.link import Link, Waits, connect

_NOW: Final = "SELECT pg_current_xact_id()::text"
# A rewritten table freezes all that it kept: its horizon is that of the oldest transaction which
# may still see a deleted row. If that began before our mark, the row was copied.
_OLDER: Final = """
SELECT count(*) FROM pg_class t
 WHERE (t.oid = ANY(%(tables)s::regclass[]) OR t.oid IN (
         SELECT reltoastrelid FROM pg_class WHERE oid = ANY(%(tables)s::regclass[])))
   AND age(t.relfrozenxid) > age(%(mark)s::xid8::xid)
"""
_PAUSE_SECONDS: Final = 0.5


def rewrite(address: Address, waits: Waits, tables: Sequence[str]) -> None:
    """Write these tables anew without what was deleted before; blocks all who use them meanwhile.

    Raises Busy where an older transaction, anybody's in this database, still sees what was deleted.
    """
    with connect(address, waits._replace(statement=0)) as link:
        try:
            for _ in range(max(1, int(waits.lock / _PAUSE_SECONDS))):
                if _is_rewritten(link, tables):
                    return
                threading.Event().wait(_PAUSE_SECONDS)
        except psycopg.Error as error:
            raise own_error(error, address) or error from error
    raise Busy(
        f"{address}: expected nobody to see what was erased any more, but an older transaction, a "
        "prepared one, a replication slot or a standby still does; end it (pg_stat_activity, "
        "backend_xmin), then erase again"
    )


def _is_rewritten(link: Link, tables: Sequence[str]) -> bool:
    (mark,) = link.execute(_NOW).fetchall()[0]
    for table in tables:
        link.execute(f"VACUUM (FULL) {table}")
    values = {"tables": list(tables), "mark": mark}
    (older,) = link.execute(_OLDER, values).fetchall()[0]
    return bool(older == 0)
