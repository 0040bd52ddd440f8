"""The power goes at any moment: every disk that may be left holds what was acknowledged.

SQLite's own writes are recorded through a VFS, the disks are built from the record, and each is
opened with SQLite as it is and checked by the oracle. Syncs of names and small files are not
SQLite's: `test_names.py` looks at these.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import apsw
import pytest

from deploytrail.app import home as homes
from deploytrail.app.home import Home
from deploytrail.app.recording import Recorder
from deploytrail.clock import SystemClock
from deploytrail.log.publish import Publisher
from deploytrail.stores.sqlite.database import Guard
from deploytrail.stores.sqlite.keys import SqliteKeyring
from deploytrail.stores.sqlite.log import SqliteLog
from deploytrail.trail import Receipt
from tests.conftest import ROOT
from tests.crash import oracle
from tests.crash.crashing_vfs import CrashingVfs
from tests.crash.disk import Disk, File, State, Sync, after, states
from tests.crash.form import SEED, chosen
from tests.crash.mutants import OF_COMMITS, mutated
from tests.crash.writing import Place, filled, recorded_by, scratch_directory

FILES = ("log.db", "log.db-wal")
_names = itertools.count()


class Promise(NamedTuple):
    """What somebody was told: a receipt, or that a checkpoint of a size was published."""

    receipts: Sequence[Receipt] = ()
    size: int = 0


class Recording(NamedTuple):
    """A run: the disk before it, the calls, and what was promised in order."""

    start: Disk
    vfs: CrashingVfs
    promises: list[Promise]

    def states(self, *, drawn: int, seed: int = SEED) -> Iterator[State]:
        return states(self.start, self.vfs.calls, drawn=drawn, seed=seed)


class Run:
    """A trail's stores over the recording VFS, with small limits of the write-ahead log."""

    def __init__(self, place: Place, vfs: CrashingVfs, promises: list[Promise]) -> None:
        home, clock = Home(place.home), SystemClock()
        self._vfs, self._promises = vfs, promises
        self._guard = Guard(home.directory, wal_pages_passive=12, wal_pages_truncate=40)
        self._store = SqliteLog(home.log, self._guard, clock, vfs=vfs.name)
        wrapping = homes.wrapping_key(home, place.environment)
        self._keyring = SqliteKeyring(home.keys, self._guard, clock, wrapping_key=wrapping)
        with self._store.reading() as reader:
            origin = reader.tree().origin
        self._recorder = Recorder(self._store, self._keyring, clock, origin=origin)
        signers = homes.signers(origin, self._keyring.secrets)
        self._publisher = Publisher(self._store, signers)

    def settle(self) -> None:
        self._store.sync_all()
        self._guard.settle()

    def record(self, *deliveries: str) -> None:
        self._promise(Promise(receipts=recorded_by(self._recorder, *deliveries)))

    def publish(self, *, seconds: int) -> None:
        self._promise(Promise(size=self._publisher.publish(seconds=seconds).size))

    def close(self) -> None:
        # A file below another's lock may answer with an error; what counts is recorded.
        with suppress(apsw.Error):
            self._store.close()
        self._keyring.close()
        self._guard.close()

    def _promise(self, promise: Promise) -> None:
        self._promises.append(promise)
        self._vfs.told()


@contextmanager
def recording(
    place: Place, start: Disk, promises: list[Promise], *, deaf: frozenset[str] = frozenset()
) -> Iterator[tuple[Run, Recording]]:
    vfs = CrashingVfs(f"crashing-{next(_names)}", deaf=deaf)
    run = Run(place, vfs, promises)
    try:
        yield run, Recording(start, vfs, promises)
    finally:
        run.close()
        vfs.unregister()


@pytest.fixture
def place() -> Iterator[Place]:
    with scratch_directory() as path:
        yield Place(path)


def disk_of(place: Place) -> Disk:
    """What lies there, taken for durable."""
    return {
        name: File((place.home / name).read_bytes() if (place.home / name).exists() else b"")
        for name in FILES
    }


def appended(place: Place, count: int, *, deaf: frozenset[str] = frozenset()) -> Recording:
    """Appends, batches and publishes, with both kinds of checkpoint of the write-ahead log."""
    promises: list[Promise] = []
    with recording(place, disk_of(place), promises, deaf=deaf) as (run, recorded):
        run.settle()
        for at in range(count):
            run.record(*(f"lost-{at}-{part}" for part in range(1 + at % 3)))
            if at % 4 == 3:
                run.publish(seconds=1_800_000_000 + at)
    return recorded


class Checker:
    """Opens disks and asks the oracle; a disk that was seen before is opened once."""

    def __init__(self, place: Place) -> None:
        self._path = place.base / "state.db"
        self._seen: dict[int, int] = {}
        self.generated = 0

    @property
    def distinct(self) -> int:
        return len(self._seen)

    def check(self, state: State, promises: Sequence[Promise]) -> None:
        self.generated += 1
        key = hash(tuple(state.files[name] for name in FILES))
        if self._seen.get(key, -1) >= state.told:
            return
        self._seen[key] = state.told
        for name, suffix in zip(FILES, ("", "-wal"), strict=True):
            Path(f"{self._path}{suffix}").write_bytes(state.files[name])
        connection = apsw.Connection(str(self._path))
        try:
            connection.pragma("locking_mode", "EXCLUSIVE")
            told = promises[: state.told]
            receipts = [receipt for promise in told for receipt in promise.receipts]
            found = oracle.of_connection(connection, receipts)
            published = max((promise.size for promise in told), default=0)
            oracle.expect(published <= max(found.published, default=0), f"lost: {published}")
        finally:
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            connection.close()


def check_all(
    place: Place, recorded: Recording, *, drawn: int, most: int, seed: int = SEED
) -> Checker:
    checker = Checker(place)
    for state in recorded.states(drawn=drawn, seed=seed):
        checker.check(state, recorded.promises)
        if checker.distinct >= most:
            break
    return checker


@pytest.mark.parametrize("run", range(chosen(1, 8)))
def test_a_power_loss_keeps_everything_acknowledged(place: Place, run: int) -> None:
    filled(place, 3)
    recorded = appended(place, chosen(16, 60))
    checker = check_all(
        place, recorded, drawn=chosen(6, 80), most=chosen(3_000, 100_000), seed=SEED + run
    )
    print(f"append: {checker.distinct} distinct disks of {checker.generated}")
    assert checker.distinct > chosen(500, 13_000)


def test_a_power_loss_at_a_rollover_keeps_everything_acknowledged(place: Place) -> None:
    filled(place, 250, published_at=(1,))
    recorded = appended(place, chosen(6, 12))
    checker = check_all(place, recorded, drawn=chosen(4, 40), most=chosen(600, 20_000))
    print(f"rollover: {checker.distinct} distinct disks of {checker.generated}")
    assert checker.distinct > chosen(200, 1_000)


@pytest.mark.parametrize("ending", ["-wal", ".db"])
def test_lost_syncs_of_one_kind_of_file_are_noticed(place: Place, ending: str) -> None:
    filled(place, 3)
    recorded = appended(place, 30, deaf=frozenset({ending}))
    with pytest.raises(oracle.Broken):
        check_all(place, recorded, drawn=4, most=5_000)


@pytest.mark.parametrize("broken", OF_COMMITS)
def test_a_sync_of_ours_that_is_left_out_is_noticed(broken: str, tmp_path: Path) -> None:
    source = mutated(OF_COMMITS[broken], tmp_path / "source")
    environment = {**os.environ, "PYTHONPATH": str(source), "DEPLOYTRAIL_CRASH": ""}
    # Without a sync there is no last one, before which the publisher could be killed.
    which = "power_loss_keeps" + ("" if "synchronous" in broken else " or killed_publisher")
    run = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist",
            f"--basetemp={tmp_path / 'base'}", "-k", which,
            str(Path(__file__)),
        ],
        env=environment, cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 1, run.stdout
    assert "Broken: lost" in run.stdout


def test_what_a_killed_publisher_left_is_synced_before_it_is_vouched_for(place: Place) -> None:
    """Killed between write and sync: the checkpoint shows, and the power may still take it."""
    filled(place, 3)
    first: list[Promise] = []
    with recording(place, disk_of(place), first) as (run, killed):
        run.settle()
        run.record("one")
        run.publish(seconds=1_800_000_000)
    last_sync = max(
        at for at, call in enumerate(killed.vfs.calls)
        if isinstance(call.what, Sync) and call.file == "log.db-wal"
    )  # fmt: skip
    disk = killed.start
    for call in killed.vfs.calls[:last_sync]:
        disk = after(disk, call)
    for name, file in disk.items():
        (place.home / name).write_bytes(file.seen)
    (place.home / "log.db-shm").unlink(missing_ok=True)
    promises: list[Promise] = []
    with recording(place, disk, promises) as (run, recorded):
        run.settle()
        run.publish(seconds=1_800_000_001)
    check_all(place, recorded, drawn=8, most=5_000)
