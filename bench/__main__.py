"""`python -m bench [--only PREFIX,…]`: the figures, as a table and build/bench.json.

What is searched is made once and kept, in `--data` or DEPLOYTRAIL_BENCH_DATA: ten million events,
with PostgreSQL and DuckDB some 30 GB. With `--docs`, the tables of docs/performance.md are
written anew as far as their figures were measured.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec

from bench import (
    appending,
    canonicalising,
    following,
    importing,
    postgres,
    reading,
    searching,
    serving,
    starting,
    tables,
    translating,
    wrapping,
)
from bench.dataset import DIRECTORY, EVENTS, DataSet
from bench.figure import TARGETS, Figure, fsync_ms, machine, versions

_BUILD = Path("build")
_ENTRIES = 1_000_000
_SIZES = (100_000, 1_000_000)
"""Smaller ones that are searched as well, to see how a question grows."""
Wanted = Callable[[str], bool]


def main() -> int:
    arguments = _arguments()
    prefixes = tuple(arguments.only.split(","))

    def wanted(name: str) -> bool:
        return name.startswith(prefixes)

    if not any(map(wanted, TARGETS)):
        print(f"bench: expected prefixes of {', '.join(TARGETS)}", file=sys.stderr)
        return 2
    _BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_BUILD, prefix="bench-") as made:
        directory = Path(made).resolve()
        latency = fsync_ms(directory)
        figures = []
        for figure in _measured(wanted, directory, arguments):
            if wanted(figure.name) or figure.name not in TARGETS:
                figures.append(figure)
                print(_row(figure), flush=True)
    result = {
        "machine": machine(),
        "versions": versions(),
        "fsync_ms": round(latency, 3),
        "figures": figures,
    }
    text = msgspec.json.format(msgspec.json.encode(result), indent=2)
    (_BUILD / "bench.json").write_bytes(text + b"\n")
    print(f"fsync {latency:.2f} ms; written to {_BUILD / 'bench.json'}")
    if arguments.docs:
        tables.write(figures)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", default="", metavar="PREFIX,…", help="figures so named")
    parser.add_argument(
        "--entries", type=int, default=_ENTRIES, help="of the log that is verified and followed"
    )
    parser.add_argument("--import-mb", type=int, default=1_000, help="of files that are imported")
    parser.add_argument("--events", type=int, default=EVENTS, help="that are searched")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("DEPLOYTRAIL_BENCH_DATA", DIRECTORY)),
        help="where these are kept",
    )
    parser.add_argument("--alone", action="store_true", help="search without the peers")
    parser.add_argument("--docs", action="store_true", help="write docs/performance.md")
    return parser.parse_args()


def _measured(wanted: Wanted, directory: Path, arguments: argparse.Namespace) -> Iterator[Figure]:
    """Figures in an order that shares what is costly to make; some come in twos."""
    if wanted("canonical.ratio"):
        yield canonicalising.ratio()
    if any(map(wanted, ("wrapper.ms", "wrapper.rss_mb"))):
        yield from wrapping.figures(directory / "wrapper")
    yield from _taken_in(wanted, directory, arguments.import_mb)
    yield from _appended(wanted, directory)
    yield from serving.figures(directory / "server", arguments.data / "bodies", wanted)
    if any(map(wanted, _OF_A_LOG)):
        trail = appending.filled(directory / "filled", arguments.entries)
        if any(map(wanted, _OF_A_LOG[:3])):
            yield reading.opening(trail, arguments.entries)
            yield from reading.verify(trail, arguments.entries)
        if any(map(wanted, _OF_A_LOG[3:])):
            yield from following.figures(trail, arguments.entries)
    if any(name.startswith(_OF_AN_INDEX) for name in filter(wanted, TARGETS)):
        yield from _searched(wanted, arguments)


def _taken_in(wanted: Wanted, directory: Path, size_mb: int) -> Iterator[Figure]:
    for name in filter(wanted, translating.names()):
        yield translating.figure(name)
    if any(map(wanted, ("import.rate", "import.rss_mb"))):
        yield from importing.figures(directory / "import", size_mb=size_mb)
    if wanted("server.start_s"):
        yield starting.figure(directory / "start")


_OF_A_LOG = ("log.open", "log.verify", "log.verify.rss_mb", "index.follow", "index.rebuild.1m_s")
_OF_AN_INDEX = ("index.bytes", "search.10m.", "search_cold.10m.")


def _appended(wanted: Wanted, directory: Path) -> Iterator[Figure]:
    """Beside PostgreSQL, in turns."""
    beside = {
        "log.append.batch1000": appending.batch1000,
        "log.append.10m_keys": appending.many_keys,
        "log.append.single": appending.single,
        "log.bytes_per_event": appending.bytes_per_event,
    }
    measures = [measure for name, measure in beside.items() if wanted(name)]
    with ExitStack() as stack:
        uri = stack.enter_context(postgres.server(directory / "postgres")) if measures else ""
        for measure in measures:
            yield measure(directory, uri)


def _searched(wanted: Wanted, arguments: argparse.Namespace) -> Iterator[Figure]:
    """The smaller ones are ours alone, warm: what is promised is promised of the largest."""
    is_asked = any(name.startswith("search.10m.") for name in filter(wanted, TARGETS))
    for events in sorted({*(_SIZES if is_asked else ()), arguments.events}):
        data = DataSet(arguments.data, events)
        print(f"  {events:,} events in {data.directory}", flush=True)
        is_small = events != arguments.events
        data.fill(is_alone=arguments.alone or is_small)
        yield from searching.figures(data, _is_wanted(wanted, data.size, is_small=is_small))


def _is_wanted(wanted: Wanted, size: str, *, is_small: bool) -> Wanted:
    """Sizes that nobody was promised are asked for by the names of the one that was."""

    def is_wanted(name: str) -> bool:
        promised = name.replace(f".{size}.", ".10m.")
        return wanted(promised) and (name.startswith("search.") or not is_small)

    return is_wanted


def _row(figure: Figure) -> str:
    target = TARGETS.get(figure.name)
    bound = verdict = ""
    if target is not None:
        bound = f"{'≥' if target.is_least else '≤'} {target.bound:g}"
        verdict = "reached" if target.is_met(figure.value) else "MISSED"
    peers = "; ".join(f"{name}: {value:g}" for name, value in figure.peers.items())
    value = f"{figure.value:g} {figure.unit}"
    beside = "; ".join(filter(None, (peers, figure.note)))
    return f"{figure.name:46}{value:22}{bound:9}{verdict:9}{beside}"


if __name__ == "__main__":
    sys.exit(main())
