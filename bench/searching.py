"""How fast an index is filled and asked: `python -m bench.searching [--entries N] [--at DIR]`.

It is filled through `View.apply` by entries of `synthetic`, a year of them, and asked as a team
asks. Warm: each question with other values, again and again. Cold: nothing of the index is in
memory, neither ours nor the system's; one answer, then everything is dropped once more.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from bench import synthetic
from bench.figure import QUESTIONS, Figure
from deploytrail.index.contract import Match, Position, Searcher
from deploytrail.index.engine import SegmentedIndex
from deploytrail.index.part import Memory
from deploytrail.index.sqlite.shelf import SqliteShelf
from deploytrail.query.fields import BY_NAME
from deploytrail.query.tree import EVERYTHING, And, Between, Filter, Is, StartsWith, Words

_ROUNDS: Final = 40
_ROUNDS_COLD: Final = 6
_ENTRIES: Final = 10_000_000
_PAGE: Final = 50
_THOUSANDTH: Final = 1_000
_DAYS_US: Final = 86_400 * 1_000_000
_BARS: Final = 52


class _Samples(NamedTuple):
    """Values to ask for, taken from what is there."""

    actors: list[str]
    traces: list[str]
    targets: list[str]
    ids: list[str]
    newest: int
    positions: dict[str, Position]


Question = Callable[[Searcher, _Samples, random.Random], object]


def _search(
    searcher: Searcher, filter: Filter, *, after: Position | None = None, is_oldest: bool = False
) -> list[Match]:
    order = "oldest" if is_oldest else "newest"
    return searcher.search(filter, order=order, after=after, limit=_PAGE)  # type: ignore[arg-type]


def _is(field: str, value: str) -> Is:
    return Is(BY_NAME[field], value)


def _env(searcher: Searcher, _: _Samples, chance: random.Random) -> object:
    return _search(searcher, _is("env", chance.choice(("prod", "staging", "dev"))))


def _actor(searcher: Searcher, samples: _Samples, chance: random.Random) -> object:
    since = Between(BY_NAME["time"], samples.newest - 30 * _DAYS_US, None)
    return _search(searcher, And((_is("actor", chance.choice(samples.actors)), since)))


def _failed(searcher: Searcher, _: _Samples, chance: random.Random) -> object:
    project = chance.choice(("payments", "ledger", "search", "billing"))
    action = StartsWith(BY_NAME["action"], chance.choice(("build.", "resource.")))
    return _search(searcher, And((action, _is("outcome", "failure"), _is("project", project))))


def _trace(searcher: Searcher, samples: _Samples, chance: random.Random) -> object:
    return _search(searcher, _is("trace", chance.choice(samples.traces)), is_oldest=True)


def _target(searcher: Searcher, samples: _Samples, chance: random.Random) -> object:
    return _search(searcher, _is("target", chance.choice(samples.targets)))


def _rare(searcher: Searcher, samples: _Samples, chance: random.Random) -> object:
    # The name of one of five thousand.
    return _search(searcher, Words((chance.choice(samples.actors).rpartition("-")[2],)))


def _common(searcher: Searcher, _: _Samples, chance: random.Random) -> object:
    return _search(searcher, Words((chance.choice(("replica", "timeout", "connection")),)))


def _facets(searcher: Searcher, _: _Samples, chance: random.Random) -> object:
    fields = [BY_NAME[name] for name in ("action", "outcome", "project", "class", "actor.type")]
    env = _is("env", chance.choice(("prod", "staging", "dev")))
    return searcher.facets(env, fields, limit=20, resolve=tuple)


def _year(searcher: Searcher, _: _Samples, chance: random.Random) -> object:
    filter = chance.choice((EVERYTHING, _is("env", "prod"), _is("project", "payments")))

    def edges(low: int, high: int) -> list[int]:
        return [low + (high + 1 - low) * at // _BARS for at in range(_BARS + 1)]

    return searcher.histogram(filter, edges, resolve=tuple)


def _page(searcher: Searcher, samples: _Samples, chance: random.Random) -> object:
    env = chance.choice(list(samples.positions))
    return _search(searcher, _is("env", env), after=samples.positions[env])


def _id(searcher: Searcher, samples: _Samples, chance: random.Random) -> object:
    return _search(searcher, _is("id", chance.choice(samples.ids)))


_QUESTIONS: Final[dict[str, Question]] = dict(
    zip(
        QUESTIONS,
        (_env, _actor, _failed, _trace, _target, _rare, _common, _facets, _year, _page, _id),
        strict=True,
    )
)


def figures(directory: Path) -> Iterator[Figure]:
    """All of ten million entries."""
    yield from filled(directory, _ENTRIES)
    yield from asked(directory, _ENTRIES)


def filled(directory: Path, entries: int) -> Iterator[Figure]:
    """Fill an index, if it isn't there: its size, and how fast it took the entries in."""
    if (directory / "done").exists():
        return
    shutil.rmtree(directory, ignore_errors=True)
    SqliteShelf.create(directory, synthetic.ORIGIN)
    index = SegmentedIndex(SqliteShelf(directory, is_writer=True))
    seconds = 0.0
    for read in synthetic.reads(entries):
        started = time.perf_counter()
        index.apply(read)
        seconds += time.perf_counter() - started
    index.close()
    (directory / "done").touch()
    stored = sum(path.stat().st_size for path in directory.iterdir())
    yield Figure(name="index.follow", value=round(entries / seconds), unit="events/s", n=entries)
    yield Figure(
        name="index.bytes_per_event", value=round(stored / entries, 1), unit="B", n=entries
    )


def asked(directory: Path, entries: int) -> Iterator[Figure]:
    """The 95th percentile of each question, warm and cold."""
    size = "10m" if entries == _ENTRIES else f"{entries / 1e6:g}m"
    samples = _samples(directory, entries)
    index = SegmentedIndex(SqliteShelf(directory))
    for name, question in _QUESTIONS.items():
        chance = random.Random(name)
        taken = [_taken(index, question, samples, chance) for _ in range(_ROUNDS + 3)][3:]
        yield _figure(f"search.{size}.{name}.p95_ms", taken, entries)
    index.close()
    for name, question in _QUESTIONS.items():
        chance = random.Random(name)
        taken = [_cold(directory, question, samples, chance) for _ in range(_ROUNDS_COLD)]
        yield _figure(f"search_cold.{size}.{name}.p95_ms", taken, entries)


def _figure(name: str, taken: list[float], entries: int) -> Figure:
    taken.sort()
    p95 = taken[min(len(taken) - 1, round(0.95 * (len(taken) - 1) + 0.49))]
    return Figure(name=name, value=round(p95 * 1000, 2), unit="ms", n=entries)


def _taken(
    index: SegmentedIndex, question: Question, samples: _Samples, chance: random.Random
) -> float:
    started = time.perf_counter()
    with index.searching(lambda: None) as searcher:
        question(searcher, samples, chance)
    return time.perf_counter() - started


def _cold(directory: Path, question: Question, samples: _Samples, chance: random.Random) -> float:
    for path in directory.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
    started = time.perf_counter()
    index = SegmentedIndex(SqliteShelf(directory), Memory())
    _taken(index, question, samples, chance)
    seconds = time.perf_counter() - started
    index.close()
    return seconds


def _samples(directory: Path, entries: int) -> _Samples:
    traces, targets, ids = [], [], []
    for read in synthetic.reads(min(entries, 200_000)):
        for at, octets in enumerate(read.entries[::500]):
            fields = msgspec.json.decode(octets)
            ids.append(fields["id"])
            traces.append(fields["links"]["trace"])
            targets += [one["id"] for one in fields.get("targets", ()) if at % 3 == 0]
    index = SegmentedIndex(SqliteShelf(directory))
    positions = {}
    with index.searching(lambda: None) as searcher:
        actors = searcher.suggest(
            BY_NAME["actor"], "github:", scope=EVERYTHING, limit=400, resolve=tuple
        )[100:]
        newest = _search(searcher, EVERYTHING)[0].position.time
        for env in ("prod", "staging", "dev"):
            count = _PAGE * (_THOUSANDTH - 1)
            before = searcher.search(_is("env", env), order="newest", after=None, limit=count)
            positions[env] = before[-1].position
    index.close()
    return _Samples(actors, traces, targets, ids, newest, positions)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.searching", description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--at", type=Path, default=Path("build/searching"))
    arguments = parser.parse_args()
    directory = arguments.at / str(arguments.entries)
    directory.parent.mkdir(parents=True, exist_ok=True)
    for figures in (filled, asked):
        for figure in figures(directory, arguments.entries):
            print(f"{figure.name:48}{figure.value:12g} {figure.unit}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
