"""The keyring on PostgreSQL: `vault.keys.Keyring` over a schema of its own, `deploytrail_keys`.

The key that wraps what stands there comes from outside, and never goes into the database.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from deploytrail.clock import Clock
from deploytrail.errors import Tampered
from deploytrail.stores.postgres.address import Address
from deploytrail.stores.postgres.database import Database
from deploytrail.stores.postgres.fence import Fence
from deploytrail.stores.postgres.link import Link, Waits
from deploytrail.stores.postgres.rewriting import rewrite
from deploytrail.stores.postgres.shape import Shape
from deploytrail.stores.wrapped import new_subject, unwrap_subject
from deploytrail.vault import keys
from deploytrail.vault.keys import Secrets, SubjectRow
from deploytrail.vault.subject import Subject

SHAPE: Final = Shape(
    "deploytrail_keys",
    1,
    (
        "secret(name text NOT NULL, wrapped bytea NOT NULL, PRIMARY KEY (name))",
        "subject(lookup bytea NOT NULL, subject bytea NOT NULL, wrapped bytea NOT NULL, "
        "PRIMARY KEY (lookup), UNIQUE (subject))",
    ),
    absent="the schema deploytrail_keys, found none: names, reasons and values can't be read any "
    "more; restore it from a backup",
)
_LOCK: Final = "SELECT number FROM deploytrail_keys.version FOR UPDATE"
_SECRETS: Final = "SELECT name, wrapped FROM deploytrail_keys.secret"
_PUT_SECRET: Final = "INSERT INTO deploytrail_keys.secret VALUES (%s, %b)"  # noqa: S105 (SQL)
_BY_LOOKUP: Final = (
    "SELECT lookup, subject, wrapped FROM deploytrail_keys.subject WHERE lookup = ANY(%b::bytea[])"
)
_BY_SUBJECT: Final = "SELECT wrapped FROM deploytrail_keys.subject WHERE subject = %b"
_PUT_SUBJECTS: Final = (
    "INSERT INTO deploytrail_keys.subject "
    "SELECT * FROM unnest(%b::bytea[], %b::bytea[], %b::bytea[])"
)
_KEEP_SUBJECTS: Final = f"{_PUT_SUBJECTS} ON CONFLICT DO NOTHING"
_ERASE_SUBJECT: Final = "DELETE FROM deploytrail_keys.subject WHERE subject = %b"
_NEXT_SUBJECTS: Final = (
    "SELECT subject, wrapped FROM deploytrail_keys.subject WHERE subject > %b "
    "ORDER BY subject LIMIT 1000"
)
_SUBJECT_ROWS: Final = (
    "SELECT lookup, subject, wrapped FROM deploytrail_keys.subject WHERE lookup > %b "
    "ORDER BY lookup LIMIT %s"
)
_REMEMBERED_MAX: Final = 100_000


class KeyRows:
    """Reads of one connection, unwrapped."""

    def __init__(self, link: Link, wrapping_key: bytes) -> None:
        self._link = link
        self._wrapping_key = wrapping_key

    def secrets(self) -> Secrets:
        rows = self._link.execute(_SECRETS, binary=True).fetchall()
        return keys.unwrap_secrets(self._wrapping_key, dict(rows), whence=SHAPE.schema)

    def subject(self, id: bytes) -> Subject | None:
        row = self._link.execute(_BY_SUBJECT, (id,), binary=True).fetchone()
        return None if row is None else self._unwrapped(id, row[0])

    def looked_up(self, lookups: Collection[bytes]) -> dict[bytes, Subject]:
        rows = self._link.execute(_BY_LOOKUP, (list(lookups),), binary=True)
        return {lookup: self._unwrapped(id, wrapped) for lookup, id, wrapped in rows}

    def identities_checked(self) -> int:
        return sum(1 for _ in self._all())

    def _all(self) -> Iterator[Subject]:
        last = b""
        while rows := self._link.execute(_NEXT_SUBJECTS, (last,), binary=True).fetchall():
            for last, wrapped in rows:
                yield self._unwrapped(last, wrapped)

    def _unwrapped(self, id: bytes, wrapped: bytes) -> Subject:
        return unwrap_subject(self._wrapping_key, id, wrapped)


class PostgresKeyring:
    """The keyring of a database; see `vault.keys.Keyring` for what it promises."""

    def __init__(
        self, address: Address, fence: Fence, clock: Clock, waits: Waits, *, wrapping_key: bytes
    ) -> None:
        self._address = address
        self._waits = waits
        self._clock = clock
        self._wrapping_key = wrapping_key
        self._remembered: dict[str, Subject] = {}
        self._database = Database(address, SHAPE, fence, lock=_LOCK, waits=waits)
        try:
            with self._database.reading() as link:
                self.secrets = KeyRows(link, wrapping_key).secrets()
        except Tampered:
            self._database.close()
            raise

    @classmethod
    def create(cls, link: Link, secrets: Secrets, clock: Clock, *, wrapping_key: bytes) -> None:
        """Make a keyring with these secrets within the transaction of `creating`."""
        SHAPE.create(link)
        for row in keys.wrap_secrets(wrapping_key, secrets, clock.random).items():
            link.execute(_PUT_SECRET, row)

    def subjects(self, identities: Iterable[str]) -> dict[str, Subject]:
        remembered = self._remembered
        wanted = set(identities)
        found = {one: remembered[one] for one in wanted if one in remembered}
        missing = wanted - found.keys()
        if missing:
            # Most are known, and what is visible is durable: only a new one needs the lock.
            made = self._known(missing)
            if missing - made.keys():
                made |= self._make(missing - made.keys())
            if len(remembered) + len(made) > _REMEMBERED_MAX:
                remembered.clear()
            remembered.update(made)
            found |= made
        return found

    def subject(self, id: bytes) -> Subject | None:
        with self._database.reading() as link:
            return KeyRows(link, self._wrapping_key).subject(id)

    def forget(self) -> None:
        """Drop what is remembered: another process may have erased a subject."""
        self._remembered.clear()

    def erase(self, id: bytes) -> None:
        with self._database.writing() as writing:
            writing.link.execute(_ERASE_SUBJECT, (id,))
        self.forget()
        rewrite(self._address, self._waits, ["deploytrail_keys.subject"])

    def identities_checked(self) -> int:
        with self._database.reading() as link:
            return KeyRows(link, self._wrapping_key).identities_checked()

    def wrapped_secrets(self) -> dict[str, bytes]:
        with self._database.reading() as link:
            return dict(link.execute(_SECRETS, binary=True).fetchall())

    def subject_rows(self, *, after: bytes = b"", count: int) -> list[SubjectRow]:
        with self._database.reading() as link:
            rows = link.execute(_SUBJECT_ROWS, (after, count), binary=True).fetchall()
        return [SubjectRow(*row) for row in rows]

    def put_subject_rows(self, rows: Iterable[SubjectRow]) -> None:
        columns = [list(column) for column in zip(*rows, strict=True)]
        if not columns:
            return
        with self._database.writing() as writing:
            writing.link.execute(_KEEP_SUBJECTS, columns)

    def close(self) -> None:
        self._database.close()

    def _known(self, identities: Iterable[str]) -> dict[str, Subject]:
        with self._database.reading() as link:
            return self._look_up(link, identities)

    def _look_up(self, link: Link, identities: Iterable[str]) -> dict[str, Subject]:
        lookups = {keys.lookup(self.secrets, one): one for one in identities}
        found = KeyRows(link, self._wrapping_key).looked_up(lookups)
        return {lookups[lookup]: subject for lookup, subject in found.items()}

    def _make(self, identities: set[str]) -> dict[str, Subject]:
        with self._database.writing() as writing:
            # Once more under the lock: another process may have made it meanwhile.
            found = self._look_up(writing.link, identities)
            rows = []
            for identity in sorted(identities - found.keys()):
                made, wrapped = new_subject(self._wrapping_key, self._clock)
                rows.append((keys.lookup(self.secrets, identity), made.id, wrapped))
                found[identity] = made
            if rows:
                columns = [list(column) for column in zip(*rows, strict=True)]
                writing.link.execute(_PUT_SUBJECTS, columns)
                writing.told.append(lambda link, _: _are_stored(link, rows))
        return found


def _are_stored(link: Link, rows: Sequence[tuple[bytes, bytes, bytes]]) -> bool | None:
    """Whether all of these subjects are there, or none; None where some are."""
    lookups = [lookup for lookup, _, _ in rows]
    there = {tuple(row) for row in link.execute(_BY_LOOKUP, (lookups,), binary=True)} & set(rows)
    return len(there) == len(rows) if len(there) in {0, len(rows)} else None
