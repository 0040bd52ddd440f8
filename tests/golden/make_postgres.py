"""Makes the golden database of our shape: `python -m tests.golden.make_postgres`.

As with the files of a directory: only for a new shape, into a folder of its own. It is SQL as a
person reads it: the statements that made the schemas, and a line for each row.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg
from psycopg import sql

from deploytrail.app.trails.database import DatabaseTrail, create_database, open_database
from deploytrail.clock import microseconds
from deploytrail.event import Actor
from deploytrail.stores.postgres.keys import SHAPE as KEYS
from deploytrail.stores.postgres.log_sql import SHAPE as LOG
from deploytrail.stores.postgres.shape import Shape
from deploytrail.trail import Attachment
from tests.fakes import NOON, FakeClock
from tests.golden.make import golden_event
from tests.postgresql import Server, running

FOLDER: Final = Path(__file__).parent / f"postgres_{LOG.version}"
ORIGIN: Final = "deploytrail.test/golden-database/1"
KEY: Final = {"DEPLOYTRAIL_KEY": "env:GOLDEN", "GOLDEN": "5a" * 32}
"""A key of tests, which protects nothing."""
COUNT: Final = 260
"""A bundle, a tile, and a tail."""
KEPT: Final = 2
"""The event with an attachment."""
ALICE: Final = "github:alice"


def make(server: Server, folder: Path) -> None:
    """Write the database, and what was said when it was made."""
    folder.mkdir(parents=True, exist_ok=True)
    name = server.database()
    with tempfile.TemporaryDirectory() as scratch:
        environment = KEY | {"HOME": scratch, "XDG_STATE_HOME": scratch}
        url = server.url(name)
        create_database(url, clock=FakeClock(), environment=environment, origin=ORIGIN)
        with opened(url, environment) as trail:
            events = [golden_event(number) for number in range(COUNT)]
            kept = Attachment(type="output", data=b"Apply complete!\n")
            receipts = trail.record(events, attachments={events[KEPT].id: [kept]})
            trail.tokens().first(owner=ALICE, expires=None, by=Actor(type="user", id=ALICE))
            (folder / "checkpoint").write_text(trail.publish().note, encoding="utf-8")
    (folder / "receipts.json").write_bytes(msgspec.json.encode(receipts[:: COUNT // 4]))
    (folder / "database.sql").write_text(dumped(server, name), encoding="utf-8")


def opened(url: str, environment: Mapping[str, str]) -> DatabaseTrail:
    """At noon, whenever that is done: of this machine, its clock and its boot nothing stands there,
    and a clock that went on, or back, changes nothing.
    """
    return open_database(
        url,
        create=False,
        clock=FakeClock(),
        environment=environment,
        now=lambda _: microseconds(NOON),
    )


def dumped(server: Server, name: str) -> str:
    """The log and its keys as the statements that make them."""
    with psycopg.connect(server.url(name)) as connection:
        lines = [line for shape in (KEYS, LOG) for line in _dumped(connection, shape)]
    return "".join(f"{line};\n" for line in lines)


def _dumped(connection: psycopg.Connection[Any], shape: Shape) -> Iterator[str]:
    yield f"CREATE SCHEMA {shape.schema}"
    for table in shape.tables_of(shape.version):
        yield shape.made(table)
    yield from shape.tuned
    for table in shape.tables_of(shape.version):
        where = sql.Identifier(shape.schema, table.partition("(")[0])
        for row in connection.execute(sql.SQL("SELECT * FROM {}").format(where)):
            values = sql.SQL(", ").join(sql.Literal(value) for value in row)
            put = sql.SQL("INSERT INTO {} VALUES ({})").format(where, values)
            yield put.as_string(connection)


if __name__ == "__main__":
    with running() as server:
        make(server, FOLDER)
