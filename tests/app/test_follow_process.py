"""The process that follows: it ends when told to, and may die at any moment."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploytrail.app.trails.directory import open_directory
from deploytrail.clock import SystemClock
from deploytrail.errors import EXIT_OK, EXIT_UNDECIDED, EXIT_USAGE
from deploytrail.event import Actor, Event, Source
from deploytrail.follow.lag import wait_until
from deploytrail.follow.view import Cursors
from deploytrail.stores.sqlite.place import raise_fence
from tests.app.places import Place
from tests.conftest import ROOT
from tests.fakes import FakeClock
from tests.follow.counting import CountingStore
from tests.follow.hosted import Followed
from tests.follow.logs import Log
from tests.vault.sealed import sealed

PATIENCE = 60.0


class Site:
    """A trail with the clock of this machine, and processes that follow it."""

    def __init__(self, base: Path) -> None:
        self.home, self.states, self.view = base / "home", base / "state", base / "view"
        self.clock = SystemClock()
        self.environment = {"XDG_STATE_HOME": str(self.states)}
        self.processes: list[subprocess.Popen[bytes]] = []
        with open_directory(self.home, environment=self.environment) as trail:
            self.origin = trail.origin
        self.store = CountingStore(self.view, origin=self.origin)

    def start(self) -> subprocess.Popen[bytes]:
        paths = (str(self.home), str(self.states), str(self.view))
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.app.follower", *paths], cwd=ROOT, stderr=subprocess.PIPE
        )
        self.processes.append(process)
        return process

    def record(self, count: int) -> None:
        with open_directory(self.home, environment=self.environment) as trail:
            trail.record([self._event() for _ in range(count)])

    def _event(self) -> Event:
        return Event(
            id=self.clock.event_id(),
            action="deployment.succeeded",
            outcome="success",
            time=self.clock.now(),
            actor=Actor(type="user", id="github:alice", name="Alice"),
            source=Source(tool="argocd", instance="local"),
        )

    def size(self) -> int:
        with open_directory(self.home, environment=self.environment) as trail:
            return trail.size()

    def until(self, size: int) -> None:
        wait_until(
            lambda: self.store.cursors().current or 0,
            size - 1,
            seconds_max=PATIENCE,
            clock=self.clock,
        )


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    for process in made.processes:
        if process.poll() is None:
            process.kill()
            process.communicate()


def told(stderr: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stderr.splitlines()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_everything_is_signed(site: Site, number: int) -> None:
    site.record(5)
    process = site.start()
    site.until(5)
    site.record(2)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == EXIT_OK
    lines = told(stderr)
    assert [line["what"] for line in lines][-1] == "ended"
    assert all({"time", "process", "what"} <= line.keys() for line in lines)
    place = Place(site.home, site.environment, FakeClock())
    assert place.verified().size_signed == 7


def test_a_fence_ends_it_with_a_line_and_a_code(site: Site) -> None:
    site.record(5)
    process = site.start()
    site.until(5)
    raise_fence(site.home / "fence", "a test wants it")
    _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == EXIT_UNDECIDED
    last = told(stderr)[-1]
    assert (last["what"], last["error"], last["code"]) == ("ended", "Fenced", EXIT_UNDECIDED)
    assert "a test wants it" in last["reason"]


def test_where_there_is_no_trail_it_says_so(site: Site, tmp_path: Path) -> None:
    site.home = tmp_path / "elsewhere"
    process = site.start()
    _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == EXIT_USAGE
    assert told(stderr)[-1]["error"] == "NotFound"
    assert not site.home.exists()


def test_one_of_two_processes_follows_and_the_other_takes_over(site: Site) -> None:
    site.record(5)
    first = site.start()
    site.until(5)
    second = site.start()
    site.record(3)
    site.until(8)
    first.kill()
    first.communicate()
    site.record(2)
    site.until(10)
    second.terminate()
    _, stderr = second.communicate(timeout=PATIENCE)
    lines = [line for line in told(stderr) if line.get("follower") != "inferring"]
    assert [line["what"] for line in lines] == ["following", "lease taken", "ended"]
    assert site.store.cursors() == Cursors(10, None)


def test_killed_again_and_again_the_view_is_right(site: Site, tmp_path: Path) -> None:
    chance, nobody = random.Random(7), threading.Event()
    kills = 0
    for round_ in range(8):
        process = site.start()
        site.record(chance.randint(1, 300))
        if round_ % 4 == 3:
            site.store.begin()
        # The moment is random, nothing is waited for: start-up, a piece, a swap.
        nobody.wait(chance.uniform(0.3, 1.2))
        process.kill()
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
        cursors = site.store.cursors()
        assert (cursors.current or 0) <= site.size()
    assert kills == 8
    last = site.start()
    # What only it can have read: then it hears signals, too.
    site.record(1)
    site.until(site.size())
    wait_until(
        lambda: int(site.store.cursors().successor is None), 0, seconds_max=60, clock=site.clock
    )
    last.terminate()
    last.communicate(timeout=PATIENCE)
    assert last.returncode == EXIT_OK
    assert site.store.cursors() == (site.size(), None)
    rows, expected = site.store.answering(), _fresh(site, tmp_path / "fresh")
    assert rows == expected
    place = Place(site.home, site.environment, FakeClock())
    report = place.verified()
    assert (report.exit_code, report.size_signed) == (0, site.size())
    assert not (site.home / "fence").exists()


def _fresh(site: Site, directory: Path) -> object:
    with open_directory(site.home, environment=site.environment) as trail:
        log = Log(trail.store, lambda entries: sealed(trail.disclosures(entries)))
        followed = Followed(log, directory, FakeClock(), origin=site.origin)
        followed.go_on(200)
        followed.close()
        return followed.rows()
