"""A figure: what was measured, of how much, beside which peer; and the machine that it was on.

Values, and the few measurements that every figure needs.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import apsw
from msgspec import Struct

from deploytrail.zstd import zstd

_PACKAGES: Final = ("deploytrail", "msgspec", "cryptography", "apsw")
_FSYNCS: Final = 200
QUESTIONS: Final = (
    "env_newest", "actor_30d", "action_outcome_project", "trace", "target_history", "word_rare",
    "word_common", "facets", "year", "page_1000", "id",
)  # fmt: skip
"""What an index is asked: newest of an environment, an actor in 30 days, failures of an action's
family in a project, one trace in order, a resource's history, a rare and a common word, facets, a
year's histogram, the thousandth page, one id."""

SOURCES: Final = (
    *("argocd", "cdevents", "cloudtrail", "github", "github-audit", "gitlab", "gitlab-audit"),
    *("hcp-terraform", "hcp-terraform-audit", "kubernetes", "opa", "otlp"),
)  # fmt: skip
"""Whose translation is measured, where they are installed and have samples."""


class Figure(Struct, frozen=True, kw_only=True):
    """`n` is how many things the value is about; peers do the same in the same run.

    `note` says under which circumstances: what else took processor time, what was refused.
    """

    name: str
    value: float
    unit: str
    n: int
    peers: dict[str, float] = {}
    note: str = ""


class Target(Struct, frozen=True):
    """What a figure is promised to reach: at least, or at most."""

    bound: float
    is_least: bool

    def is_met(self, value: float) -> bool:
        return value >= self.bound if self.is_least else value <= self.bound


TARGETS: Final = {
    "log.append.batch1000": Target(30_000, is_least=True),
    "log.append.10m_keys": Target(25_000, is_least=True),
    "log.append.single": Target(1_500, is_least=True),
    "log.verify": Target(300_000, is_least=True),
    "log.verify.rss_mb": Target(200, is_least=False),
    "log.open": Target(0.5, is_least=False),
    "log.bytes_per_event": Target(300, is_least=False),
    "wrapper.ms": Target(150, is_least=False),
    "wrapper.rss_mb": Target(60, is_least=False),
    "canonical.ratio": Target(5, is_least=True),
    "index.follow": Target(25_000, is_least=True),
    "index.rebuild.1m_s": Target(60, is_least=False),
    "index.bytes_per_event": Target(300, is_least=False),
    "http.burst": Target(20_000, is_least=True),
    "http.burst.caught_up_s": Target(60, is_least=False),
    "http.sustained": Target(10_000, is_least=True),
    "http.ingest.single": Target(2_000, is_least=True),
    "http.ack.p99_ms": Target(50, is_least=False),
    "search.fresh.p99_ms": Target(1_000, is_least=False),
    "tail.fresh.p99_ms": Target(500, is_least=False),
    "checkpoint.fresh.p99_ms": Target(2_000, is_least=False),
    "server.rss_mb": Target(512, is_least=False),
    "import.rate": Target(8_000, is_least=True),
    "import.rss_mb": Target(300, is_least=False),
    "server.start_s": Target(1.5, is_least=False),
    **{f"source.translate.{name}": Target(10_000, is_least=True) for name in SOURCES},
    **{f"search.10m.{name}.p95_ms": Target(50, is_least=False) for name in QUESTIONS},
    **{f"search_cold.10m.{name}.p95_ms": Target(500, is_least=False) for name in QUESTIONS},
}


def machine() -> dict[str, object]:
    cpu = "unknown"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n"):
        if line.startswith("model name"):
            cpu = line.partition(": ")[2]
            break
    return {
        "cpu": cpu,
        "cores": os.cpu_count() or 0,
        "system": f"{platform.system()} {platform.release()}",
        "load": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    found = {name: version(name) for name in _PACKAGES}
    python, sqlite = platform.python_version(), apsw.sqlite_lib_version()
    return found | {"python": python, "sqlite": sqlite, "zstd": zstd.zstd_version}


def fsync_ms(directory: Path) -> float:
    """The median of 200 times: append 4 KiB, fsync."""
    path = directory / "fsync"
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        taken = []
        for _ in range(_FSYNCS):
            os.write(file, b"x" * 4096)
            taken.append(seconds(lambda: os.fsync(file)))
    finally:
        os.close(file)
        path.unlink()
    return statistics.median(taken) * 1000


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def interleaved(works: Sequence[Callable[[], float]], *, rounds: int) -> list[float]:
    """The median of each work's own value over `rounds`; every other round goes backwards."""
    found: list[list[float]] = [[] for _ in works]
    for number in range(rounds):
        order = list(enumerate(works))
        for at, work in order if number % 2 == 0 else order[::-1]:
            found[at].append(work())
    return [statistics.median(each) for each in found]
