"""What is searched: an index of so many entries, and if wanted the same events with the peers.

`python -m bench.dataset --at DIR [--events N] [--alone]` makes it, goes on where it was stopped,
and says how far it is. The index is fed through `View.apply`, without a log: appending ten million
events takes half an hour, and an index knows nothing of it.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench import synthetic
from bench.peers import DuckDb, Peer, Postgres, Sink
from bench.synthetic import ROUND, Replay
from deploytrail.index.engine import SegmentedIndex
from deploytrail.index.sqlite.shelf import SqliteShelf

EVENTS: Final = 10_000_000
DIRECTORY: Final = Path("build/bench-data")
_TOLD_SECONDS: Final = 20


class DataSet:
    """One size of it. The same size has the same events everywhere."""

    def __init__(self, directory: Path, events: int) -> None:
        self.events = events
        self.directory = directory / str(events)
        self.index = self.directory / "index"
        self.size = f"{events / 1e6:g}m"
        """As figures are named."""

    def peers(self) -> list[Peer]:
        """Whoever has all of the same events."""
        made: list[Peer] = []
        if (self.directory / "postgres" / "finished").exists():
            made.append(Postgres(self.directory / "postgres"))
        if (self.directory / "duckdb" / "finished").exists():
            made.append(DuckDb(self.directory / "duckdb"))
        return made

    def fill(self, *, is_alone: bool) -> None:
        """Make what is missing. `is_alone`: without peers."""
        self.directory.mkdir(parents=True, exist_ok=True)
        sinks: list[Sink] = [_Index(self.index)]
        try:
            if not is_alone:
                sinks += [
                    Postgres(self.directory / "postgres"), DuckDb(self.directory / "duckdb")
                ]  # fmt: skip
            self._fill([sink for sink in sinks if not sink.is_finished()])
        finally:
            for sink in sinks:
                sink.close()

    def _fill(self, sinks: Sequence[Sink]) -> None:
        cursors = [sink.cursor() for sink in sinks]
        first = min(cursors, default=self.events) // ROUND
        rounds = range(first, -(-self.events // ROUND))
        started = told = time.monotonic()
        for replay in synthetic.replays(self.events, rounds):
            for sink, cursor in zip(sinks, cursors, strict=True):
                if cursor < replay.until:
                    sink.take(replay)
            if time.monotonic() - told > _TOLD_SECONDS:
                told = time.monotonic()
                per_second = (replay.until - first * ROUND) / (told - started)
                left = (self.events - replay.until) / per_second
                print(
                    f"  {replay.until:,} of {self.events:,} events, {per_second:,.0f}/s, "
                    f"{left / 60:.0f} minutes left",
                    flush=True,
                )
        for sink in sinks:
            print(f"  finishing {sink.name}", flush=True)
            sink.finish()


class _Index:
    """Ours, filled as the peers are."""

    name = "the index"

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        if not (directory / "created").exists():
            SqliteShelf.create(directory, synthetic.ORIGIN)
            (directory / "created").touch()
        self._index = SegmentedIndex(SqliteShelf(directory, is_writer=True))

    def cursor(self) -> int:
        return self._index.cursor()

    def take(self, replay: Replay) -> None:
        cursor = self._index.cursor()
        for read in replay.reads:
            # Stopped within a round, it goes on within it.
            if read.first >= cursor:
                self._index.apply(read)

    def finish(self) -> None:
        self._index.close()
        (self._directory / "finished").touch()
        self._index = SegmentedIndex(SqliteShelf(self._directory))

    def is_finished(self) -> bool:
        return (self._directory / "finished").exists()

    def close(self) -> None:
        self._index.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.dataset", description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--at", type=Path, default=DIRECTORY)
    parser.add_argument("--alone", action="store_true", help="without PostgreSQL and DuckDB")
    arguments = parser.parse_args()
    # As the process that follows does it: entries are many objects, none of them in cycles.
    gc.disable()
    DataSet(arguments.at, arguments.events).fill(is_alone=arguments.alone)
    return 0


if __name__ == "__main__":
    sys.exit(main())
