"""Where actors stand, in a database: as in a directory, and through a lost connection."""

from __future__ import annotations

from contextlib import closing

import pytest

from deploytrail.errors import Conflict, Unreachable
from deploytrail.stores.postgres.address import Address
from deploytrail.stores.postgres.bookmarks import DatabaseBookmarks
from tests.postgresql import Server


def test_a_place_is_kept_and_compared(postgres_server: Server) -> None:
    address = Address(postgres_server.url(postgres_server.database()))
    with closing(DatabaseBookmarks(address)) as one, closing(DatabaseBookmarks(address)) as other:
        assert one.load("alerts") is None
        one.replace("alerts", None, 5)
        assert (other.load("alerts"), other.load("mail")) == (5, None)
        other.replace("alerts", 5, 9)
        for expected in (None, 5, 8):
            with pytest.raises(Conflict, match="another process"):
                one.replace("alerts", expected, 10)
        assert one.load("alerts") == 9


def test_a_lost_connection_is_made_again(postgres_server: Server) -> None:
    name = postgres_server.database()
    with closing(DatabaseBookmarks(Address(postgres_server.url(name)))) as bookmarks:
        bookmarks.replace("alerts", None, 5)
        assert postgres_server.end_sessions(name)
        with pytest.raises(Unreachable, match="expected an answer"):
            bookmarks.load("alerts")
        assert bookmarks.load("alerts") == 5
