"""A trail in a database asks its witnesses as one in a directory does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from deploytrail.app.cosigning.witnessing import Witnessing
from deploytrail.app.trails.database import DatabaseTrail, open_database
from deploytrail.app.verifying import verify
from deploytrail.clock import SystemClock
from deploytrail.errors import EXIT_OK
from deploytrail.log import policy as policies
from deploytrail.report import Report
from tests.app.places import place
from tests.app.witnessed import Asker, Neighbour, add
from tests.fakes import FakeClock
from tests.follow.hosted import Lines
from tests.postgresql import Server


class Base:
    """A database, and everything that belongs to its user."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.url = server.url(server.database())
        self.folder = folder
        self.environment = {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "state")}
        self.events = place(folder)
        self.clock = self.events.clock

    def open(self) -> DatabaseTrail:
        return open_database(self.url, environment=self.environment, clock=self.clock)

    def record(self, count: int) -> None:
        with closing(self.open()) as trail:
            trail.record([self.events.event(at) for at in range(count)])
            trail.publish()

    def actions(self) -> list[object]:
        with closing(self.open()) as trail:
            return [shown.event["action"] for shown in trail.entries()]

    def verified(self, pinned: Path) -> Report:
        return verify(
            self.url, policy=pinned, state=self.folder / "carol", environment=self.environment,
            clock=self.clock,
        )  # fmt: skip


@pytest.fixture
def base(postgres_server: Server, tmp_path: Path) -> Base:
    return Base(postgres_server, tmp_path)


def named(base: Base, bob: Neighbour) -> Path:
    with closing(base.open()) as trail:
        add(trail, bob)
        trail.publish()
        pinned = base.folder / "pinned"
        pinned.write_bytes(policies.encode(trail.policy()))
    return pinned


def test_it_is_witnessed_lags_and_recovers(base: Base, tmp_path: Path) -> None:
    base.record(300)
    bob = Neighbour(tmp_path, "bob", base.clock)
    pinned = named(base, bob)
    for is_up in (True, False, False, True, True):
        bob.is_up = is_up
        base.record(1)
        with closing(Asker(base.open(), base.clock, bob)) as asker:
            asker.tick(80, seconds=1)
        if is_up:
            report = base.verified(pinned)
            assert (report.exit_code, report.anchoring) == (EXIT_OK, "WITNESSED")
    told = [one for one in base.actions() if str(one).startswith("audit.witness.")]
    assert told == ["audit.witness.added", "audit.witness.delayed", "audit.witness.recovered"]


def test_the_policy_beside_it_is_the_one_in_force(base: Base, tmp_path: Path) -> None:
    bob = Neighbour(tmp_path, "bob", base.clock)
    named(base, bob)
    with closing(Asker(base.open(), base.clock, bob)) as asker:
        asker.tick(3)
    report = verify(
        base.url, state=base.folder / "nobody", environment=base.environment, clock=base.clock
    )
    assert (report.key_from, report.witnesses, report.exit_code) == ("directory", ("bob",), EXIT_OK)
    assert not any("does not list" in one for one in report.not_checked)


def test_one_of_two_nodes_asks(base: Base, tmp_path: Path) -> None:
    clock = SystemClock()
    bob = Neighbour(tmp_path, "bob", FakeClock(clock.now()))
    named(base, bob)

    def node() -> Witnessing:
        return Witnessing(
            base.open,
            clock=clock,
            tell=Lines(),
            post=lambda _, body: bob.answer(body),
        )

    first, second = node(), node()
    with second.running():
        with first.running():
            until(lambda: bool(first.standings() or second.standings()))
            clock.wait(threading.Event(), 1)
            holder, other = (first, second) if first.standings() else (second, first)
            assert not other.standings()
            until(lambda: holder.standings()[0].cursor == 1)
            asked = bob.asked
        if holder is first:
            until(lambda: bool(second.standings()) and bob.asked > asked)
    assert set(bob.statuses) <= {200, 409}
    assert bob.refusals == []


def until(is_so: Callable[[], bool]) -> None:
    clock, nobody = SystemClock(), threading.Event()
    end = clock.monotonic() + 60
    while not is_so():
        assert clock.monotonic() < end
        clock.wait(nobody, 0.05)
