"""What the server can't take it says, with when to come again; what it took is in the log."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from deploytrail.app.home import Home
from deploytrail.errors import EXIT_UNDECIDED
from deploytrail.trail import Receipt
from tests.crash import oracle
from tests.events import body
from tests.web.running import PROGRAM, Reply, Running, running, started

RSS_MB_MAX = 512


def assert_told(answer: Reply, *statuses: int) -> None:
    """A problem that says when to come again."""
    assert answer.status in statuses, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["status"] == answer.status


def receipts_of(answer: Reply) -> list[Receipt]:
    found = answer.json()
    return [Receipt(**one["receipt"]) for one in found.get("items", [found]) if "receipt" in one]


def batch(count: int) -> bytes:
    return b"[" + b",".join(body() for _ in range(count)) + b"]"


def assert_whole(home: Path, receipts: list[Receipt]) -> None:
    """Every acknowledged event is where its receipt says, and nothing is fenced."""
    assert not Home(home).fence.exists()
    oracle.whole(Home(home).log, receipts)


def rss_mb(server: Running) -> float:
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    (line,) = (one for one in lines if one.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def test_more_than_it_can_take_is_told_and_not_taken(tmp_path: Path) -> None:
    with running(tmp_path / "home") as server:
        sent = [batch(5_000) for _ in range(4)]
        receipts: list[Receipt] = []
        refused: list[Reply] = []

        def send(number: int) -> None:
            for at in range(3):
                answer = server.record(sent[(number + at) % len(sent)])
                if answer.status == 200:
                    receipts.extend(receipts_of(answer))
                else:
                    refused.append(answer)

        with ThreadPoolExecutor(40) as pool:
            for each in [pool.submit(send, number) for number in range(40)]:
                each.result()
        assert refused
        for answer in refused:
            assert_told(answer, 429)
        assert receipts
        assert server.record(body()).status == 201
        assert rss_mb(server) <= RSS_MB_MAX
        assert server.stop() == 0
    assert_whole(tmp_path / "home", receipts)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """The writers' lock of a trail, by somebody else."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def test_a_store_that_is_locked_for_long_is_told_and_comes_back(tmp_path: Path) -> None:
    with running(tmp_path / "home") as server:
        (first,) = receipts_of(server.record(body()))
        with held(tmp_path / "home" / "log.lock"), ThreadPoolExecutor(8) as pool:
            waiting = [pool.submit(server.record, body()) for _ in range(8)]
            # Whoever reads is not held up by it.
            assert server.ask("GET", "/v1/stats").status == 200
            assert server.ask("GET", "/healthz").status == 200
            for each in waiting:
                assert_told(each.result(), 503)
        last = receipts_of(server.record(body()))
        assert [one.index for one in last] == [first.index + 1]
        assert server.stop() == 0
    assert_whole(tmp_path / "home", [first, *last])


def test_a_log_that_is_exchanged_ends_the_server_and_nothing_is_promised(tmp_path: Path) -> None:
    """The writer is fenced: it must not write, so nobody is to send here."""
    home = tmp_path / "home"
    with running(home) as server:
        assert server.record(body()).status == 201
        shutil.copyfile(home / "log.db", tmp_path / "copy")
        (tmp_path / "copy").rename(home / "log.db")
        answer = server.record(body())
        assert answer.status == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert server.process.wait(60) == EXIT_UNDECIDED
        assert (home / "fence").exists()
    told = [one for one in server.journal() if one["what"] == "ended"]
    assert told


def test_a_log_that_is_fenced_is_not_served_and_nothing_says_that_it_is(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running(home) as server:
        assert server.stop() == 0
    (home / "fence").write_text("a test wants it\n")
    ran = subprocess.run(
        [*PROGRAM, "up", "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=60,
        check=False, env={
            **os.environ, "DEPLOYTRAIL_HOME": str(home), "XDG_STATE_HOME": str(tmp_path / "state"),
        },
    )  # fmt: skip
    assert ran.returncode == EXIT_UNDECIDED
    assert "a test wants it" in ran.stderr
    assert "serving" not in ran.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real one, where root may mount it."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts a small disk; tests/crash/test_disk_full.py has a VFS for it")
    path = tmp_path / "small"
    path.mkdir()
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(path)], capture_output=True
    )
    if mounting.returncode != 0:
        pytest.skip(f"may not mount a small disk here: {mounting.stderr.decode().strip()}")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_full_disk_is_told_until_it_is_freed(small_disk: Path) -> None:
    home = small_disk / "home"
    receipts: list[Receipt] = []
    ballast = small_disk / "ballast"
    with running(home) as server:
        receipts += receipts_of(server.record(body()))
        with suppress(OSError), ballast.open("wb", buffering=0) as stream:
            while True:
                stream.write(bytes(4096))
        answer = server.record(body())
        while answer.status == 201:
            receipts += receipts_of(answer)
            answer = server.record(body())
        for _ in range(5):
            assert_told(answer, 507)
            answer = server.record(batch(20))
        assert server.ask("GET", "/healthz").status == 200
        ballast.unlink()
        deadline = time.monotonic() + 60
        while (answer := server.record(body())).status != 201:
            assert_told(answer, 507)
            assert time.monotonic() < deadline
            time.sleep(0.2)
        receipts += receipts_of(answer)
        assert server.stop() == 0
    assert_whole(home, receipts)


CLIENTS, DEAF = 200, 20


def test_who_does_not_read_the_tail_holds_up_nobody(tmp_path: Path) -> None:
    with running(tmp_path / "home") as server:
        connections = [server.connect() for _ in range(CLIENTS)]
        heard = [0] * CLIENTS
        for connection in connections:
            connection.request(
                "GET", "/v1/tail?first=0", headers={"Authorization": f"Bearer {server.token}"}
            )

        def listen(at: int) -> None:
            answer = connections[at].getresponse()
            while heard[at] < 2_000:
                if answer.readline().startswith(b"id:"):
                    heard[at] += 1

        listening = [threading.Thread(target=listen, args=(at,)) for at in range(DEAF, CLIENTS)]
        for each in listening:
            each.start()
        for _ in range(20):
            assert server.record(batch(100)).status == 200
        for each in listening:
            each.join(120)
        assert heard[DEAF:] == [2_000] * (CLIENTS - DEAF)
        assert rss_mb(server) <= RSS_MB_MAX
        for connection in connections:
            connection.close()
        assert server.stop() == 0


def test_what_a_killed_server_left_is_no_obstacle(tmp_path: Path) -> None:
    """Its lock, its token, and an index of which only the beginning was made."""
    home = tmp_path / "home"
    server = started(home)
    receipts = receipts_of(server.record(batch(500)))
    server.process.kill()
    server.process.wait()
    assert (home / "server.token").exists()
    (home / "server.lock").write_text("http://127.0.0.1:1\n")
    successor = home / "index" / "successor"
    successor.parent.mkdir(exist_ok=True)
    successor.write_text("v1-77")
    (home / "index" / "v1-77").mkdir()
    with running(home) as again:
        assert again.token != server.token
        old = again.ask("GET", "/v1/stats", Authorization=f"Bearer {server.token}")
        assert old.status == 401
        found: Any = json.loads(again.ask("GET", "/v1/events?limit=1&after=500").body)
        # And one that tells of the first token.
        assert found["size"] == found["indexed"] == 501
        assert again.stop() == 0
    assert_whole(home, receipts)
