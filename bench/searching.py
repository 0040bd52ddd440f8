"""How fast an index is asked: `search.<size>.…` warm, `search_cold.<size>.…` from the disk.

Warm: each question with other values, again and again. Cold: nothing is in memory, neither ours
nor the system's, and the process is a new one; then everything is dropped once more.
`python -m bench.searching INDEX SAMPLES QUESTION SEED` is that process: it prints its seconds.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from bench.dataset import DataSet
from bench.figure import QUESTIONS, Figure
from bench.peers import Peer, forget_files
from bench.questions import ASKED, Samples, Values, samples
from deploytrail.index.engine import SegmentedIndex
from deploytrail.index.sqlite.shelf import SqliteShelf

_ROUNDS: Final = 40
_ROUNDS_COLD: Final = 8
_PEER_SECONDS: Final = 12
_PEER_ROUNDS_COLD: Final = 3
_PEER_COLD_SECONDS: Final = 8
"""After so many a peer is asked no more: of one question that takes long, one answer is enough."""


def figures(data: DataSet, wanted: Callable[[str], bool]) -> Iterator[Figure]:
    """The 95th percentile of each question that is wanted, warm and then cold."""
    index = SegmentedIndex(SqliteShelf(data.index))
    found = samples(data.directory / "samples.json", index, data.events)
    peers = data.peers()
    try:
        if wanted("index.bytes_per_event"):
            yield _bytes_per_event(data, peers)
        for question in QUESTIONS:
            name = f"search.{data.size}.{question}.p95_ms"
            if wanted(name):
                yield _warm(name, question, index, peers, found, data.events)
        index.close()
        for question in QUESTIONS:
            name = f"search_cold.{data.size}.{question}.p95_ms"
            if wanted(name):
                yield _cold(name, question, data, peers, found)
    finally:
        for peer in peers:
            peer.close()


def _bytes_per_event(data: DataSet, peers: list[Peer]) -> Figure:
    stored = sum(path.stat().st_size for path in data.index.iterdir())
    return Figure(
        name="index.bytes_per_event",
        value=round(stored / data.events, 1),
        unit="B/event",
        n=data.events,
        peers={peer.name: round(peer.bytes_stored() / data.events, 1) for peer in peers},
    )


def _warm(
    name: str,
    question: str,
    index: SegmentedIndex,
    peers: list[Peer],
    found: Samples,
    events: int,
) -> Figure:
    def ours(values: Values) -> None:
        with index.searching(lambda: None) as searcher:
            ASKED[question](searcher, values)

    value = _p95_ms(ours, question, found, rounds=_ROUNDS)
    beside = {}
    for peer in peers:
        asked = _asking(peer, question)
        beside[peer.name] = _p95_ms(
            asked, question, found, rounds=_ROUNDS, seconds_max=_PEER_SECONDS
        )
    return Figure(name=name, value=value, unit="ms", n=events, peers=beside)


def _asking(peer: Peer, question: str) -> Callable[[Values], object]:
    return lambda values: peer.ask(question, values)


def _p95_ms(
    ask: Callable[[Values], object],
    question: str,
    found: Samples,
    *,
    rounds: int,
    seconds_max: float = 600,
) -> float:
    """Of as many rounds as there is time for, the first of which warms."""
    chance = random.Random(question)
    taken: list[float] = []
    until = time.monotonic() + seconds_max
    while len(taken) < 2 or (len(taken) <= rounds and time.monotonic() < until):
        values = found.values(chance)
        started = time.perf_counter()
        ask(values)
        taken.append(time.perf_counter() - started)
    return _p95(taken[1:])


def _p95(taken: list[float]) -> float:
    ordered = sorted(taken)
    return round(1000 * ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 2)


def _cold(name: str, question: str, data: DataSet, peers: list[Peer], found: Samples) -> Figure:
    taken = []
    for seed in range(_ROUNDS_COLD):
        forget_files(data.index.iterdir())
        taken.append(_first_answer(data, question, seed))
    beside = {}
    for peer in peers:
        cold: list[float] = []
        chance = random.Random(question)
        until = time.monotonic() + _PEER_COLD_SECONDS
        while not cold or (len(cold) < _PEER_ROUNDS_COLD and time.monotonic() < until):
            peer.forget()
            values = found.values(chance)
            started = time.perf_counter()
            peer.ask(question, values)
            cold.append(time.perf_counter() - started)
        beside[peer.name] = _p95(cold)
    return Figure(name=name, value=_p95(taken), unit="ms", n=data.events, peers=beside)


def _first_answer(data: DataSet, question: str, seed: int) -> float:
    told = subprocess.run(
        [sys.executable, "-m", "bench.searching", str(data.index),
         str(data.directory / "samples.json"), question, str(seed)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return float(told.stdout)


def main(index: str, sampled: str, question: str, seed: str) -> int:
    found = msgspec.json.decode(Path(sampled).read_bytes(), type=Samples)
    values = found.values(random.Random(seed))
    started = time.perf_counter()
    opened = SegmentedIndex(SqliteShelf(Path(index)))
    with opened.searching(lambda: None) as searcher:
        ASKED[question](searcher, values)
    print(time.perf_counter() - started)
    opened.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
