"""The wrapper around `true`: what it adds, in time and memory, in a trail that is there already."""

from __future__ import annotations

import os
import shutil
import statistics
import sys
from pathlib import Path

from bench.figure import Figure
from bench.reading import peak_mb, run_seconds

_ROUNDS = 15


def figures(directory: Path) -> list[Figure]:
    true = shutil.which("true")
    assert true is not None
    environment = {
        "DEPLOYTRAIL_HOME": str(directory / "trail"),
        "XDG_STATE_HOME": str(directory / "state"),
    }
    wrapped = [sys.executable, "-m", "deploytrail", "run", "--", true]
    run_seconds(wrapped, environment)
    added, memory = [], []
    for _ in range(_ROUNDS):
        added.append(run_seconds(wrapped, environment) - run_seconds([true], environment))
        with Path(os.devnull).open("w") as nowhere:
            memory.append(peak_mb(wrapped, output=nowhere.fileno(), environment=environment))
    milliseconds = statistics.median(added) * 1000
    return [
        Figure(name="wrapper.ms", value=round(milliseconds, 1), unit="ms", n=_ROUNDS),
        Figure(
            name="wrapper.rss_mb", value=round(statistics.median(memory), 1), unit="MB", n=_ROUNDS
        ),
    ]
