"""`index.shelf.Shelf` in a directory: `live.db`, and a database for each sealed segment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import apsw

from deploytrail.errors import Misconfigured
from deploytrail.index.key import after
from deploytrail.index.people import Name, encoded, spellings
from deploytrail.index.segment import Segment, packed_spans, spans_of
from deploytrail.index.shelf import Row
from deploytrail.index.sqlite import database, sql
from deploytrail.index.written import Written
from deploytrail.query.fields import folded

LIVE: Final = "live.db"
_LAST: Final = b"\xff"
"""Behind whatever is spelled in UTF-8."""


class SqliteShelf:
    """Only `create` makes one; a reader opens as many as it likes, a writer is alone."""

    def __init__(self, directory: Path, *, is_writer: bool = False) -> None:
        self._directory = directory
        self._path = directory / LIVE
        self._live = database.connected(self._path, is_writer=is_writer)
        self._is_writer = is_writer
        self._sealed: dict[int, apsw.Connection] = {}
        with self.reading() as moment:
            self._origin = moment.state()[0]
        if is_writer:
            self._tidy()

    @classmethod
    def create(cls, directory: Path, origin: str) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        database.create(directory / LIVE, sql.LIVE, ((sql.BEGIN_STATE, (origin,)),))

    @property
    def origin(self) -> str:
        return self._origin

    @contextmanager
    def reading(self) -> Iterator[SqliteMoment]:
        with database.transaction(self._live, self._path, "DEFERRED"):
            yield SqliteMoment(self, self._live)

    @contextmanager
    def writing(self) -> Iterator[SqlitePen]:
        with database.transaction(self._live, self._path, "IMMEDIATE"):
            pen = SqlitePen(self, self._live)
            yield pen
        for id in pen.removed:
            self._remove_sealed(id)

    def draft(self, segment: Segment) -> SqliteDraft:
        return SqliteDraft(self._sealed_path(segment.id), segment)

    def scrub(self) -> None:
        for path in (self._path, *self._directory.glob("[0-9]*.db")):
            connection = database.connected(path, is_writer=True)
            try:
                database.scrub(connection, path)
            finally:
                connection.close()

    def close(self) -> None:
        for connection in (self._live, *self._sealed.values()):
            connection.close()
        self._sealed.clear()

    def of(self, segment: Segment) -> apsw.Connection:
        """The database in which a segment's rows are."""
        if not segment.is_sealed:
            return self._live
        connection = self._sealed.get(segment.id)
        if connection is None:
            path = self._sealed_path(segment.id)
            connection = database.connected(path, is_writer=self._is_writer)
            self._sealed[segment.id] = connection
        return connection

    def sealed_path(self, segment: Segment) -> Path:
        return self._sealed_path(segment.id)

    def _sealed_path(self, id: int) -> Path:
        return self._directory / f"{id}.db"

    def _remove_sealed(self, id: int) -> None:
        connection = self._sealed.pop(id, None)
        if connection is not None:
            connection.close()
        database.remove(self._sealed_path(id))

    def _tidy(self) -> None:
        """Remove what a writer left that ended before its work was named."""
        with self.writing() as pen:
            known = {f"{segment.id}.db" for segment in pen.segments() if segment.is_sealed}
            pen.remove_strays()
        for path in self._directory.glob("[0-9]*.db"):
            if path.name not in known:
                database.remove(path)


class SqliteMoment:
    def __init__(self, shelf: SqliteShelf, live: apsw.Connection) -> None:
        self._shelf = shelf
        self._live = live

    def state(self) -> tuple[str, int]:
        for origin, cursor, _ in self._live.execute(sql.STATE):
            return str(origin), int(str(cursor))
        raise Misconfigured("index: expected its state, found no row; 'deploytrail index rebuild'")

    def cursor(self) -> int:
        return self.state()[1]

    def segments(self) -> list[Segment]:
        found: Any = self._live.execute(sql.SEGMENTS)
        segments = [
            Segment(id, first, until, low, high, spans_of(spans), bool(is_sealed), edition)
            for id, first, until, low, high, spans, is_sealed, edition in found
        ]
        # Opened now, they are read to the end even where another index takes the place of this.
        for segment in segments:
            self._shelf.of(segment)
        return segments

    def row(self, segment: Segment, key: bytes) -> Row | None:
        found: Any = self._shelf.of(segment).execute(sql.ROW, (segment.id, key))
        return next((Row(*row) for row in found), None)

    def rows(self, segment: Segment, *, low: bytes, high: bytes | None = None) -> Iterator[Row]:
        connection: Any = self._shelf.of(segment)
        if high is None:
            found = connection.execute(sql.ROWS_FROM, (segment.id, low))
        else:
            found = connection.execute(sql.ROWS, (segment.id, low, high))
        return (Row(*row) for row in found)

    def times(self, segment: Segment, chunk: int) -> bytes:
        found: Any = self._shelf.of(segment).execute(sql.TIMES, (segment.id, chunk))
        return bytes(next(iter(found))[0])

    def names(self) -> Iterator[Name]:
        found: Any = self._live.execute(sql.NAMES)
        return (Name(*row) for row in found)

    def named(self, spelling: str, *, is_beginning: bool) -> list[tuple[str, int]]:
        if is_beginning:
            low = encoded(spelling)
            high = after(low) if low else _LAST
            return list(self._live.execute(sql.NAMED_BEGINNING, (low, high)))
        return list(self._live.execute(sql.NAMED, (encoded(spelling),)))

    def written_keys(self) -> Iterator[bytes]:
        found: Any = self._live.execute(sql.WRITTEN_KEYS)
        return (named for (named,) in found)

    def written(self, keys: Sequence[bytes]) -> dict[bytes, str]:
        found: list[Any] = [
            row for named in keys for row in self._live.execute(sql.WRITTEN, (named,))
        ]
        return dict(found)

    def names_of(self, people: Iterable[tuple[str, int]]) -> list[Name]:
        found: list[Any] = [
            row for person in people for row in self._live.execute(sql.NAME_OF, person)
        ]
        return [Name(*row) for row in found]


class SqlitePen(SqliteMoment):
    def __init__(self, shelf: SqliteShelf, live: apsw.Connection) -> None:
        super().__init__(shelf, live)
        self.removed: list[int] = []

    def next_segment(self) -> int:
        found: Any = self._live.execute(sql.TAKE_SEGMENT).fetchall()
        return int(found[0][0])

    def add(self, segment: Segment, rows: Iterable[Row], times: Iterable[bytes]) -> None:
        self._add_segment(segment)
        _add_rows(self._live, segment, rows)
        _add_times(self._live, segment, times)

    def replace(self, old: Sequence[Segment], new: Segment) -> None:
        self._add_segment(new)
        for segment in old:
            self._live.execute(sql.REMOVE_SEGMENT, (segment.id,))
            if segment.is_sealed:
                self.removed.append(segment.id)
            else:
                self._live.execute(sql.REMOVE_ROWS, (segment.id,))
                self._live.execute(sql.REMOVE_TIMES, (segment.id,))

    def replace_with(
        self, old: Sequence[Segment], new: Segment, rows: Iterable[Row], times: Iterable[bytes]
    ) -> None:
        _add_rows(self._live, new, rows)
        _add_times(self._live, new, times)
        self.replace(old, new)

    def advance(self, cursor: int) -> None:
        self._live.execute(sql.ADVANCE, (cursor,))

    def name(self, names: Iterable[Name]) -> None:
        for name in names:
            self._live.execute(sql.ADD_NAME, name)
            for spelling in spellings(name):
                self._live.execute(sql.ADD_SPELLING, (encoded(spelling), name.subject, name.number))

    def write(self, found: Iterable[Written]) -> None:
        self._live.executemany(sql.WRITE, found)

    def unname(self, subject: str) -> None:
        pseudonym = encoded(folded(subject))
        self._live.execute(sql.FORGET_NAMES, (subject,))
        self._live.execute(sql.FORGET_SPELLINGS, (subject, pseudonym))

    def change(self, segment: Segment, rows: Iterable[tuple[bytes, Row | None]]) -> None:
        connection = self._shelf.of(segment)
        if connection is self._live:
            _change(connection, segment, rows)
        else:
            path = self._shelf.sealed_path(segment)
            with database.transaction(connection, path, "IMMEDIATE"):
                _change(connection, segment, rows)
        self._live.execute(sql.RAISE_EDITION, (segment.id,))

    def remove_strays(self) -> None:
        self._live.execute(sql.REMOVE_STRAY_ROWS)
        self._live.execute(sql.REMOVE_STRAY_TIMES)

    def _add_segment(self, segment: Segment) -> None:
        self._live.execute(
            sql.ADD_SEGMENT,
            (
                segment.id, segment.first, segment.until, segment.low, segment.high,
                packed_spans(segment), int(segment.is_sealed), segment.edition,
            ),
        )  # fmt: skip


class SqliteDraft:
    """A sealed segment on its way."""

    def __init__(self, path: Path, segment: Segment) -> None:
        self._path = path
        self._segment = segment
        database.remove(path)
        with database.own_errors(path):
            self._connection = database.bare(path)
            self._connection.execute("BEGIN")
            self._connection.execute(sql.BLOCKS).fetchall()

    def add(self, rows: Iterable[Row]) -> None:
        with database.own_errors(self._path):
            _add_rows(self._connection, self._segment, rows)

    def finish(self, times: Iterable[bytes]) -> None:
        with database.own_errors(self._path):
            _add_times(self._connection, self._segment, times)
            self._connection.execute("COMMIT")
            database.seal(self._connection)
        database.sync(self._path.parent)

    def discard(self) -> None:
        self._connection.close()
        database.remove(self._path)


def _add_rows(connection: apsw.Connection, segment: Segment, rows: Iterable[Row]) -> None:
    id = segment.id
    connection.executemany(sql.ADD_ROW, ((id, first, data) for first, data in rows))


def _add_times(connection: apsw.Connection, segment: Segment, times: Iterable[bytes]) -> None:
    id = segment.id
    connection.executemany(sql.ADD_TIMES, ((id, chunk, data) for chunk, data in enumerate(times)))


def _change(
    connection: apsw.Connection, segment: Segment, rows: Iterable[tuple[bytes, Row | None]]
) -> None:
    for first, row in rows:
        connection.execute(sql.REMOVE_ROW, (segment.id, first))
        if row is not None:
            connection.execute(sql.ADD_ROW, (segment.id, row.first, row.data))
