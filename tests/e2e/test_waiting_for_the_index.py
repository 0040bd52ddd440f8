"""A follow process that stands still costs those who wait for its index, and nobody else."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.events import body
from tests.web.running import Reply, Running, running

CLIENTS = 130


def follower(server: Running) -> int:
    """The process that follows."""
    pid = server.process.pid
    tasks = Path(f"/proc/{pid}/task").iterdir()
    (found,) = {int(one) for task in tasks for one in (task / "children").read_text().split()}
    return found


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_clients_that_wait_for_the_index_hold_up_nobody(tmp_path: Path) -> None:
    with running(tmp_path / "home") as server, ThreadPoolExecutor(CLIENTS) as pool:
        assert server.record(body(), "/v1/events?wait=published").status == 201
        assert server.ask("GET", "/v1/events?after=0").status == 200
        with stopped(follower(server)):
            index = server.record(body()).json()["receipt"]["index"]
            asked = f"/v1/events?after={index}"
            waiting = [pool.submit(server.ask, "GET", asked) for _ in range(CLIENTS)]
            for path in ("/readyz", "/v1/events/1", "/checkpoint", "/metrics", "/v1/events"):
                assert server.ask("GET", path).status == 200
            assert not any(one.done() for one in waiting)
        answers: list[Reply] = [one.result() for one in waiting]
        assert {one.status for one in answers} == {200}
        assert all(index in {each["index"] for each in one.json()["items"]} for one in answers)
        assert server.stop() == 0
