"""`python -m bench [--only PREFIX] [--entries N]`: the figures, as a table and build/bench.json."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec

from bench import appending, canonicalising, postgres, reading, searching, wrapping
from bench.figure import TARGETS, Figure, fsync_ms, machine, versions

_BUILD = Path("build")
_ENTRIES = 1_000_000


def main() -> int:
    arguments = _arguments()
    names = [name for name in TARGETS if name.startswith(arguments.only)]
    if not names:
        print(f"bench: expected a prefix of {', '.join(TARGETS)}", file=sys.stderr)
        return 2
    _BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_BUILD, prefix="bench-") as made:
        directory = Path(made).resolve()
        latency = fsync_ms(directory)
        figures = []
        for figure in _measured(names, directory, arguments.entries):
            if figure.name in names:
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
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", default="", metavar="PREFIX", help="figures so named")
    parser.add_argument(
        "--entries", type=int, default=_ENTRIES, help="of the log that is verified and opened"
    )
    return parser.parse_args()


def _measured(names: list[str], directory: Path, entries: int) -> Iterator[Figure]:
    """Figures in an order that shares what is costly to make; some come in twos."""
    if "canonical.ratio" in names:
        yield canonicalising.ratio()
    if any(name.startswith("wrapper.") for name in names):
        yield from wrapping.figures(directory / "wrapper")
    beside = {
        "log.append.batch1000": appending.batch1000,
        "log.append.10m_keys": appending.many_keys,
        "log.append.single": appending.single,
        "log.bytes_per_event": appending.bytes_per_event,
    }
    with ExitStack() as stack:
        wanted = [measure for name, measure in beside.items() if name in names]
        uri = stack.enter_context(postgres.server(directory / "postgres")) if wanted else ""
        for measure in wanted:
            yield measure(directory, uri)
    if any(name.startswith(("index.", "search")) for name in names):
        yield from searching.figures(directory / "index")
    if any(name.startswith(("log.verify", "log.open")) for name in names):
        trail = appending.filled(directory / "filled", entries)
        yield reading.opening(trail, entries)
        yield from reading.verify(trail, entries)


def _row(figure: Figure) -> str:
    target = TARGETS[figure.name]
    bound = f"{'≥' if target.is_least else '≤'} {target.bound:g}"
    verdict = "reached" if target.is_met(figure.value) else "MISSED"
    peer = f"{figure.peer}: {figure.peer_value:g}" if figure.peer_value is not None else ""
    value = f"{figure.value:g} {figure.unit}"
    return f"{figure.name:44}{value:28}{bound:12}{verdict:9}{peer}"


if __name__ == "__main__":
    sys.exit(main())
