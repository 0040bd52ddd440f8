"""The server is killed under load, and what follows beside it: nothing acknowledged is lost.

Who listens goes on with `Last-Event-ID` over every death, and is told each event once.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from deploytrail.app.home import Home
from deploytrail.trail import Receipt
from tests.crash import oracle
from tests.crash.figures import Figures, Tally
from tests.crash.form import SEED, chosen
from tests.crash.harmed import wrong
from tests.crash.writing import Place
from tests.events import body
from tests.web.running import Running, started

SENDERS = 4
CAUGHT_UP_SECONDS = 60
_GONE = (OSError, http.client.HTTPException, json.JSONDecodeError)


class Load:
    """Senders and a listener, which outlive every server; each finds the one that runs now."""

    def __init__(self) -> None:
        self.server: Running | None = None
        self.is_over = threading.Event()
        self.receipts: list[Receipt] = []
        self.told: list[int] = []
        self.unexpected: list[str] = []
        self.unanswered = 0
        self.reconnects = 0

    def send(self, number: int) -> None:
        rng = random.Random(SEED + number)
        while not self.is_over.is_set():
            server = self.server
            if server is None:
                time.sleep(0.01)
                continue
            events = [body() for _ in range(rng.choice((1, 1, 1, 40)))]
            sent = events[0] if len(events) == 1 else b"[" + b",".join(events) + b"]"
            try:
                answer = server.record(sent)
                if answer.status >= 400:
                    self.unexpected.append(f"{answer.status} {answer.body!r:.200}")
                    continue
                found = answer.json()
            except _GONE:
                # Nobody knows what became of it, hence nothing was promised.
                self.unanswered += 1
                time.sleep(0.02)
                continue
            for one in found.get("items", [found]):
                self.receipts.append(Receipt(**one["receipt"]))

    def listen(self) -> None:
        while not self.is_over.is_set():
            server = self.server
            if server is None:
                time.sleep(0.01)
                continue
            with suppress(*_GONE):
                self.reconnects += 1
                for index in _tail(server, self.told[-1] if self.told else None):
                    self.told.append(index)
                    if self.is_over.is_set():
                        return


def _tail(server: Running, last: int | None) -> Iterator[int]:
    connection = server.connect()
    headers = {"Authorization": f"Bearer {server.token}"}
    if last is not None:
        headers["Last-Event-ID"] = str(last)
    try:
        connection.request("GET", "/v1/tail" if last is not None else "/v1/tail?first=0",
                           headers=headers)  # fmt: skip
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        index = None
        while line := answer.readline():
            if line.startswith(b"id:"):
                index = int(line[3:])
            elif line.startswith(b"data:") and index is not None:
                # A half of an event, which a death leaves, is none.
                whole: Any = json.loads(line[5:])
                assert whole["index"] == index
                yield index
                index = None
    finally:
        connection.close()


def child_of(process: int) -> int | None:
    """What follows beside a server."""
    with suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            children = (task / "children").read_text().split()
            if children:
                return int(children[0])
    return None


def kill(load: Load, server: Running, rng: random.Random, *, is_follower: bool) -> bool:
    """Whether somebody was killed."""
    time.sleep(rng.uniform(0.1, 1.2))
    if is_follower:
        child = child_of(server.process.pid)
        if child is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        time.sleep(rng.uniform(0.1, 1.5))
        assert server.process.poll() is None
        return True
    load.server = None
    server.process.kill()
    server.process.wait()
    return True


def caught_up(server: Running, load: Load) -> int:
    """The log's size, once the index and the listener have all of it."""
    size = int(server.ask("GET", "/v1/stats").json()["size"])
    deadline = time.monotonic() + CAUGHT_UP_SECONDS
    found = server.ask("GET", "/v1/stats")
    while time.monotonic() < deadline:
        found = server.ask("GET", f"/v1/events?limit=1&after={size - 1}")
        if found.status == 200 and load.told and load.told[-1] >= size - 1:
            assert found.json()["indexed"] >= size
            return size
        time.sleep(0.1)
    raise AssertionError(f"of {size} entries, the listener has {load.told[-1:]}: {found.body!r}")


def checked(place: Place, load: Load) -> tuple[Tally, int]:
    """What is wrong with the log and with what the listener was told; and how many entries."""
    tally, count = Tally(), 0
    with tally.checking("after all deaths"):
        count = len(oracle.whole(Home(place.home).log, load.receipts).entries)
        said = wrong(place, is_deep=True)
        oracle.expect(not said, f"verify: {said}")
        oracle.expect(
            load.told == list(range(len(load.told))), "the tail had a gap, or told one twice"
        )
    return tally, count


def test_a_killed_server_loses_nothing_that_was_acknowledged(
    tmp_path: Path, figures: Figures
) -> None:
    place, load, rng = Place(tmp_path / "place"), Load(), random.Random(SEED)
    place.base.mkdir()
    threads = [threading.Thread(target=load.send, args=(at,)) for at in range(SENDERS)]
    threads.append(threading.Thread(target=load.listen))
    kills = followers = 0
    server = load.server = started(place.home)
    try:
        for thread in threads:
            thread.start()
        while kills < chosen(4, 60):
            if kills % 2:
                followers += kill(load, server, rng, is_follower=True)
            kills += kill(load, server, rng, is_follower=False)
            server = load.server = started(place.home)
        size = caught_up(server, load)
        load.is_over.set()
        for thread in threads[:-1]:
            thread.join(30)
        assert server.stop() == 0
        threads[-1].join(30)
    finally:
        load.is_over.set()
        server.process.kill()
        server.process.wait()
    tally, count = checked(place, load)
    figures.tell(
        "killed servers",
        kills=kills,
        followers_killed=followers,
        acknowledged=len(load.receipts),
        unanswered=load.unanswered,
        told=len(load.told),
        reconnects=load.reconnects,
        lost=tally.lost,
        inconsistent=tally.inconsistent,
    )
    assert tally.objections == []
    assert load.unexpected == []
    assert len(load.receipts) > 20 * kills
    assert len(load.told) >= size
    assert load.reconnects > kills
    assert followers >= kills // 2
    assert count >= len(load.receipts)
    assert not Home(place.home).fence.exists()
