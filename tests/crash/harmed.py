"""A sound log of 600 entries, harmed in place, and what becomes of that.

Whether a harm changes anything is asked of SQLite alone: all rows are those of the original, and
its own check of pages and trees is content. Otherwise verification has to find it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import apsw
from backports import zstd

from deploytrail.app.verifying import verify
from deploytrail.errors import DeploytrailError
from deploytrail.stores.sqlite.examined import ExaminedLog, examined
from deploytrail.trail import Attachment
from deploytrail.vault.check import DeepCheck
from tests.crash import oracle
from tests.crash.writing import Place, accepted, deployment
from tests.fakes import FakeClock

ENTRIES: Final = 600
PUBLISHED: Final = (300, ENTRIES)
_COMMITTED: Final = (PUBLISHED[0], 560, ENTRIES)
_PEOPLE: Final = 10
_QUICK_PER_WHOLE: Final = 50
"""Of so many that the quicker look finds, one is also given to the whole of verification."""

_HARMS_PER_DEEP: Final = 100
"""One of so many is given to the deeper check even if the other would find it."""

Rows = list[tuple[Any, ...]]
Verdict = Literal["same", "found", "missed"]


class Wrong(NamedTuple):
    """What verification says is wrong, and where: entries [first, until)."""

    first: int
    until: int
    what: str


class _Harm(NamedTuple):
    """The rows as they are now, the tables that changed, and whether SQLite's check is content.

    The last is only asked where nothing changed.
    """

    rows: dict[str, Rows]
    changed: list[str]
    is_sound: bool


class Original:
    """The sound log, and one copy of it to harm."""

    def __init__(self, base: Path) -> None:
        self.place = Place(base / "original")
        self.origin = _fill(self.place)
        self.path = self.place.home / "log.db"
        self.octets = self.path.read_bytes()
        self.copy = Place(base / "copy")
        shutil.copytree(self.place.base, self.copy.base)
        self.target = self.copy.home / "log.db"
        self._file = os.open(self.target, os.O_RDWR | os.O_CLOEXEC)
        self._quick = 0
        self._harms = 0
        with oracle.opened(self.path) as connection:
            statement = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
            self.tables: list[str] = [row[0] for row in connection.execute(statement)]
            self.rows = {table: _rows(connection, table) for table in self.tables}
            self._page_bytes = int(connection.execute("PRAGMA page_size").get)
            self._table_of_page: dict[int, str] = dict(
                connection.execute(
                    "SELECT pageno - 1, tbl_name FROM dbstat JOIN sqlite_schema USING (name)"
                )
            )
            entries = oracle.of_connection(connection).entries
        self._looked = DeepCheck(self.origin).look(0, entries)

    def close(self) -> None:
        os.close(self._file)

    def restore(self) -> None:
        self._forget_index()
        os.pwrite(self._file, self.octets, 0)
        os.ftruncate(self._file, len(self.octets))

    def flip(self, offset: int, bits: int) -> None:
        """Flipped again, it is as before."""
        self._forget_index()
        os.pwrite(self._file, bytes([os.pread(self._file, 1, offset)[0] ^ bits]), offset)

    def truncate(self, size: int) -> None:
        self._forget_index()
        os.ftruncate(self._file, size)

    def _forget_index(self) -> None:
        for suffix in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.unlink(f"{self.target}{suffix}")  # noqa: PTH108 (for each byte of a file)

    def tables_at(self, offset: int) -> list[str]:
        """The tables whose rows a byte could change: all of them where it is the schema's."""
        table = self._table_of_page.get(offset // self._page_bytes)
        return self.tables if table is None else [table]

    def verdict(self, tables: Sequence[str] | None = None) -> Verdict:
        """What became of the copy, of which only `tables` may have changed."""
        harm = self._harm(self.tables if tables is None else tables)
        if harm is not None and not harm.changed and harm.is_sound:
            return "same"
        if self._is_seen_quickly(harm):
            self._quick += 1
            if self._quick % _QUICK_PER_WHOLE:
                return "found"
            return "found" if wrong(self.copy, is_deep=True) else "missed"
        # The deeper check includes the quicker one, so it is needed only where that finds nothing,
        # and now and then to see that it ends as it should.
        self._harms += 1
        is_found = wrong(self.copy, is_deep=self._harms % _HARMS_PER_DEEP == 0)
        return "found" if is_found or wrong(self.copy, is_deep=True) else "missed"

    def _harm(self, tables: Sequence[str]) -> _Harm | None:
        """What SQLite says; None where it can't read these tables."""
        try:
            with oracle.opened(self.target) as connection:
                now = {table: _rows(connection, table) for table in tables}
                changed = [table for table in now if not _is_same(now[table], self.rows[table])]
                return _Harm(now, changed, not changed and _is_sound(connection))
        except (apsw.Error, UnicodeDecodeError, MemoryError):
            return None

    def _is_seen_quickly(self, harm: _Harm | None) -> bool:
        """Whether one step of the deeper check objects, taken alone.

        It goes from one entry to the next and then asks SQLite, so what it objects to here, it
        objects to as a part of the whole; but the whole takes a hundred times as long.
        """
        if harm is not None and harm.changed not in ([], ["delivery"]):
            return False
        try:
            with examined(self.target) as connection, closing(ExaminedLog(connection)) as log:
                if harm is not None and harm.changed and self._is_refused(log, harm):
                    return True
                return bool(log.structure())
        except (DeploytrailError, apsw.Error, TypeError, ValueError):
            return False

    def _is_refused(self, log: ExaminedLog, harm: _Harm) -> bool:
        """Whether an entry whose own delivery was changed is objected to."""
        gone = {*self.rows["delivery"]} - {*harm.rows["delivery"]}
        looked = {row[1]: one for row in gone if (one := self._looked[row[1]]) is not None}
        stored = log.deliveries(one.key for one in looked.values())
        check = DeepCheck(self.origin)
        for index, one in looked.items():
            check.check(index, one, stored, lambda _: None)
        return bool(check.findings)


def wrong(place: Place, *, is_deep: bool) -> list[Wrong]:
    """What verification says is wrong; any error but ours is a failure of its own."""
    try:
        report = verify(place.home, environment=place.environment, disclosures=is_deep)
    except DeploytrailError as error:
        return [Wrong(0, 0, str(error))]
    found = [Wrong(one.first, one.until, one.what) for one in report.found]
    # A cosignature by a key that nobody lists proves nothing, which is told and is no failure.
    strange = [one for one in report.not_checked if "does not list" in one]
    told = [*report.not_checked] if report.exit_code else strange
    return found or [Wrong(0, 0, what) for what in told]


def _fill(place: Place) -> str:
    """Deployments of several people, a few with evidence; returns the origin."""
    clock = FakeClock()
    with place.open(create=True, clock=clock) as trail:
        for first, until in pairwise((0, *_COMMITTED)):
            events = [
                deployment(f"first-{at}", clock=clock, by=f"person-{at % _PEOPLE}")
                for at in range(first, until)
            ]
            evidence = [Attachment(type="output", data=b"Apply complete!\n" * 64)]
            for answer in trail.record(events, attachments={events[0].id: evidence}):
                accepted(answer)
            if until in PUBLISHED:
                trail.publish()
        trail.store.sync_all()
        trail.keyring.sync_all()
        return trail.origin


def _rows(connection: apsw.Connection, table: str) -> Rows:
    columns = "key, idx, body" if table == "delivery" else "*"
    return connection.execute(f"SELECT {columns} FROM {table}").fetchall()  # noqa: S608


def _is_sound(connection: apsw.Connection) -> bool:
    return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def _is_same(now: Rows, then: Rows) -> bool:
    return now == then or (
        len(now) == len(then)
        and all(
            len(one) == len(other)
            and all(_is_same_value(*pair) for pair in zip(one, other, strict=True))
            for one, other in zip(now, then, strict=True)
        )
    )


def _is_same_value(now: object, then: object) -> bool:
    """Of what is compressed, what it unpacks to counts: compression has bits that mean nothing."""
    if now == then:
        return True
    if not isinstance(now, bytes) or not isinstance(then, bytes):
        return False
    try:
        return zstd.decompress(now) == zstd.decompress(then)
    except zstd.ZstdError:
        return False
