"""Two processes write into one database while either is killed, sessions end and the server dies.

Nothing acknowledged is lost, nothing is there twice, the log verifies, and both go on.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import msgspec

from deploytrail.app.trails.database import open_database
from deploytrail.app.verifying import verify
from deploytrail.clock import SystemClock
from deploytrail.entry import fields
from deploytrail.stores.postgres.address import Address
from deploytrail.stores.postgres.fence import Fence
from deploytrail.stores.postgres.link import Waits
from deploytrail.stores.postgres.log import PostgresLog
from deploytrail.trail import Receipt
from tests.conftest import ROOT
from tests.crash.figures import Figures
from tests.crash.form import SEED, chosen
from tests.postgresql import Server, running
from tests.verified import verified

_SECONDS_MAX: Final = 60
_KEY: Final = {"DEPLOYTRAIL_KEY": "env:WRAPPING", "WRAPPING": "5a" * 32}


class Writer:
    """A writer that is started again whenever it was killed, behind what it was told is stored."""

    def __init__(self, name: str, url: str, state: Path) -> None:
        self.name = name
        self._url = url
        self._state = state
        self.stop = state / f"stop-{name}"
        self.receipts: list[Receipt] = []
        self.kills = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.acknowledged = threading.Event()

    def write(self) -> None:
        while not self.stop.exists():
            status = self._run()
            self.kills += status == -signal.SIGKILL
            assert status in {0, -signal.SIGKILL}, f"{self.name} ended with {status}"

    def _run(self) -> int:
        words = [self._url, str(self._state), self.name, str(len(self.receipts)), str(self.stop)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.postgres_writer", *words],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, **_KEY},
        )
        with self.process as process:
            assert process.stdout is not None
            for line in process.stdout:
                # One that was killed may leave half a line, which acknowledges nothing.
                if line.endswith(b"\n"):
                    self.receipts += msgspec.json.decode(line, type=list[Receipt])
                    self.acknowledged.set()
        return process.returncode

    def kill(self) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGKILL)

    def goes_on(self) -> bool:
        """Whether it is told within bounds that something more is stored."""
        self.acknowledged.clear()
        return self.acknowledged.wait(_SECONDS_MAX)


def test_two_writers_lose_nothing_whatever_dies(tmp_path: Path, figures: Figures) -> None:
    environment = {**_KEY, "XDG_STATE_HOME": str(tmp_path)}
    with running() as server:
        database = server.database()
        url = server.url(database)
        open_database(url, environment=environment).close()
        writers = [Writer(name, url, tmp_path) for name in ("alice", "bob")]
        with ThreadPoolExecutor(len(writers)) as threads:
            runs = [threads.submit(writer.write) for writer in writers]
            try:
                told = _harm(server, database, writers)
                went_on = [writer.goes_on() for writer in writers]
            finally:
                for writer in writers:
                    writer.stop.touch()
        for run in runs:
            run.result()
        # By how they ended: a signal may come to one that is dead already.
        killed = sum(writer.kills for writer in writers)
        stored = sum(len(writer.receipts) for writer in writers)
        figures.tell("postgresql", killed=killed, **told, receipts=stored)
        assert went_on == [True, True]
        _hold_to_promises(url, environment, writers)


def _harm(server: Server, database: str, writers: list[Writer]) -> dict[str, int]:
    """At random moments; how often what was done."""
    rng, pause = random.Random(SEED), threading.Event()
    harms = ["kills"] * chosen(4, 110) + ["ended"] * chosen(6, 80) + ["crashes"] * chosen(1, 12)
    rng.shuffle(harms)
    ended = 0
    for harm in harms:
        victim = rng.choice(writers)
        assert victim.goes_on()
        pause.wait(rng.uniform(0, 0.05))
        if harm == "kills":
            victim.kill()
        elif harm == "ended":
            ended += len(server.end_sessions(database))
        else:
            server.crash()
            pause.wait(rng.uniform(0, 0.3))
            server.start()
    return {"ended": ended, "crashes": harms.count("crashes")}


def _hold_to_promises(url: str, environment: dict[str, str], writers: list[Writer]) -> None:
    receipts = [receipt for writer in writers for receipt in writer.receipts]
    # The oracle computes every root anew, for longer than a client may stand still.
    address, waits = Address(url), Waits(idle=1_000)
    with closing(PostgresLog(address, Fence(address, waits), SystemClock(), waits)) as store:
        entries = verified(store, receipts)
    with open_database(url, environment=environment) as trail:
        deliveries = [fields(octets)["source"]["delivery"] for octets in entries]
        assert len(deliveries) == len(set(deliveries))
        for writer in writers:
            # Each in its own order, and at most the last batch was not acknowledged.
            own = [one for one in deliveries if one.startswith(f"{writer.name}-")]
            assert own == [f"{writer.name}-{number}" for number in range(len(own))]
            assert len(own) >= len(writer.receipts)
        trail.publish()
    report = verify(url, environment=environment, disclosures=True)
    assert (report.exit_code, report.found) == (0, ())
