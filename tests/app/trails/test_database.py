"""A trail in a database: opened by its URL, made once, recorded into, read, verified."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from deploytrail.app.database_doctor import accept_clock, clear_fence, examine_database, is_fenced
from deploytrail.app.exporting import export
from deploytrail.app.trails.database import (
    DatabaseTrail,
    create_database,
    open_database,
    open_to_read,
)
from deploytrail.app.trails.opening import open_trail, stored_at
from deploytrail.app.verifying import verify
from deploytrail.clock import SystemClock
from deploytrail.errors import (
    ClockSuspect,
    Conflict,
    Fenced,
    Incomplete,
    Malformed,
    NotFound,
    NotPermitted,
)
from deploytrail.event import Actor, Event
from deploytrail.report import Report
from deploytrail.stores.postgres.database import Writing
from deploytrail.trail import Patience, Receipt
from tests.app.places import place
from tests.fakes import FakeClock
from tests.postgresql import Server
from tests.verified import verified

DOCTOR = Actor(type="user", id="os:bob@host", name="Bob")


class Base(NamedTuple):
    """A database with everything that belongs to its user."""

    server: Server
    name: str
    url: str
    environment: dict[str, str]

    def opened(self, *, create: bool = True) -> DatabaseTrail:
        return open_database(self.url, create=create, environment=self.environment)

    def run(self, statement: str) -> list[tuple[object, ...]]:
        return self.server.run(statement, database=self.name)

    def verified(self) -> Report:
        return verify(self.url, environment=self.environment, disclosures=True)


@pytest.fixture
def base(postgres_server: Server, tmp_path: Path) -> Base:
    name = postgres_server.database()
    environment = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    return Base(postgres_server, name, postgres_server.url(name), environment)


@pytest.fixture
def trail(base: Base) -> Iterator[DatabaseTrail]:
    with base.opened() as opened:
        yield opened


def events(count: int) -> list[Event]:
    there = place(Path("/nowhere"))
    return [there.event(number) for number in range(count)]


def receipts(trail: DatabaseTrail, count: int) -> list[Receipt]:
    answers = trail.record(events(count))
    assert all(isinstance(one, Receipt) for one in answers), answers
    return [one for one in answers if isinstance(one, Receipt)]


def test_a_trail_is_made_once_and_found_again(base: Base) -> None:
    with pytest.raises(NotFound, match="'deploytrail init' makes one"):
        base.opened(create=False)
    with base.opened() as made:
        done = receipts(made, 300)
        origin = made.origin
    with base.opened(create=False) as again:
        assert (again.origin, again.size()) == (origin, 300)
        assert receipts(again, 300) == done
        assert again.show(7).event["reason"] == {"from": "stated", "text": "reason 7"}
        assert len(verified(again.store, done)) == 300
    with pytest.raises(Conflict, match="expected no trail, found one"):
        create_database(base.url, clock=SystemClock(), environment=base.environment)


def test_several_that_open_it_first_make_one_trail(base: Base) -> None:
    # Whoever makes the key file first wins, so it is there before.
    environment = base.environment | {"DEPLOYTRAIL_KEY": "env:WRAPPING", "WRAPPING": "5a" * 32}

    def origin(_: int) -> str:
        with open_database(base.url, environment=environment) as opened:
            return opened.origin

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(origin, range(4)))) == 1


def test_a_name_is_given_to_it_or_refused(base: Base) -> None:
    clock = SystemClock()
    with pytest.raises(Malformed, match=r"example\.org/team/1"):
        create_database(base.url, clock=clock, environment=base.environment, origin="a b")
    named = "example.org/team/1"
    assert named == create_database(
        base.url, clock=clock, environment=base.environment, origin=named
    )
    with base.opened() as opened:
        assert opened.origin == named


def test_a_log_that_was_removed_is_not_made_anew(base: Base, trail: DatabaseTrail) -> None:
    trail.close()
    base.run("DROP SCHEMA deploytrail_log CASCADE")
    with pytest.raises(Incomplete, match="the log was removed"):
        base.opened()


def test_the_key_stands_outside_of_the_database(base: Base, trail: DatabaseTrail) -> None:
    receipts(trail, 1)
    key = Path(base.environment["HOME"]) / ".local/share/deploytrail/key"
    octets = base.server.bytes(base.name)
    assert key.read_bytes().strip() not in octets
    assert bytes.fromhex(key.read_text()) not in octets
    assert b"reason 0" not in octets
    assert b"Alice" not in octets


def test_a_log_that_was_set_back_is_refused(base: Base, trail: DatabaseTrail) -> None:
    receipts(trail, 3)
    trail.close()
    base.server.run(f"CREATE DATABASE {base.name}_older TEMPLATE {base.name}")
    with base.opened() as opened:
        opened.record(events(9)[3:])
        opened.publish()
    older = base.server.url(f"{base.name}_older")
    with pytest.raises(Incomplete, match="expected at least 9 entries"):
        open_database(older, environment=base.environment)


def test_what_is_exported_verifies_elsewhere(trail: DatabaseTrail, tmp_path: Path) -> None:
    receipts(trail, 600)
    assert export(trail, tmp_path / "log.tar") == 600
    elsewhere = {"XDG_STATE_HOME": str(tmp_path / "elsewhere")}
    report = verify(tmp_path / "log.tar", environment=elsewhere, disclosures=True)
    assert (report.exit_code, report.size, report.found) == (0, 600, ())


# Verifying


def test_a_database_verifies_to_the_last_disclosure(base: Base, trail: DatabaseTrail) -> None:
    receipts(trail, 600)
    trail.publish()
    report = base.verified()
    assert (report.exit_code, report.size, report.size_signed) == (0, 600, 600)
    assert (report.found, report.disclosures, report.key_from) == ((), 1200, "state")


def test_nobody_needs_the_key_to_verify(base: Base, trail: DatabaseTrail, tmp_path: Path) -> None:
    receipts(trail, 300)
    trail.publish()
    nobody = {"DEPLOYTRAIL_KEY": "env:NOTHING", "XDG_STATE_HOME": str(tmp_path / "elsewhere")}
    report = verify(base.url, environment=nobody)
    assert (report.exit_code, report.key_from, report.found) == (0, "directory", ())


TAMPERED: dict[str, tuple[str, str]] = {
    "an entry of the tail": (
        "UPDATE deploytrail_log.segment SET data = set_byte(data, 40, 0) WHERE first = "
        "(SELECT max(first) FROM deploytrail_log.segment)",
        "CORRUPT",
    ),
    "a bundle": (
        "UPDATE deploytrail_log.bundle SET data = set_byte(data, 99, 0) WHERE n = 1",
        "CORRUPT",
    ),
    "a bundle's state": ("UPDATE deploytrail_log.bundle SET state = 2 WHERE n = 1", "CORRUPT"),
    "a tile": ("UPDATE deploytrail_log.tile SET data = set_byte(data, 9, 0)", "CORRUPT"),
    "a bundle that is gone": ("DELETE FROM deploytrail_log.bundle WHERE n = 0", "MISSING"),
    "a delivery that is gone": (
        "DELETE FROM deploytrail_log.delivery WHERE idx = 3",
        "MISSING",
    ),
    "a disclosure that is gone": (
        "DELETE FROM deploytrail_log.disclosure WHERE key = "
        "(SELECT min(key) FROM deploytrail_log.disclosure)",
        "MISSING",
    ),
    "a disclosure": (
        "UPDATE deploytrail_log.disclosure SET sealed = set_byte(sealed, 20, 0)",
        "CORRUPT",
    ),
    "a subject's key": (
        "UPDATE deploytrail_keys.subject SET wrapped = set_byte(wrapped, 20, 0)",
        "CORRUPT",
    ),
    "the tree's row": ("UPDATE deploytrail_log.tree SET clock = clock + 1", "CORRUPT"),
    "a checkpoint": (
        "UPDATE deploytrail_log.checkpoint SET note = set_byte(note, 60, 0)",
        "CORRUPT",
    ),
    "a cosignature of none": (
        "INSERT INTO deploytrail_log.cosignature VALUES (9, 'abcd', 'a line')",
        "CORRUPT",
    ),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_what_was_changed_in_the_database_is_found(
    base: Base, trail: DatabaseTrail, what: str
) -> None:
    receipts(trail, 600)
    trail.publish()
    statement, state = TAMPERED[what]
    base.run(statement)
    report = base.verified()
    assert report.exit_code == (1 if state == "CORRUPT" else 3)
    assert state in {one.state for one in report.found}


# Who may only look


def test_without_the_key_what_is_clear_is_shown(base: Base, trail: DatabaseTrail) -> None:
    receipts(trail, 3)
    trail.publish()
    keyless = base.environment | {"DEPLOYTRAIL_KEY": "file:/nowhere/key"}
    reader, told = open_to_read(base.url, keyless)
    try:
        shown = reader.show(1)
        assert {one.state for one in shown.withheld} == {"sealed"}
        assert "names, reasons and values can't be shown" in told[0]
        assert reader.proof(1).startswith(b"c2sp.org/tlog-proof@v1\n")
    finally:
        reader.close()


def test_a_role_that_may_only_read_reads_and_writes_nothing(
    base: Base, trail: DatabaseTrail
) -> None:
    receipts(trail, 300)
    trail.publish()
    base.run(f"CREATE ROLE carol_{base.name} LOGIN")
    carol = base.server.url(base.name, user=f"carol_{base.name}")
    with pytest.raises(NotPermitted, match=r"docs/postgres\.md"):
        open_to_read(carol, base.environment)
    for schema in ("deploytrail_log", "deploytrail_keys"):
        base.run(f"GRANT USAGE ON SCHEMA {schema} TO carol_{base.name}")
        base.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO carol_{base.name}")
    reader, told = open_to_read(carol, base.environment)
    try:
        assert told == ()
        assert reader.show(1).event["reason"] == {"from": "stated", "text": "reason 1"}
        assert reader.proof(1).startswith(b"c2sp.org/tlog-proof@v1\n")
    finally:
        reader.close()
    assert verify(carol, environment=base.environment, disclosures=True).exit_code == 0
    with (
        open_database(carol, environment=base.environment) as opened,
        pytest.raises(NotPermitted),
    ):
        opened.record(events(1))
    assert trail.size() == 300


# Doctor


def checks(base: Base, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    found = examine_database(base.url, environment=environment or base.environment)
    return {one.what: one.state for one in found}


def test_a_sound_trail_has_nothing_bad(base: Base, trail: DatabaseTrail) -> None:
    receipts(trail, 3)
    assert checks(base) == {
        "server": "ok", "standby": "note", "key": "ok", "fence": "ok", "log": "bad",
        "published": "note", "anchoring": "note",
    }  # fmt: skip
    trail.publish()
    assert "bad" not in checks(base).values()
    elsewhere = base.environment | {"DEPLOYTRAIL_KEY": "env:OTHER", "OTHER": "00" * 32}
    assert checks(base, elsewhere)["key"] == "bad"


def test_what_is_not_there_is_told(base: Base) -> None:
    assert checks(base) == {"server": "ok", "standby": "note", "trail": "bad"}
    gone = base._replace(url="postgresql://127.0.0.1:1/trail")
    assert checks(gone) == {"server": "bad"}


def test_a_fence_stands_until_the_log_was_found_sound(base: Base, trail: DatabaseTrail) -> None:
    receipts(trail, 300)
    trail.publish()
    trail.store.fence("Mallory was here")
    assert is_fenced(base.url)
    with base.opened() as other, pytest.raises(Fenced, match="Mallory was here"):
        other.record(events(1))
    assert checks(base)["fence"] == "bad"
    done = clear_fence(base.url, actor=DOCTOR, reason="looked", environment=base.environment)
    assert (done.index, is_fenced(base.url)) == (300, False)
    with base.opened() as other:
        assert other.show(300).event["action"] == "audit.fence.cleared"
        other.store.fence("again")
    base.run("UPDATE deploytrail_log.bundle SET data = set_byte(data, 99, 0) WHERE n = 0")
    with pytest.raises(Fenced, match="the log stays fenced"):
        clear_fence(base.url, actor=DOCTOR, reason=None, environment=base.environment)
    assert is_fenced(base.url)


# The clock


class Wall:
    """The server's clock, ahead by so many microseconds."""

    ahead = 0

    def now(self, writing: Writing) -> int:
        return writing.clock + self.ahead


def test_the_clock_is_the_server_s(base: Base) -> None:
    # Ours stands at another day.
    with open_database(base.url, environment=base.environment, clock=FakeClock()) as trail:
        (receipt,) = receipts(trail, 1)
        ((text,),) = base.run(
            "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24')"
        )
        assert receipt.logged.startswith(str(text))


def test_a_server_s_clock_that_runs_ahead_of_our_uptime_is_suspect(base: Base) -> None:
    wall, clock = Wall(), FakeClock()
    with open_database(base.url, environment=base.environment, clock=clock, now=wall.now) as trail:
        trail.record(events(1))
        # Another machine, of another boot, writes in between.
        with base.opened() as other:
            other.record(events(2))
        wall.ahead = 3_600_000_000
        with pytest.raises(ClockSuspect):
            trail.record(events(3))
        with trail.store.writing() as writer:
            writer.accept_clock()
        trail.record(events(3))
        assert trail.size() == 3
    environment = base.environment
    assert accept_clock(base.url, actor=DOCTOR, reason=None, environment=environment) is None


# URLs


def test_a_url_chooses_the_engine(base: Base, tmp_path: Path) -> None:
    for url in (f"sqlite://{tmp_path}/a", str(tmp_path / "b"), base.url):
        with open_trail(url, environment=base.environment) as trail:
            assert trail.size() == 0
    assert (tmp_path / "a" / "log.db").exists()
    assert (tmp_path / "b" / "log.db").exists()


NO_URLS: dict[str, str] = {
    "another database": "mysql://alice:s3cret@db/x",
    "a relative path": "sqlite://s3cret",
    "something behind it": "sqlite:///a?s3cret",
    "nothing": "",
    "a server": "https://trail.example.org",
}


@pytest.mark.parametrize("reason", NO_URLS)
def test_what_is_no_url_of_ours_is_refused_and_not_repeated(reason: str) -> None:
    with pytest.raises(Malformed, match=r"^URL: expected") as caught:
        stored_at(NO_URLS[reason])
    assert "s3cret" not in str(caught.value)


def test_a_fence_that_nobody_can_look_for_now_ends_nothing(base: Base) -> None:
    patience = Patience(writer=0.05)
    found = open_database(base.url, environment=base.environment, patience=patience)
    with found as trail, psycopg.connect(base.url) as somebody:
        somebody.execute("LOCK TABLE deploytrail_log.fence")
        trail.refuse_fenced()
