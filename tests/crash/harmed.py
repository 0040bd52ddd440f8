"""A sound log of 600 entries, harmed in place, and what becomes of that.

Whether a harm changes anything is asked of SQLite alone: all rows are those of the original, and
its own check of pages and trees is content. Otherwise verification has to find it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import apsw

from deploytrail.app.proofs.examining import readable_rows
from deploytrail.app.verifying import verify
from deploytrail.errors import DeploytrailError
from deploytrail.stores.sqlite.examined import ExaminedLog, examined
from deploytrail.trail import Attachment
from deploytrail.vault.check import DeepCheck
from deploytrail.zstd import zstd
from tests.crash import oracle
from tests.crash.located import Fineness, Places, Rows, Where, Wrong
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

_UNREADABLE: Final = (apsw.Error, UnicodeDecodeError, MemoryError)
PRIMARY_KEYS: Final = {
    "tree": ("id",), "segment": ("first",), "bundle": ("n",), "tile": ("level", "n"),
    "delivery": ("key",), "disclosure": ("key",), "attachment": ("id",), "checkpoint": ("size",),
    "published": ("id",), "cosignature": ("size", "key_id"), "state": ("kind", "id"),
}  # fmt: skip
_SELECTED: Final = {"delivery": "SELECT key, idx, body FROM delivery"}
"""In the order in which we read it, which needs no other."""

Verdict = Literal["same", "found", "missed"]


class Judged(NamedTuple):
    """What became of a harm, and how finely it was told where it is; None where it is not.

    `is_of_rows` says that a row is not as it was, and not only what holds them together: no row
    too many, nor one that can't be read.
    """

    verdict: Verdict
    fineness: Fineness | None = None
    found: Sequence[Wrong] = ()
    is_of_rows: bool = False


class _Harm(NamedTuple):
    """The rows as they are now, the tables that changed, and those that can't be read whole.

    Whether SQLite's check is content is only asked where nothing changed.
    """

    rows: dict[str, Rows]
    changed: list[str]
    broken: set[str]
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
        self._places = Places(self.rows, entries)

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

    def byte(self, offset: int) -> Where:
        """What a byte could change: everything where it is the header's or the schema's."""
        page = offset // self._page_bytes
        table = self._table_of_page.get(page)
        # The first page tells of the whole file.
        names = [f"page {page + 1}", *(["log.db"] if page == 0 else [])]
        is_structure = page == 0 or offset % self._page_bytes < self._pointers_end(page)
        return Where(self.tables if table is None else [table], names, is_structure)

    def _pointers_end(self, page: int) -> int:
        """Where a page's header and the pointers to its cells end (sqlite.org/fileformat2)."""
        start = page * self._page_bytes
        kind, cells = self.octets[start], int.from_bytes(self.octets[start + 3 : start + 5], "big")
        header = {2: 12, 5: 12, 10: 8, 13: 8}.get(kind)
        # Another kind of page holds what a row had no room for, behind the number of the next one.
        return 4 if header is None else header + 2 * cells

    def end(self, size: int) -> Where:
        """What is gone of a file that ends there."""
        behind = range(size // self._page_bytes, len(self.octets) // self._page_bytes)
        tables = sorted({self._table_of_page[page] for page in behind if page})
        return Where(tables, [f"ends at byte {size:,}", *(f"page {page + 1}" for page in behind)])

    def verdict(self) -> Verdict:
        return self.judged().verdict

    def judged(self, where: Where | None = None) -> Judged:
        """What became of the copy; without `where`, anything may have changed."""
        where = Where(self.tables) if where is None else where
        harm = self._harm(where.tables)
        if harm is not None and not harm.changed and harm.is_sound:
            return Judged("same")
        changed = {} if harm is None else {table: harm.rows[table] for table in harm.changed}
        is_of_rows = harm is not None and any(
            {*self.rows[table]} - {*rows}
            for table, rows in changed.items()
            if table not in harm.broken
        )
        fineness: Fineness | None = None
        found: list[Wrong] = []
        for found in self._looks(harm):
            fineness = self._places.fineness(where, changed, found)
            if fineness != "nowhere":
                break
        return Judged("found" if found else "missed", fineness, found, is_of_rows=is_of_rows)

    def _looks(self, harm: _Harm | None) -> Iterator[list[Wrong]]:
        """What ever deeper looks find. The last includes the others, and takes longest."""
        seen = self._seen_quickly(harm)
        if seen:
            self._quick += 1
            if self._quick % _QUICK_PER_WHOLE:
                yield seen
        else:
            # Now and then the deeper one alone, to see that it ends as it should.
            self._harms += 1
            if self._harms % _HARMS_PER_DEEP:
                yield wrong(self.copy, is_deep=False)
        yield wrong(self.copy, is_deep=True)

    def _harm(self, tables: Sequence[str]) -> _Harm | None:
        """What SQLite says; None where it can't read anything of one of these tables."""
        now: dict[str, Rows] = {}
        broken: set[str] = set()
        with oracle.opened(self.target) as connection:
            for table in tables:
                try:
                    now[table] = _rows(connection, table)
                except _UNREADABLE:
                    broken.add(table)
                    now[table] = [*self._rows_by_key(connection, table)]
                    if not now[table]:
                        return None
            changed = [table for table in now if not _is_same(now[table], self.rows[table])]
            return _Harm(now, changed, broken, not changed and _is_sound(connection))

    def _rows_by_key(self, connection: apsw.Connection, table: str) -> Iterator[tuple[Any, ...]]:
        """Those that can be read alone where not all can."""
        keys = PRIMARY_KEYS[table]
        those = " AND ".join(f"{key} = ?" for key in keys)
        statement = f"{_SELECTED.get(table, 'SELECT * FROM ' + table)} WHERE {those}"  # noqa: S608
        with suppress(*_UNREADABLE):
            # Where not even the schema can be read, no row is tried.
            connection.execute(f"SELECT 1 FROM {table} LIMIT 0")  # noqa: S608
            for row in self.rows[table]:
                with suppress(*_UNREADABLE):
                    yield from connection.execute(statement, row[: len(keys)])

    def _seen_quickly(self, harm: _Harm | None) -> list[Wrong]:
        """What one step of the deeper check objects to, taken alone.

        It goes from one entry to the next and then asks SQLite, so what it objects to here, it
        objects to as a part of the whole; but the whole takes a hundred times as long.
        """
        if harm is not None and harm.changed not in ([], ["delivery"]):
            return []
        try:
            with examined(self.target) as connection, closing(ExaminedLog(connection)) as log:
                if harm is not None and harm.changed and (found := self._refused(log, harm)):
                    return found
                return [Wrong(0, 0, f"log.db: {what}") for what in log.structure()]
        except (DeploytrailError, apsw.Error, TypeError, ValueError):
            return []

    def _refused(self, log: ExaminedLog, harm: _Harm) -> list[Wrong]:
        """What is objected to in the entries whose own delivery was changed."""
        gone = {*self.rows["delivery"]} - {*harm.rows["delivery"]}
        looked = {row[1]: one for row in gone if (one := self._looked[row[1]]) is not None}
        keys = [one.key for one in looked.values()]
        stored, broken = readable_rows("delivery", log.deliveries, keys)
        check = DeepCheck(self.origin)
        for index, one in looked.items():
            if one.key not in broken:
                check.check(index, one, stored, lambda _: None)
        return [
            *(Wrong(one.first, one.until, one.what) for one in check.findings),
            *(
                Wrong(at, at + 1, str(broken[one.key]))
                for at, one in looked.items()
                if one.key in broken
            ),
        ]


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
    statement = _SELECTED.get(table, f"SELECT * FROM {table}")  # noqa: S608
    return connection.execute(statement).fetchall()


def _is_sound(connection: apsw.Connection) -> bool:
    try:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    except apsw.Error:
        return False


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
