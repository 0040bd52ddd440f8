"""`deploytrail up` over PostgreSQL: several servers over one trail, any of which may die."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPException
from pathlib import Path

import msgspec
import pytest

from deploytrail.app.verifying import verify
from deploytrail.clock import SystemClock
from deploytrail.errors import EXIT_UNDECIDED
from deploytrail.event import Event
from deploytrail.remote import RemoteTrail
from deploytrail.report import Report
from deploytrail.sdk import Trail, event
from deploytrail.stores.postgres.address import Address
from deploytrail.stores.postgres.fence import Fence
from deploytrail.stores.postgres.link import Waits
from deploytrail.trail import Receipt, Shown
from tests.postgresql import Server
from tests.postgresql import running as postgresql
from tests.web.running import Reply, Running, running

PATIENCE = 60.0
CLOCK = SystemClock()
NEVER = threading.Event()


class Site:
    """A database of its own, and the servers that are started over it."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.url = server.url(server.database())
        self.environment = {
            "DEPLOYTRAIL_URL": self.url,
            # Every node has the key.
            "DEPLOYTRAIL_HOME": str(folder / "keys"),
            "XDG_STATE_HOME": str(folder / "state"),
        }
        self._folder = folder
        self._servers = ExitStack()
        self._token = ""

    def start(self, name: str) -> Running:
        server = self._servers.enter_context(
            running(self._folder / name, environment=self.environment)
        )
        # Of all that are ever started, the first makes the token.
        self._token = self._token or server.token
        server.token = self._token
        return server

    def trail(self, server: Running, *, patience: float = 30) -> RemoteTrail:
        return RemoteTrail(server.url, token=self._token, patience_seconds=patience)

    def verified(self) -> Report:
        return verify(self.url, environment=self.environment, disclosures=True)

    def close(self) -> None:
        self._servers.close()


@pytest.fixture
def site(postgres_server: Server, tmp_path: Path) -> Iterator[Site]:
    made = Site(postgres_server, tmp_path)
    yield made
    made.close()


def told(name: str) -> Event:
    return event(
        "deployment.succeeded", actor="github:alice", environment="prod", reason=name, delivery=name
    )


def until(happened: Callable[[], object], what: str) -> None:
    deadline = CLOCK.monotonic() + PATIENCE
    while not happened():
        assert CLOCK.monotonic() < deadline, what
        CLOCK.wait(NEVER, 0.1)


def recorded(trail: RemoteTrail, *names: str) -> list[int]:
    answers = trail.record([told(name) for name in names])
    return [one.index for one in answers if isinstance(one, Receipt)]


def follows(server: Running) -> list[str]:
    """What its follow process said of the lease of the index."""
    return [line["what"] for line in server.journal() if line.get("follower") == "index"]


def test_a_server_over_a_database_takes_events_finds_them_and_ends_in_order(site: Site) -> None:
    server = site.start("one")
    with site.trail(server) as trail:
        indexes = recorded(trail, "a", "b", "c")
        page = trail.search("env:prod actor:alice", after=indexes[-1])
        assert [one.index for one in page.items] == indexes[::-1]
        assert trail.search('"b"', after=indexes[-1]).items[0].index == indexes[1]
        until(lambda: trail.stats().size_signed > indexes[-1], "nothing was signed")
        assert trail.stats().followers["index"] > indexes[-1]
    assert server.stop() == 0
    assert server.journal()[-1]["code"] == 0
    report = site.verified()
    assert (report.exit_code, report.size_signed) == (0, indexes[-1] + 1)
    text = server.told.read_text(encoding="utf-8")
    assert "serving postgresql://" in text
    assert not list(server.told.parent.glob("**/server.lock"))


def test_the_sdk_opens_the_same_trail_beside_its_servers(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = site.start("one")
    for name, value in site.environment.items():
        monkeypatch.setenv(name, value)
    with Trail.open(site.url) as direct, site.trail(server) as remote:
        said = told("direct")
        (receipt,) = direct.record([said])
        assert isinstance(receipt, Receipt)
        # The one that follows is the server's process.
        assert direct.search("direct", after=receipt.index).items[0].index == receipt.index
        assert remote.search("direct", after=receipt.index).items[0].leaf == receipt.leaf
        assert direct.record([said]) == [receipt]


class Sender(threading.Thread):
    """Sends events to one server until it is told to end; keeps what was acknowledged."""

    def __init__(self, site: Site, server: Running, name: str) -> None:
        super().__init__(daemon=True)
        self._site = site
        self._server = server
        self._name = name
        self.ending = threading.Event()
        self.acknowledged: dict[str, Receipt] = {}
        self.sent = 0

    def run(self) -> None:
        while not self.ending.is_set():
            names = [f"{self._name}-{self.sent + at}" for at in range(5)]
            self.sent += 5
            body = [json.loads(_body(name)) for name in names]
            try:
                answer = self._server.record(json.dumps(body).encode())
            except (OSError, HTTPException):
                continue
            if answer.status != 200:
                continue
            for name, one in zip(names, answer.json()["items"], strict=True):
                if "receipt" in one:
                    self.acknowledged[name] = Receipt(**one["receipt"])


def delivery(shown: Shown) -> str:
    source = shown.event["source"]
    assert isinstance(source, dict)
    return str(source["delivery"])


def _body(name: str) -> bytes:
    return msgspec.json.encode(told(name))


def test_one_of_two_servers_is_killed_and_nothing_acknowledged_is_lost(site: Site) -> None:
    one, other = site.start("one"), site.start("other")
    until(lambda: "lease taken" in follows(one) + follows(other), "nobody follows")
    first, second = (one, other) if "lease taken" in follows(one) else (other, one)
    senders = [Sender(site, first, "first"), Sender(site, second, "second")]
    with site.trail(second) as trail:
        for sender in senders:
            sender.start()
        until(lambda: all(len(sender.acknowledged) > 50 for sender in senders), "none was taken")
        size = trail.size()
        page = trail.search("env:prod", limit=10, after=size - 1)
        # The one that follows the log dies, and its follow process with it.
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
        taken = len(senders[1].acknowledged)
        until(lambda: len(senders[1].acknowledged) > taken + 50, "the other takes nothing")
        for sender in senders:
            sender.ending.set()
            sender.join(PATIENCE)
        until(lambda: "lease taken" in follows(second), "nobody took over")
        last = trail.size() - 1
        found = {str(each.event["id"]) for each in page.items}
        older = page.items[-1]
        # A cursor that the dead one's index gave goes on, and what came meanwhile is found.
        while page.next is not None:
            page = trail.search("env:prod", limit=500, cursor=page.next)
            found |= {str(each.event["id"]) for each in page.items}
        assert all(str(each.event["time"]) <= str(older.event["time"]) for each in page.items)
        acknowledged = {
            name: receipt for sender in senders for name, receipt in sender.acknowledged.items()
        }
        for name, receipt in acknowledged.items():
            if receipt.index < size:
                assert receipt.id in found, name
        until(lambda: trail.stats().followers.get("index", 0) > last, "the index stands still")
        newest = trail.search("env:prod", limit=1000, after=last)
        by_index = {each.index: each for each in newest.items}
        while newest.next is not None:
            newest = trail.search("env:prod", limit=1000, cursor=newest.next)
            by_index |= {each.index: each for each in newest.items}
        for name, receipt in acknowledged.items():
            shown = by_index[receipt.index]
            assert (shown.leaf, delivery(shown)) == (receipt.leaf, name)
        until(lambda: trail.stats().size_signed > last, "nobody signs")
    assert second.stop() == 0
    report = site.verified()
    assert (report.exit_code, report.found) == (0, ())
    assert report.size_signed == report.size >= len(acknowledged)


def test_a_fence_of_any_node_ends_them_all_and_nothing_is_acknowledged(site: Site) -> None:
    servers = [site.start("one"), site.start("other")]
    with site.trail(servers[0]) as trail:
        recorded(trail, "before")
    Fence(Address(site.url), Waits()).raise_fence("a test wants it")
    for server in servers:
        answer = server.ask("GET", "/readyz")
        assert (answer.status, "a test wants it" in answer.json()["detail"]) == (503, True)
        answer = server.record(_body("behind it"))
        assert (answer.status, answer.json()["type"]) == (503, "/problems/fenced")
        assert server.process.wait(PATIENCE) == EXIT_UNDECIDED
        assert any(line["what"] == "ended" for line in server.journal())
    assert site.verified().size == 2


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A PostgreSQL that may be stopped."""
    with postgresql() as server:
        yield server


def test_a_database_that_is_started_again_is_a_pause_and_no_end(
    own_server: Server, tmp_path: Path
) -> None:
    site = Site(own_server, tmp_path)
    try:
        server = site.start("one")
        with site.trail(server, patience=0) as trail:
            (index,) = recorded(trail, "before")
            assert trail.search("before", after=index).items
            own_server.crash()
            answers: dict[str, Callable[[], Reply]] = {
                "record": lambda: server.record(_body("while")),
                "search": lambda: server.ask("GET", "/v1/events"),
                "stats": lambda: server.ask("GET", "/v1/stats"),
                "show": lambda: server.ask("GET", f"/v1/events/{index}"),
                "ready": lambda: server.ask("GET", "/readyz"),
                "checkpoint": lambda: server.ask("GET", "/checkpoint"),
            }
            # What it remembers of tokens it forgets in two seconds: then nobody is let in, either.
            for _ in range(2):
                for what, asked in answers.items():
                    answer = asked()
                    assert answer.status == 503, (what, answer.body)
                    assert int(answer.headers["retry-after"]) > 0
                    assert "postgres@" not in answer.body.decode()
                CLOCK.wait(NEVER, 2.5)
            assert server.ask("GET", "/healthz").status == 200
            own_server.start()
            until(lambda: server.record(_body("while")).status in {200, 201}, "nothing is taken")
            last = trail.size() - 1

            def is_found() -> bool:
                with suppress(Exception):
                    return bool(trail.search("while", after=last).items)
                return False

            until(is_found, "nothing is found")
            until(lambda: trail.stats().size_signed > last, "nothing is signed")
        assert server.process.poll() is None
        assert server.stop() == 0
        assert site.verified().exit_code == 0
    finally:
        site.close()
