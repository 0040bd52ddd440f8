"""How fast an index follows a log: `deploytrail index rebuild` over a trail of typical events.

From the log itself: bundles are unpacked, disclosures looked up and opened, terms made, segments
joined.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure

_MILLION = 1_000_000


def figures(trail: Path, entries: int) -> Iterator[Figure]:
    """One rebuild gives both: its speed, and how long a million takes."""
    environment = {**os.environ, "XDG_STATE_HOME": str(trail / "state")}
    command = [
        sys.executable, "-m", "deploytrail", "index", "rebuild", "--home", str(trail / "trail"),
    ]  # fmt: skip
    before = os.times()
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    seconds = time.perf_counter() - started
    after = os.times()
    spent = after.children_user + after.children_system
    spent -= before.children_user + before.children_system
    note = f"{spent:.0f} processor seconds in {seconds:.0f}"
    yield Figure(
        name="index.follow", value=round(entries / seconds), unit="events/s", n=entries, note=note
    )
    yield Figure(
        name="index.rebuild.1m_s", value=round(seconds * _MILLION / entries, 1), unit="s",
        n=entries, note=note,
    )  # fmt: skip
