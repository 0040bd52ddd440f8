"""A run that is killed at any line loses nothing that was kept, and a gap says that it has no end.

Also: an hour without a server, and all that was spooled meanwhile.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from deploytrail.clock import SystemClock
from deploytrail.trail import Shown
from deploytrail.wrapper.draining import Reading, drain
from deploytrail.wrapper.spool_file import spools
from tests.conftest import ROOT
from tests.crash.form import chosen
from tests.wrapper.spooled import END, START, Spooling, told

STEP = chosen(7, 1)
RUNS, EVENTS = chosen(10, 40), 1_000


class Killed:
    """A run at a place of its own, killed at a line of ours."""

    def __init__(self, folder: Path, *, is_there: bool) -> None:
        # The run has the time of this machine.
        self.place = Spooling(folder, now=SystemClock().now())
        self.touched = folder / "touched"
        self._is_there = is_there

    def run(self, at: int) -> subprocess.CompletedProcess[str]:
        spec: dict[str, Any] = {
            "home": str(self.place.home),
            "is_there": self._is_there,
            "touched": str(self.touched),
            "at": at,
        }
        return subprocess.run(
            [sys.executable, str(ROOT / "tests/crash/spool_writer.py"), json.dumps(spec)],
            env={**os.environ, **self.place.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
            cwd=self.place.home.parent,
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )

    @property
    def folder(self) -> Path:
        return self.place.home / "spool"

    def kept(self) -> list[str]:
        """The ids of the events whose lines stand in the spool, whole."""
        ids = []
        for path in spools(self.folder):
            with path.open("rb") as stream:
                lines = list(Reading(stream).lines())
            ids += [str(json.loads(line.body or b"{}")["id"]) for line in lines]
        return ids

    def logged(self) -> list[Shown]:
        """The log, once what the killed run left is drained.

        The process beside the command may be ending still; until then it holds what we held.
        """
        clock, nobody = SystemClock(), Event()
        until = clock.monotonic() + 30
        while True:
            with self.place.open() as trail:
                drain(trail, self.folder)
            if not spools(self.folder) or clock.monotonic() > until:
                return self.place.logged()
            clock.wait(nobody, 0.02)


@pytest.mark.parametrize("is_there", [False, True], ids=["away", "there"])
def test_a_run_that_is_killed_at_any_line_of_ours_loses_nothing(
    tmp_path: Path, is_there: bool
) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    lines = int(Killed(whole, is_there=is_there).run(0).stdout)
    assert lines > 100
    gaps = 0
    for at in range(1, lines + 1, STEP):
        folder = tmp_path / str(at)
        folder.mkdir()
        killed = Killed(folder, is_there=is_there)
        assert killed.run(at).returncode == -signal.SIGKILL
        gaps += _hold(killed, at)
    assert gaps > 0


def _hold(killed: Killed, at: int) -> int:
    """What must be true behind a kill at that line; how many gaps were noticed."""
    kept = killed.kept()
    logged = killed.logged()
    events = [one.event for one in logged if not str(one.event["action"]).startswith("audit.")]
    ids = [str(one["id"]) for one in events]
    assert len(set(ids)) == len(ids), at
    # In order, and each that was kept is there.
    assert [id for id in ids if id in kept] == kept, at
    actions = [one["action"] for one in events]
    assert actions in ([], [START], [START, END]), at
    if killed.touched.exists():
        # Nothing was started before its start was kept.
        assert actions[:1] == [START], at
    noticed = [one for one in logged if one.event["action"] == "audit.gap.noticed"]
    assert len(noticed) == (actions == [START]), at
    assert not spools(killed.folder), at
    return len(noticed)


def test_an_hour_without_a_server_is_drained_in_order_and_without_a_gap(tmp_path: Path) -> None:
    place = Spooling(tmp_path)
    place.seal()
    kept: list[str] = []
    for _ in range(RUNS):
        spool = place.spool()
        for at in range(0, EVENTS, 100):
            is_last = at + 100 == EVENTS
            events = [told() for _ in range(100)]
            kept += [one.id for one in spool.stamped(events, {}, is_last=is_last)]
            spool.write()
        spool.release()
    script = (
        "import resource, sys; from pathlib import Path; from tests.wrapper.spooled import *\n"
        "from deploytrail.wrapper.draining import drain\n"
        "place = Spooling(Path(sys.argv[1]))\n"
        "with place.open() as trail: drained = drain(trail, place.folder)\n"
        "status = Path('/proc/self/status').read_text().split()\n"
        "print(drained.events, len(drained.gaps), status[status.index('VmHWM:') + 1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        check=True,
        capture_output=True,
        text=True,
        timeout=chosen(120, 600),
    )
    drained, gaps, peak_kb = map(int, done.stdout.split())
    assert (drained, gaps) == (RUNS * EVENTS, 0)
    # Of the trail and the test's own tools; what was spooled was read piece by piece.
    assert peak_kb < 160_000
    assert place.ids() == kept
