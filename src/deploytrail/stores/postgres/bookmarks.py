"""Where actors stand, in a schema of its own: `follow.actor.Bookmarks` in a database."""

from __future__ import annotations

from typing import Final

import psycopg

from deploytrail.errors import Conflict
from deploytrail.stores.postgres.address import Address
from deploytrail.stores.postgres.failures import own_error
from deploytrail.stores.postgres.link import Link, Waits, connect

_MADE: Final = """
CREATE SCHEMA IF NOT EXISTS deploytrail_follow;
CREATE TABLE IF NOT EXISTS deploytrail_follow.bookmark(
    name text COLLATE "C" PRIMARY KEY, place bigint NOT NULL)
"""
_IS_MADE: Final = "SELECT to_regclass('deploytrail_follow.bookmark') IS NOT NULL"
_LOAD: Final = "SELECT place FROM deploytrail_follow.bookmark WHERE name = %s"
_BEGIN: Final = "INSERT INTO deploytrail_follow.bookmark VALUES (%s, %s) ON CONFLICT DO NOTHING"
_REPLACE: Final = "UPDATE deploytrail_follow.bookmark SET place = %s WHERE name = %s AND place = %s"


class DatabaseBookmarks:
    """Connects when it is first asked, and again where the connection was lost."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._link: Link | None = None

    def load(self, name: str) -> int | None:
        try:
            link = self._opened()
            if not link.execute(_IS_MADE).fetchall()[0][0]:
                return None
            rows = link.execute(_LOAD, (name,)).fetchall()
        except psycopg.Error as error:
            raise own_error(error, self._address) or error from None
        return int(rows[0][0]) if rows else None

    def replace(self, name: str, expected: int | None, new: int) -> None:
        try:
            link = self._opened()
            if expected is None:
                link.execute(_MADE.encode())
                done = link.execute(_BEGIN, (name, new))
            else:
                done = link.execute(_REPLACE, (new, name, expected))
        except psycopg.Error as error:
            raise own_error(error, self._address) or error from None
        if done.rowcount != 1:
            raise Conflict(
                f"{name}: expected this actor at {expected}, found it elsewhere: another process "
                "moves it"
            )

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
        self._link = None

    def _opened(self) -> Link:
        if self._link is None or self._link.closed:
            self._link = connect(self._address, Waits())
        return self._link
