"""Every shape of the database ever shipped steps forward, verifies, and is read and written."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec
import psycopg
import pytest

from deploytrail.app.trails.database import DatabaseTrail
from deploytrail.app.verifying import verify
from deploytrail.errors import Misconfigured
from deploytrail.stores.postgres.address import Address
from deploytrail.stores.postgres.database import Database
from deploytrail.stores.postgres.fence import Fence
from deploytrail.stores.postgres.keys import SHAPE as KEYS
from deploytrail.stores.postgres.link import Waits
from deploytrail.stores.postgres.log_sql import LOCK_TREE
from deploytrail.stores.postgres.log_sql import SHAPE as LOG
from deploytrail.trail import Receipt
from tests.events import event
from tests.golden.make import golden_event
from tests.golden.make_postgres import COUNT, KEPT, KEY, ORIGIN, dumped, opened
from tests.golden.test_golden import as_sent
from tests.postgresql import Server
from tests.verified import verified

SHAPES = sorted(Path(__file__).parent.glob("postgres_*"))


class Golden(NamedTuple):
    """A database into which a golden one was loaded."""

    folder: Path
    server: Server
    name: str
    environment: dict[str, str]

    @property
    def url(self) -> str:
        return self.server.url(self.name)

    def opened(self) -> DatabaseTrail:
        return opened(self.url, self.environment)

    def receipts(self) -> list[Receipt]:
        octets = (self.folder / "receipts.json").read_bytes()
        return msgspec.json.decode(octets, type=list[Receipt])

    def version(self) -> list[tuple[object, ...]]:
        return self.server.run("SELECT number FROM deploytrail_log.version", database=self.name)


@pytest.fixture(params=SHAPES, ids=lambda folder: folder.name)
def golden(request: pytest.FixtureRequest, postgres_server: Server, tmp_path: Path) -> Golden:
    name = postgres_server.database()
    script = (request.param / "database.sql").read_bytes()
    with psycopg.connect(postgres_server.url(name)) as connection:
        connection.execute(script)
    environment = KEY | {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    return Golden(request.param, postgres_server, name, environment)


def test_each_shape_that_was_ever_written_has_its_golden_database() -> None:
    versions = range(LOG.oldest, LOG.version + 1)
    assert [folder.name for folder in SHAPES] == [f"postgres_{at}" for at in versions]
    assert KEYS.version == 1


def test_a_golden_database_verifies_as_it_lies(golden: Golden) -> None:
    report = verify(golden.url, environment=golden.environment, disclosures=True)
    assert (report.exit_code, report.found) == (0, ())
    assert (report.origin, report.size, report.size_signed) == (ORIGIN, COUNT + 1, COUNT + 1)


def test_a_golden_database_is_opened_shown_and_appended_to(golden: Golden) -> None:
    receipts = golden.receipts()
    with golden.opened() as trail:
        assert trail.publish().note == (golden.folder / "checkpoint").read_text(encoding="utf-8")
        shown = list(trail.entries(until=COUNT))
        assert [as_sent(one.event) for one in shown] == [golden_event(at) for at in range(COUNT)]
        assert {one.withheld for one in shown} == {()}
        again = trail.record([golden_event(one.index) for one in receipts])
        assert again == receipts
        evidence = trail.show(KEPT).event["evidence"]
        assert isinstance(evidence, list)
        assert trail.attachment(KEPT, evidence[0]["id"]) == b"Apply complete!\n"
        (token,) = trail.tokens().list()
        assert token.id == "first"
        (added,) = trail.record([event()])
        assert isinstance(added, Receipt)
        assert added.index == COUNT + 1
        verified(trail.store, [*receipts, added])
        trail.publish()
    report = verify(golden.url, environment=golden.environment, disclosures=True)
    assert (report.exit_code, report.size) == (0, added.index + 1)
    assert golden.version() == [(LOG.version,)]


def test_a_golden_database_steps_forward_and_is_refused_by_who_is_older(golden: Golden) -> None:
    """As the next version will do it: its rows stay to the letter."""
    before = dumped(golden.server, golden.name)
    at = LOG.version + 1
    steps = {**LOG.steps, at: ("later(id integer NOT NULL, PRIMARY KEY (id))",)}
    newer = LOG._replace(version=at, steps=steps)
    address, waits = Address(golden.url), Waits()
    with (
        closing(
            Database(address, newer, Fence(address, waits), lock=LOCK_TREE, waits=waits)
        ) as database,
        database.reading() as link,
    ):
        assert link.execute("SELECT count(*) FROM deploytrail_log.later").fetchall() == [(0,)]
    assert golden.version() == [(at,)]
    old, new = f'"version" VALUES ({LOG.version})', f'"version" VALUES ({at})'
    after = dumped(golden.server, golden.name)
    assert after == before.replace(f'"deploytrail_log".{old}', f'"deploytrail_log".{new}')
    with pytest.raises(Misconfigured, match="a newer Deploytrail wrote it"):
        golden.opened()
