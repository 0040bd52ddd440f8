"""Append: from JSON bytes to receipts, durable, in one process; PostgreSQL beside it, in turns.

A fresh trail takes 5,000 events before it is measured, as each actor's first event makes keys.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path

import apsw

from bench import postgres, typical
from bench.figure import Figure, interleaved
from bench.typical import Deliveries
from deploytrail.app.trails.directory import DirectoryTrail, open_directory

_BATCH = 1_000
_BATCHES_PER_ROUND = 10
_ROUNDS = 5
_WARMING = 5_000
_SINGLES_PER_ROUND = 200
_KEYS = 10_000_000

# One statement for all: the keys come sorted, as fast as SQLite can write a table.
_PRELOAD = """
WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < ?)
INSERT INTO delivery SELECT randomblob(16) AS key, n, x'00' FROM counted ORDER BY key
"""


def batch1000(directory: Path, uri: str) -> Figure:
    return _batches("log.append.batch1000", directory, uri, keys=0)


def many_keys(directory: Path, uri: str) -> Figure:
    """10 M random delivery keys are there before; time-ordered ones are appended.

    They are written straight into the table of deliveries: no event of theirs is in the log.
    """
    return _batches("log.append.10m_keys", directory, uri, keys=_KEYS)


def single(directory: Path, uri: str) -> Figure:
    """One event, one commit, one receipt."""
    trail = _trail(directory / "single", keys=0)
    with trail, postgres.table(uri, "single") as table:
        mine, its = _posted(seed=11), _posted(seed=12)

        def ours() -> float:
            events = list(islice(mine, _SINGLES_PER_ROUND))
            return _per_second([[event] for event in events], lambda one: _append(trail, one))

        def theirs() -> float:
            events = list(islice(its, _SINGLES_PER_ROUND))
            return _per_second([[event] for event in events], table.append)

        value, peer = interleaved([ours, theirs], rounds=_ROUNDS)
    n = _ROUNDS * _SINGLES_PER_ROUND
    return _figure("log.append.single", value, n, uri, peer)


def bytes_per_event(directory: Path, uri: str, *, events: int = 100_000) -> Figure:
    """`log.db` and `keys.db` after everything is published and checkpointed, by events."""
    trail = _trail(directory / "bytes", keys=0)
    with trail:
        _fill(trail, typical.events(events - _WARMING, seed=21))
        trail.publish()
        trail.store.sync_all()
        trail.keyring.sync_all()
        stored = sum((trail.home.directory / f).stat().st_size for f in ("log.db", "keys.db"))
    with postgres.table(uri, "bytes") as table:
        peers = events // 5
        for batch in _in_batches(typical.events(peers, seed=21)):
            table.append(batch)
        peer = table.bytes_stored() / peers
    return Figure(
        name="log.bytes_per_event",
        value=round(stored / events, 1),
        unit="B/event",
        n=events,
        peers={postgres.name(uri): round(peer, 1)},
    )


def filled(directory: Path, entries: int) -> Path:
    """A published trail of typical events; `directory` where it lies."""
    with _trail(directory, keys=0) as trail:
        _fill(trail, typical.events(entries - _WARMING, seed=31))
        trail.publish()
    return directory


def _batches(name: str, directory: Path, uri: str, *, keys: int) -> Figure:
    trail = _trail(directory / name, keys=keys)
    with trail, postgres.table(uri, name) as table:
        if keys:
            table.preload(keys)
        mine, its = _posted(seed=11), _posted(seed=12)

        def ours() -> float:
            batches = list(_in_batches(islice(mine, _BATCH * _BATCHES_PER_ROUND)))
            return _per_second(batches, lambda batch: _append(trail, batch))

        def theirs() -> float:
            batches = list(_in_batches(islice(its, _BATCH * _BATCHES_PER_ROUND)))
            return _per_second(batches, table.append)

        value, peer = interleaved([ours, theirs], rounds=_ROUNDS)
    return _figure(name, value, _ROUNDS * _BATCHES_PER_ROUND * _BATCH, uri, peer)


def _per_second(batches: list[list[bytes]], append: Callable[[list[bytes]], None]) -> float:
    start = time.perf_counter()
    for batch in batches:
        append(batch)
    return sum(map(len, batches)) / (time.perf_counter() - start)


def _figure(name: str, value: float, n: int, uri: str, peer: float) -> Figure:
    return Figure(
        name=name,
        value=round(value),
        unit="events/s",
        n=n,
        peers={postgres.name(uri): round(peer)},
    )


def _trail(directory: Path, *, keys: int) -> DirectoryTrail:
    environment = {"XDG_STATE_HOME": str(directory / "state")}
    home = directory / "trail"
    if keys:
        open_directory(home, environment=environment).close()
        _preload(home / "log.db", keys)
    trail = open_directory(home, environment=environment)
    _fill(trail, typical.events(_WARMING, seed=1))
    return trail


def _preload(database: Path, keys: int) -> None:
    connection = apsw.Connection(str(database))
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(_PRELOAD, (keys,))
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    connection.close()


def _posted(*, seed: int, deliveries: Deliveries = "ordered") -> Iterator[bytes]:
    """Events without end."""
    for more in count():
        yield from typical.events(100_000, seed=seed + 100 * more, deliveries=deliveries)


def _fill(trail: DirectoryTrail, events: Iterator[bytes]) -> None:
    for batch in _in_batches(events):
        _append(trail, batch)


def _in_batches(events: Iterator[bytes]) -> Iterator[list[bytes]]:
    while batch := list(islice(events, _BATCH)):
        yield batch


def _append(trail: DirectoryTrail, batch: list[bytes]) -> None:
    for answer in trail.record_json(batch):
        if isinstance(answer, Exception):
            raise answer
