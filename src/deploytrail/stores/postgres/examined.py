"""The schemas as an examiner reads them: no lock is taken, nothing is changed, no fence is raised.

Whatever the server can't read is Tampered here, where it lies in the rows; an examiner needs only
the right to read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import psycopg

from deploytrail.errors import Tampered
from deploytrail.stores.packing import unpacked
from deploytrail.stores.postgres import log_sql as sql
from deploytrail.stores.postgres.address import Address
from deploytrail.stores.postgres.database import BEGIN_READING, Rows
from deploytrail.stores.postgres.failures import own_error, shakes_trust
from deploytrail.stores.postgres.keys import SHAPE as KEYS_SHAPE
from deploytrail.stores.postgres.keys import KeyRows
from deploytrail.stores.postgres.link import Link, Waits, connect
from deploytrail.stores.postgres.log import PostgresReader
from deploytrail.stores.postgres.shape import refuse_foreign
from deploytrail.vault.keys import Secrets
from deploytrail.vault.subject import Subject

_BUNDLES_AT_ONCE: Final = 16
_STORED: Final = 1
"""The state of a bundle whose entries are there."""


class ExaminedLog(PostgresReader):
    """Reads of one log. `renew` ends the moment and begins another, so that none lasts long."""

    def __init__(self, address: Address) -> None:
        self._address = address
        super().__init__(connect(address, Waits()))
        self._ahead: dict[int, tuple[int, bytes]] = {}
        try:
            with _examining(address):
                refuse_foreign(self._link, sql.SHAPE, str(address))
                self._link.execute(BEGIN_READING)
        except BaseException:
            self._link.close()
            raise

    def policy(self) -> bytes | None:
        """The one that came with the log."""
        rows = self._rows(sql.POLICY)
        return rows[0][0] if rows else None

    def bundle(self, number: int) -> bytes | None:
        """As `PostgresReader.bundle`; whoever examines reads in order, so some are fetched ahead.

        A full bundle never changes, whichever the moment.
        """
        if number not in self._ahead:
            rows = self._rows(sql.BUNDLES, (number, number + _BUNDLES_AT_ONCE))
            self._ahead = {found: (state, data) for found, state, data in rows}
        row = self._ahead.get(number)
        if row is None:
            return None
        if row[0] != _STORED:
            raise Tampered(f"bundle {number}: expected state {_STORED}, found {row[0]!r:.20}")
        return unpacked(row[1], number)

    def renew(self) -> None:
        with _examining(self._address):
            self._link.execute("ROLLBACK")
            self._link.execute(BEGIN_READING)

    def structure(self) -> list[str]:
        """Nothing: what only holds rows together is for the server's own amcheck and checksums."""
        return []

    def count(self, kind: str) -> int:
        """How many rows there are of a kind; named as the fields of `Inventory`."""
        return int(self._rows(sql.COUNTS[kind])[0][0])

    def newest_note(self) -> tuple[int, bytes] | None:
        """Size and note, without cosignatures, of the newest checkpoint."""
        rows = self._rows(sql.NEWEST_NOTE)
        return (rows[0][0], rows[0][1]) if rows else None

    def cosignature_rows(self, size: int) -> list[tuple[bytes, bytes]]:
        """Those of a checkpoint: (id of its key, its line)."""
        return [(key_id, line) for key_id, line in self._rows(sql.COSIGNATURE_ROWS, (size,))]

    def stray_cosignatures(self) -> list[int]:
        """Sizes, up to a hundred, that have a cosignature and no checkpoint."""
        return [row[0] for row in self._rows(sql.STRAY_COSIGNATURES)]

    def close(self) -> None:
        self._link.close()

    def _rows(self, statement: str, values: Sequence[Any] = ()) -> Rows:
        try:
            with _examining(self._address):
                return super()._rows(statement, values)
        except BaseException:
            # The transaction is over; what can be read otherwise is read in another moment.
            with suppress(psycopg.Error):
                self._link.execute("ROLLBACK")
                self._link.execute(BEGIN_READING)
            raise


class ExaminedKeys:
    """Reads of the keyring. Raises Tampered where a key does not unwrap."""

    def __init__(self, address: Address, wrapping_key: bytes) -> None:
        self._address = address
        self._link: Link = connect(address, Waits())
        self._rows = KeyRows(self._link, wrapping_key)
        try:
            with _examining(address):
                refuse_foreign(self._link, KEYS_SHAPE, str(address))
                self.secrets: Secrets = self._rows.secrets()
        except BaseException:
            self._link.close()
            raise

    def subject(self, id: bytes) -> Subject | None:
        with _examining(self._address):
            return self._rows.subject(id)

    def identities_checked(self) -> int:
        with _examining(self._address):
            return self._rows.identities_checked()

    def close(self) -> None:
        self._link.close()


@contextmanager
def _examining(address: Address) -> Iterator[None]:
    """The server's errors: what lies in pages and rows as Tampered, everything else as ours."""
    try:
        yield
    except psycopg.Error as error:
        if shakes_trust(error):
            said = address.without_secrets(error.diag.message_primary or str(error))
            raise Tampered(f"{address}: can't be read: {said}") from error
        raise own_error(error, address) or error from error
