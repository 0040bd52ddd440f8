"""Schemas: ours to the letter, stepping forward as a whole, and never back."""

from __future__ import annotations

from contextlib import closing

import pytest

from deploytrail.errors import Fenced, Misconfigured, NotFound, Tampered
from deploytrail.stores.postgres.creating import creating
from deploytrail.stores.postgres.database import Database
from deploytrail.stores.postgres.fence import Fence
from deploytrail.stores.postgres.keys import SHAPE as KEYS
from deploytrail.stores.postgres.log_sql import SHAPE as LOG
from deploytrail.stores.postgres.shape import Shape
from tests.contract.engines import PostgresEngine
from tests.fakes import FakeClock
from tests.postgresql import Server

DOCTORED: dict[str, tuple[str, str]] = {
    "a trigger": (
        "CREATE FUNCTION public.forget() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; "
        "END'; CREATE TRIGGER planted BEFORE INSERT ON deploytrail_log.disclosure "
        "FOR EACH ROW EXECUTE FUNCTION public.forget()",
        "found the trigger 'planted'",
    ),
    "a rule": (
        "CREATE RULE planted AS ON INSERT TO deploytrail_log.disclosure DO INSTEAD NOTHING",
        "found the rule 'planted'",
    ),
    "a policy": (
        "ALTER TABLE deploytrail_log.segment ENABLE ROW LEVEL SECURITY",
        "found the row security of 'segment'",
    ),
    "rows that a crash takes away": (
        "ALTER TABLE deploytrail_log.segment SET UNLOGGED",
        "found the table without a crash's protection 'segment",
    ),
    "an index": (
        "CREATE INDEX planted ON deploytrail_log.segment(n)",
        "found the index 'planted'",
    ),
    "a column": ("ALTER TABLE deploytrail_log.tile ADD more text", "found the table 'tile'"),
    "a default": (
        "ALTER TABLE deploytrail_log.tile ALTER n SET DEFAULT 1",
        "found the table 'tile'",
    ),
    "a constraint less": (
        "ALTER TABLE deploytrail_log.tree DROP CONSTRAINT tree_id_check",
        "found the table 'tree'",
    ),
    "a table more": ("CREATE TABLE deploytrail_log.more(a text)", "found the table 'more'"),
    "a view": ("CREATE VIEW deploytrail_log.more AS SELECT 1", "found the view 'more'"),
    "a table less": ("DROP TABLE deploytrail_log.state", "found none that is called state"),
    "an heir": (
        "CREATE TABLE public.heir() INHERITS (deploytrail_log.segment)",
        "found the heir 'public.heir'",
    ),
    "no version": ("DELETE FROM deploytrail_log.version", "found 0, which nobody ever wrote"),
    "another's schema": ("DROP TABLE deploytrail_log.version", "found another of that name"),
}


@pytest.mark.parametrize("reason", DOCTORED)
def test_a_schema_that_is_not_ours_to_the_letter_is_not_opened(
    postgres_server: Server, engine: PostgresEngine, reason: str
) -> None:
    statement, expected = DOCTORED[reason]
    postgres_server.run(statement, database=engine.name)
    with pytest.raises(Tampered, match=expected):
        engine.open()


def test_tuning_is_the_operator_s(postgres_server: Server, engine: PostgresEngine) -> None:
    for statement in (
        "ALTER TABLE deploytrail_log.delivery SET (autovacuum_vacuum_scale_factor = 0.01)",
        "ALTER TABLE deploytrail_log.bundle ALTER data SET STORAGE EXTENDED",
        "GRANT SELECT ON ALL TABLES IN SCHEMA deploytrail_log TO public",
    ):
        postgres_server.run(statement, database=engine.name)
    engine.open()


def test_a_newer_version_is_refused_also_by_whoever_has_it_open(
    postgres_server: Server, engine: PostgresEngine
) -> None:
    store = engine.open()
    postgres_server.run("UPDATE deploytrail_log.version SET number = 99", database=engine.name)
    with pytest.raises(Misconfigured, match=r"expected version \d+ of .* or older, found 99"):
        engine.open()
    with pytest.raises(Misconfigured, match="a newer Deploytrail uses it since"), store.writing():
        raise AssertionError("written into what is newer")


@pytest.mark.parametrize("shape", [LOG, KEYS])
def test_what_is_not_there_is_not_found(postgres_server: Server, shape: Shape) -> None:
    engine = PostgresEngine(postgres_server, FakeClock())
    postgres_server.run("DROP SCHEMA deploytrail_log CASCADE", database=engine.name)
    fence = Fence(engine.address, engine.waits)
    with pytest.raises(NotFound):
        Database(engine.address, shape, fence, lock="", waits=engine.waits)


OLD = Shape("deploytrail_test", 3, ("word(text text NOT NULL)",))
NEW = OLD._replace(
    version=5, steps={4: ("letter(text text NOT NULL)",), 5: ("digit(text text NOT NULL)",)}
)


@pytest.fixture
def old(engine: PostgresEngine) -> PostgresEngine:
    with creating(engine.address, engine.waits) as link:
        OLD.create(link)
    return engine


def opened(engine: PostgresEngine, shape: Shape) -> Database:
    fence = Fence(engine.address, engine.waits)
    lock = "SELECT number FROM deploytrail_test.version FOR UPDATE"
    return Database(engine.address, shape, fence, lock=lock, waits=engine.waits)


def tables(server: Server, engine: PostgresEngine) -> list[object]:
    rows = server.run(
        "SELECT relname::text FROM pg_class "
        "WHERE relnamespace = 'deploytrail_test'::regnamespace ORDER BY 1",
        database=engine.name,
    )
    (version,) = server.run("SELECT number FROM deploytrail_test.version", database=engine.name)
    return [*version, *(row[0] for row in rows)]


def test_an_older_version_becomes_the_newest_when_it_is_opened(
    postgres_server: Server, old: PostgresEngine
) -> None:
    with closing(opened(old, OLD)) as before, before.writing() as writing:
        writing.link.execute("INSERT INTO deploytrail_test.word VALUES ('first')")
    for _ in range(2):
        with closing(opened(old, NEW)) as database, database.reading() as link:
            assert link.execute("SELECT * FROM deploytrail_test.word").fetchall() == [("first",)]
    assert tables(postgres_server, old) == [5, "digit", "letter", "version", "word"]
    with pytest.raises(Misconfigured, match=r"expected version 3 of .* or older, found 5"):
        opened(old, OLD)


def test_a_version_is_made_as_a_whole_or_not_at_all(
    postgres_server: Server, old: PostgresEngine
) -> None:
    broken = NEW._replace(steps={4: NEW.steps[4], 5: ("word(again text)",)})
    with pytest.raises(Exception, match="already exists"):
        opened(old, broken)
    assert tables(postgres_server, old) == [3, "version", "word"]


def test_what_is_fenced_keeps_its_version(postgres_server: Server, old: PostgresEngine) -> None:
    Fence(old.address, old.waits).raise_fence("Mallory was here")
    with closing(opened(old, NEW)) as database, pytest.raises(Fenced), database.writing():
        raise AssertionError("written behind a fence")
    assert tables(postgres_server, old) == [3, "version", "word"]
