"""Verify and open: how fast, in how much memory. Each in a process of its own, as a user's is."""

from __future__ import annotations

import os
import statistics
import sys
from pathlib import Path

from bench.figure import Figure, seconds

_ROUNDS = 3
_VERIFY = """
import sys, time
from pathlib import Path
from deploytrail.app.verifying import verify
start = time.process_time()
report = verify(Path(sys.argv[1]), environment={"XDG_STATE_HOME": sys.argv[2]})
assert report.exit_code == 0, report
print(time.process_time() - start)
"""
_OPEN = """
import sys, time
from pathlib import Path
from deploytrail.app.trails.directory import open_directory
start = time.perf_counter()
trail = open_directory(Path(sys.argv[1]), create=False, environment={"XDG_STATE_HOME": sys.argv[2]})
size = trail.size()
print(time.perf_counter() - start)
trail.close()
"""


def verify(trail: Path, entries: int) -> list[Figure]:
    """`log.verify` counts the processor's seconds, whatever the machine does besides."""
    found = [_told(_VERIFY, trail) for _ in range(_ROUNDS)]
    taken = statistics.median(told for told, _ in found)
    memory = statistics.median(rss for _, rss in found)
    return [
        Figure(
            name="log.verify", value=round(entries / taken), unit="entries/s per core", n=entries
        ),
        Figure(name="log.verify.rss_mb", value=round(memory, 1), unit="MB", n=entries),
    ]


def opening(trail: Path, entries: int) -> Figure:
    taken = statistics.median(_told(_OPEN, trail)[0] for _ in range(2 * _ROUNDS - 1))
    return Figure(name="log.open", value=round(taken, 4), unit="s", n=entries)


def _told(program: str, trail: Path) -> tuple[float, float]:
    """The number that a Python program prints, and its largest memory in MB."""
    reading, writing = os.pipe()
    argv = [sys.executable, "-c", program, str(trail / "trail"), str(trail / "state")]
    rss = peak_mb(argv, output=writing)
    os.close(writing)
    with os.fdopen(reading) as told:
        return float(told.read()), rss


# Between the two stands a small process: Linux counts to a program what its parent had in memory
# when it was started.
_STARTED = """
import os, sys
child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
os.write(int(sys.argv[1]), b"%d" % usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def peak_mb(argv: list[str], *, output: int, environment: dict[str, str] | None = None) -> float:
    """Run a program to its end; the largest memory it had. Raises where it fails."""
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    starter = [sys.executable, "-I", "-S", "-c", _STARTED, str(writing), *argv]
    actions = [(os.POSIX_SPAWN_DUP2, output, 1)]
    whole = os.environ | (environment or {})
    child = os.posix_spawn(starter[0], starter, whole, file_actions=actions)
    os.close(writing)
    with os.fdopen(reading) as told:
        kilobytes = told.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise RuntimeError(f"{argv[:3]}: expected exit code 0, found status {status}")
    return int(kilobytes) / 1024


def run_seconds(argv: list[str], environment: dict[str, str]) -> float:
    with Path(os.devnull).open("w") as nowhere:
        return seconds(lambda: peak_mb(argv, output=nowhere.fileno(), environment=environment))
