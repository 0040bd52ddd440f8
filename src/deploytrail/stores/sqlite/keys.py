"""The keyring on SQLite: `vault.keys.Keyring` over a file of its own, `keys.db`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import apsw

from deploytrail.clock import Clock
from deploytrail.errors import Tampered
from deploytrail.stores.sqlite.database import Database, Guard
from deploytrail.stores.sqlite.shape import Shape
from deploytrail.stores.wrapped import new_subject, unwrap_subject
from deploytrail.vault import keys
from deploytrail.vault.keys import Secrets, SubjectRow
from deploytrail.vault.subject import Subject

_SCHEMA: Final = """
CREATE TABLE secret(name TEXT PRIMARY KEY, wrapped BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE subject(
  lookup BLOB PRIMARY KEY, subject BLOB NOT NULL UNIQUE, wrapped BLOB NOT NULL
) STRICT, WITHOUT ROWID;
"""
SHAPE: Final = Shape(0x64746C6B, 1, _SCHEMA)
_SECRETS: Final = "SELECT name, wrapped FROM secret"
_PUT_SECRET: Final = "INSERT INTO secret VALUES (?, ?)"  # noqa: S105 (SQL)
_BY_LOOKUP: Final = "SELECT subject, wrapped FROM subject WHERE lookup = ?"
_BY_SUBJECT: Final = "SELECT wrapped FROM subject WHERE subject = ?"
_PUT_SUBJECT: Final = "INSERT INTO subject VALUES (?, ?, ?)"
_ERASE_SUBJECT: Final = "DELETE FROM subject WHERE subject = ?"
_SUBJECTS: Final = "SELECT subject, wrapped FROM subject"
_SUBJECT_ROWS: Final = (
    "SELECT lookup, subject, wrapped FROM subject WHERE lookup > ? ORDER BY lookup LIMIT ?"
)
_KEEP_SUBJECT: Final = "INSERT OR IGNORE INTO subject VALUES (?, ?, ?)"
_REMEMBERED_MAX: Final = 100_000


class KeyRows:
    """Reads of one connection to `keys.db`, unwrapped."""

    def __init__(self, connection: apsw.Connection, wrapping_key: bytes) -> None:
        self._connection = connection
        self._wrapping_key = wrapping_key

    def secrets(self) -> Secrets:
        rows = dict(self._connection.execute(_SECRETS))
        return keys.unwrap_secrets(self._wrapping_key, rows, whence="keys.db")

    def subject(self, id: bytes) -> Subject | None:
        row = self._connection.execute(_BY_SUBJECT, (id,)).fetchone()
        return None if row is None else self._unwrapped(id, row[0])

    def looked_up(self, lookup: bytes) -> Subject | None:
        row = self._connection.execute(_BY_LOOKUP, (lookup,)).fetchone()
        return None if row is None else self._unwrapped(*row)

    def identities_checked(self) -> int:
        count = 0
        for id, wrapped in self._connection.execute(_SUBJECTS):
            self._unwrapped(id, wrapped)
            count += 1
        return count

    def _unwrapped(self, id: bytes, wrapped: bytes) -> Subject:
        return unwrap_subject(self._wrapping_key, id, wrapped)


class SqliteKeyring:
    """The keyring of a directory; see `vault.keys.Keyring` for what it promises."""

    def __init__(
        self, path: Path, guard: Guard, clock: Clock, *, wrapping_key: bytes, vfs: str | None = None
    ) -> None:
        self._database = Database(path, guard, SHAPE, vfs=vfs, is_durability_told=True)
        self._clock = clock
        self._wrapping_key = wrapping_key
        self._remembered: dict[str, Subject] = {}
        try:
            with self._database.reading() as connection:
                self.secrets = KeyRows(connection, wrapping_key).secrets()
        except Tampered:
            self._database.close()
            raise

    @classmethod
    def create(cls, path: Path, secrets: Secrets, clock: Clock, *, wrapping_key: bytes) -> None:
        """Make a keyring with these secrets, durable on return."""
        wrapped = keys.wrap_secrets(wrapping_key, secrets, clock.random)
        Database.create(path, SHAPE, [(_PUT_SECRET, row) for row in wrapped.items()])

    def subjects(self, identities: Iterable[str]) -> dict[str, Subject]:
        remembered = self._remembered
        wanted = set(identities)
        found = {one: remembered[one] for one in wanted if one in remembered}
        missing = wanted - found.keys()
        if missing:
            made = self._known(missing)
            # Most are known: only a new identity needs the writer's lock and a sync.
            if missing - made.keys():
                made |= self._make(missing - made.keys())
            if len(remembered) + len(made) > _REMEMBERED_MAX:
                remembered.clear()
            remembered.update(made)
            found |= made
        return found

    def subject(self, id: bytes) -> Subject | None:
        with self._database.reading() as connection:
            return KeyRows(connection, self._wrapping_key).subject(id)

    def forget(self) -> None:
        """Drop what is remembered: another process may have erased a subject."""
        self._remembered.clear()

    def settle(self) -> None:
        """See `Database.settle`."""
        self._database.settle()

    def sync_all(self) -> None:
        """See `Database.sync_all`."""
        self._database.sync_all()

    def erase(self, id: bytes) -> None:
        with self._database.writing() as connection:
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute(_ERASE_SUBJECT, (id,))
        self.forget()
        self._database.scrub()

    def identities_checked(self) -> int:
        with self._database.reading() as connection:
            return KeyRows(connection, self._wrapping_key).identities_checked()

    def wrapped_secrets(self) -> dict[str, bytes]:
        with self._database.reading() as connection:
            return dict(connection.execute(_SECRETS))

    def subject_rows(self, *, after: bytes = b"", count: int) -> list[SubjectRow]:
        with self._database.reading() as connection:
            return [SubjectRow(*row) for row in connection.execute(_SUBJECT_ROWS, (after, count))]

    def put_subject_rows(self, rows: Iterable[SubjectRow]) -> None:
        with self._database.writing() as connection:
            connection.executemany(_KEEP_SUBJECT, rows)

    def close(self) -> None:
        self._database.close()

    def _known(self, identities: Iterable[str]) -> dict[str, Subject]:
        with self._database.reading() as connection:
            found = self._look_up(connection, identities)
            is_durable = not found or self._database.is_durable()
        if not is_durable:
            # Whoever made them may have been killed between write and sync, and the receipt of an
            # entry that names them comes after a sync of the log alone.
            self._database.settle()
        return found

    def _look_up(
        self, connection: apsw.Connection, identities: Iterable[str]
    ) -> dict[str, Subject]:
        rows = KeyRows(connection, self._wrapping_key)
        known = {one: rows.looked_up(self._lookup(one)) for one in identities}
        return {one: found for one, found in known.items() if found is not None}

    def _make(self, identities: set[str]) -> dict[str, Subject]:
        with self._database.writing() as connection:
            # Once more under the lock: another process may have made it meanwhile.
            found = self._look_up(connection, identities)
            for identity in sorted(identities - found.keys()):
                made, wrapped = new_subject(self._wrapping_key, self._clock)
                connection.execute(_PUT_SUBJECT, (self._lookup(identity), made.id, wrapped))
                found[identity] = made
        return found

    def _lookup(self, identity: str) -> bytes:
        return keys.lookup(self.secrets, identity)
