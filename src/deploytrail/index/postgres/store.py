"""Where the index of a database stands: `follow.view.ViewStore` over schemas and two names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import psycopg
from psycopg.sql import SQL, Identifier

from deploytrail.errors import Misconfigured, Unreachable
from deploytrail.follow.view import Cursors
from deploytrail.index import contract
from deploytrail.index.engine import SegmentedIndex
from deploytrail.index.makers import Makers
from deploytrail.index.part import Memory
from deploytrail.index.postgres import database, sql
from deploytrail.index.postgres.database import Link
from deploytrail.index.postgres.shelf import PostgresShelf

_Answer = TypeVar("_Answer")
_CURRENT: Final = "current"
_SUCCESSOR: Final = "successor"
_schema: Final = re.compile(r"deploytrail_index_v([0-9]{1,9})_([0-9]{1,9})").fullmatch


class PostgresIndexStore:
    """The indexes of one log in a database, which need not be there yet."""

    def __init__(self, conninfo: str, origin: str) -> None:
        self._conninfo = conninfo
        self._origin = origin
        self._link: Link | None = None
        self._makers = 0

    @property
    def name(self) -> str:
        return contract.NAME

    @property
    def version(self) -> int:
        return contract.VERSION

    def use_makers(self, count: int) -> None:
        self._makers = count

    def cursors(self) -> Cursors:
        def found(link: Link) -> Cursors:
            current, successor = self._current(link), self._begun(link)
            return Cursors(_cursor(link, current), _cursor(link, successor))

        return self._asked(found)

    def current(self) -> SegmentedIndex | None:
        with self._linked() as link:
            return self._opened(self._current(link))

    def successor(self) -> SegmentedIndex | None:
        with self._linked() as link:
            return self._opened(self._begun(link))

    def begin(self) -> None:
        with self._linked() as link:
            if _cursor(link, self._begun(link)) is not None:
                return
            link.execute(sql.STAND.encode())
            link.execute(sql.REMOVE_STAND, (_SUCCESSOR,))
            self._remove_strays(link)
            numbers = [int(found[2]) for name in _schemas(link) if (found := _schema(name))]
            schema = f"deploytrail_index_v{self.version}_{max(numbers, default=0) + 1}"
            PostgresShelf.create(self._conninfo, schema, self._origin)
            link.execute(sql.SET_STAND, (_SUCCESSOR, schema))

    def swap(self) -> None:
        with self._linked() as link:
            successor = self._begun(link)
            if successor is not None:
                # Stopped behind this line, it is the current one, and no successor of itself.
                link.execute(sql.SET_STAND, (_CURRENT, successor))
            self._discard(link)

    def discard(self) -> None:
        with self._linked() as link:
            self._discard(link)

    def reader(self, memory: Memory | None = None) -> SegmentedIndex | None:
        """Open the current one to ask it; None where there is none of this version."""
        current = self._asked(self._current)
        if current is None:
            return None
        try:
            return SegmentedIndex(PostgresShelf(self._conninfo, current), memory)
        except Misconfigured:
            if self._asked(self._current) == current:
                raise
        # It was swapped between the two.
        return self.reader(memory)

    def edition(self) -> str:
        """Changes when another index takes the place of the current one."""
        return self._asked(self._current) or ""

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
        self._link = None

    def _asked(self, question: Callable[[Link], _Answer]) -> _Answer:
        """What is only read is asked once more where a connection broke since it was last used."""
        is_known = self._link is not None and not self._link.closed
        try:
            with self._linked() as link:
                return question(link)
        except Unreachable:
            if not is_known:
                raise
        with self._linked() as link:
            return question(link)

    @contextmanager
    def _linked(self) -> Iterator[Link]:
        """A connection that stays open: whoever waits for an entry asks many times a second."""
        if self._link is None or self._link.closed:
            self._link = database.connected(self._conninfo)
        try:
            with database.own_errors():
                yield self._link
        except Unreachable:
            self.close()
            raise

    def _discard(self, link: Link) -> None:
        if _has_stand(link):
            link.execute(sql.REMOVE_STAND, (_SUCCESSOR,))
            self._remove_strays(link)

    def _current(self, link: Link) -> str | None:
        return self._named(link, _CURRENT)

    def _begun(self, link: Link) -> str | None:
        found = self._named(link, _SUCCESSOR)
        return None if found == self._current(link) else found

    def _named(self, link: Link, which: str) -> str | None:
        """The schema that a name stands for, if it is of this version."""
        name = _stands(link, which)
        found = _schema(name) if name is not None else None
        return name if found is not None and int(found[1]) == self.version else None

    def _remove_strays(self, link: Link) -> None:
        # Of another version, too: it answers its readers until another takes its place.
        known = {_stands(link, which) for which in (_CURRENT, _SUCCESSOR)}
        for name in _schemas(link):
            if _schema(name) and name not in known:
                link.execute(SQL(sql.DROP_SCHEMA).format(Identifier(name)))

    def _opened(self, schema: str | None) -> SegmentedIndex | None:
        if schema is None:
            return None
        makers = Makers(self._origin, self._makers) if self._makers else None
        shelf = PostgresShelf(self._conninfo, schema, is_writer=True)
        return SegmentedIndex(shelf, makers=makers)


def _cursor(link: Link, schema: str | None) -> int | None:
    if schema is None:
        return None
    try:
        row = link.execute(SQL(sql.CURSOR).format(Identifier(schema))).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
        # What is no index is as good as none: then it is made anew.
        return None
    return None if row is None else int(row[0])


def _has_stand(link: Link) -> bool:
    row = link.execute(sql.HAS_STAND).fetchone()
    return row is not None and bool(row[0])


def _stands(link: Link, which: str) -> str | None:
    if not _has_stand(link):
        return None
    row = link.execute(sql.NAMED_STAND, (which,)).fetchone()
    return None if row is None else str(row[0])


def _schemas(link: Link) -> list[str]:
    return [str(name) for (name,) in link.execute(sql.SCHEMAS)]
