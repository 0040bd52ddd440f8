"""`index.shelf.Shelf` in a schema of a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Final

from psycopg.sql import SQL, Identifier

from deploytrail.errors import Misconfigured, Unreachable
from deploytrail.index.key import after
from deploytrail.index.people import Name, encoded, spellings
from deploytrail.index.postgres import database, sql
from deploytrail.index.postgres.database import Link
from deploytrail.index.segment import Segment, packed_spans, spans_of
from deploytrail.index.shelf import Row
from deploytrail.index.written import Written
from deploytrail.query.fields import folded

_ROWS_AT_ONCE: Final = 32
_LAST: Final = b"\xff"
"""Behind whatever is spelled in UTF-8."""


class PostgresShelf:
    """Only `create` makes one; a reader opens as many as it likes, a writer is alone."""

    def __init__(self, conninfo: str, schema: str, *, is_writer: bool = False) -> None:
        self._link = database.connected(conninfo, schema)
        self._conninfo = conninfo
        self._schema = schema
        try:
            with self.reading() as moment:
                self._origin = moment.state()[0]
            if is_writer:
                with self.writing() as pen:
                    pen.remove_strays()
        except BaseException:
            self._link.close()
            raise

    @classmethod
    def create(cls, conninfo: str, schema: str, origin: str) -> None:
        link = database.connected(conninfo, schema)
        try:
            with database.transaction(link, sql.WRITING):
                link.execute(SQL(sql.CREATE_SCHEMA).format(Identifier(schema)))
                link.execute(sql.SCHEMA.encode())
                link.execute(sql.BEGIN_STATE, (origin,))
        finally:
            link.close()

    @property
    def origin(self) -> str:
        return self._origin

    @contextmanager
    def reading(self) -> Iterator[PostgresMoment]:
        with ExitStack() as stack:
            is_known = not self._link.closed
            try:
                stack.enter_context(self._moment())
            except Unreachable:
                # One that broke since it was last used says so only now; nothing was read yet.
                if not is_known:
                    raise
                self._link.close()
                stack.enter_context(self._moment())
            yield PostgresMoment(self._link)

    def _moment(self) -> AbstractContextManager[None]:
        if self._link.closed:
            # The server may have been started anew since.
            self._link = database.connected(self._conninfo, self._schema)
        return database.transaction(self._link, sql.READING)

    @contextmanager
    def writing(self) -> Iterator[PostgresPen]:
        with database.transaction(self._link, sql.WRITING):
            self._link.execute(sql.LOCK)
            yield PostgresPen(self._link)

    def draft(self, segment: Segment) -> PostgresDraft:
        return PostgresDraft(database.connected(self._conninfo, self._schema), segment)

    def scrub(self) -> None:
        with database.patient(self._link):
            for statement in sql.SCRUBBED:
                self._link.execute(statement.encode())

    def close(self) -> None:
        self._link.close()


class PostgresMoment:
    def __init__(self, link: Link) -> None:
        self._link = link

    def state(self) -> tuple[str, int]:
        row = self._link.execute(sql.STATE).fetchone()
        if row is None:
            raise Misconfigured(
                "index: expected its state, found no row; 'deploytrail index rebuild'"
            )
        return row[0], row[1]

    def cursor(self) -> int:
        return self.state()[1]

    def segments(self) -> list[Segment]:
        return [
            Segment(id, first, until, low, high, spans_of(spans), is_sealed, edition)
            for id, first, until, low, high, spans, is_sealed, edition in self._link.execute(
                sql.SEGMENTS
            )
        ]

    def row(self, segment: Segment, route: bytes) -> Row | None:
        found = self._link.execute(sql.ROW, (segment.id, route), binary=True).fetchone()
        return None if found is None else Row(*found)

    def rows(self, segment: Segment, *, low: bytes, high: bytes | None = None) -> Iterator[Row]:
        while True:
            if high is None:
                found = self._link.execute(
                    sql.ROWS_FROM, (segment.id, low, _ROWS_AT_ONCE), binary=True
                ).fetchall()
            else:
                values = (segment.id, low, high, _ROWS_AT_ONCE)
                found = self._link.execute(sql.ROWS, values, binary=True).fetchall()
            yield from (Row(*row) for row in found)
            if len(found) < _ROWS_AT_ONCE:
                return
            low = found[-1][0] + b"\0"

    def times(self, segment: Segment, chunk: int) -> bytes:
        row = self._link.execute(sql.TIMES, (segment.id, chunk), binary=True).fetchone()
        assert row is not None
        return bytes(row[0])

    def names(self) -> Iterator[Name]:
        return map(_name, self._link.execute(sql.NAMES).fetchall())

    def named(self, spelling: str, *, is_beginning: bool) -> list[tuple[str, int]]:
        low = encoded(spelling)
        if is_beginning:
            values = {"low": low, "high": after(low) if low else _LAST}
            rows = self._link.execute(sql.NAMED_BEGINNING, values).fetchall()
        else:
            rows = self._link.execute(sql.NAMED, {"spelling": low}).fetchall()
        return [(subject, number) for subject, number in rows]

    def written_keys(self) -> Iterator[bytes]:
        return (bytes(named) for (named,) in self._link.execute(sql.WRITTEN_KEYS).fetchall())

    def written(self, keys: Sequence[bytes]) -> dict[bytes, str]:
        rows = self._link.execute(sql.WRITTEN, (list(keys),)).fetchall()
        return {bytes(named): _decoded(text) for named, text in rows}

    def names_of(self, people: Iterable[tuple[str, int]]) -> list[Name]:
        wanted = list(people)
        values = [subject for subject, _ in wanted], [number for _, number in wanted]
        return list(map(_name, self._link.execute(sql.NAMES_OF, values).fetchall()))


class PostgresPen(PostgresMoment):
    def next_segment(self) -> int:
        row = self._link.execute(sql.TAKE_SEGMENT).fetchone()
        assert row is not None
        return int(row[0])

    def add(self, segment: Segment, rows: Iterable[Row], times: Iterable[bytes]) -> None:
        self._add_segment(segment)
        _add_rows(self._link, segment, rows)
        _add_times(self._link, segment, times)

    def replace(self, old: Sequence[Segment], new: Segment) -> None:
        self._add_segment(new)
        for segment in old:
            for statement in (sql.REMOVE_SEGMENT, sql.REMOVE_ROWS, sql.REMOVE_TIMES):
                self._link.execute(statement.encode(), (segment.id,))

    def replace_with(
        self, old: Sequence[Segment], new: Segment, rows: Iterable[Row], times: Iterable[bytes]
    ) -> None:
        # They are made from what is read over the same connection.
        _add_rows(self._link, new, list(rows))
        _add_times(self._link, new, times)
        self.replace(old, new)

    def advance(self, cursor: int) -> None:
        self._link.execute(sql.ADVANCE, (cursor,))

    def name(self, names: Iterable[Name]) -> None:
        for name in names:
            texts = [None if one is None else encoded(one) for one in (name.id, name.name)]
            self._link.execute(sql.ADD_NAME, (name.subject, name.number, *texts))
            for spelling in spellings(name):
                values = (encoded(spelling), name.subject, name.number)
                self._link.execute(sql.ADD_SPELLING, values)

    def write(self, found: Iterable[Written]) -> None:
        values = [(named, encoded(text)) for named, text in found]
        self._link.cursor().executemany(sql.WRITE, values)

    def unname(self, subject: str) -> None:
        self._link.execute(sql.FORGET_NAMES, (subject,))
        self._link.execute(sql.FORGET_SPELLINGS, (subject, encoded(folded(subject))))

    def change(self, segment: Segment, rows: Iterable[tuple[bytes, Row | None]]) -> None:
        for first, row in rows:
            self._link.execute(sql.REMOVE_ROW, (segment.id, first))
            if row is not None:
                _add_rows(self._link, segment, [row])
        self._link.execute(sql.RAISE_EDITION, (segment.id,))

    def remove_strays(self) -> None:
        self._link.execute(sql.REMOVE_STRAY_ROWS)
        self._link.execute(sql.REMOVE_STRAY_TIMES)

    def _add_segment(self, segment: Segment) -> None:
        values = (*segment[:5], packed_spans(segment), segment.is_sealed, segment.edition)
        self._link.execute(sql.ADD_SEGMENT, values)


class PostgresDraft:
    """A sealed segment on its way, over a connection of its own; named by nobody yet."""

    def __init__(self, link: Link, segment: Segment) -> None:
        self._link = link
        self._segment = segment

    def add(self, rows: Iterable[Row]) -> None:
        with database.transaction(self._link, sql.WRITING):
            _add_rows(self._link, self._segment, rows)

    def finish(self, times: Iterable[bytes]) -> None:
        with database.transaction(self._link, sql.WRITING):
            _add_times(self._link, self._segment, times)
        self._link.close()

    def discard(self) -> None:
        try:
            with database.transaction(self._link, sql.WRITING):
                for statement in (sql.REMOVE_ROWS, sql.REMOVE_TIMES):
                    self._link.execute(statement.encode(), (self._segment.id,))
        finally:
            # What is left is a stray, which the next writer removes.
            self._link.close()


def _add_rows(link: Link, segment: Segment, rows: Iterable[Row]) -> None:
    with link.cursor().copy(sql.ADD_ROWS.encode()) as copy:
        copy.set_types(["int8", "bytea", "bytea"])
        for first, data in rows:
            copy.write_row((segment.id, first, data))


def _add_times(link: Link, segment: Segment, times: Iterable[bytes]) -> None:
    values = [(segment.id, chunk, data) for chunk, data in enumerate(times)]
    link.cursor().executemany(sql.ADD_TIMES, values)


def _name(row: tuple[Any, ...]) -> Name:
    subject, number, id, name = row
    return Name(subject, number, *[None if one is None else _decoded(one) for one in (id, name)])


def _decoded(text: bytes) -> str:
    return bytes(text).decode("utf-8", "surrogatepass")
