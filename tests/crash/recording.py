"""A run of the real stores whose every write is recorded, and what it promised on the way.

The limits of the write-ahead logs are small here, so that both kinds of checkpoint come often.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

import apsw

from deploytrail.app import home as homes
from deploytrail.app.events.recording import Recorder
from deploytrail.app.home import Home
from deploytrail.clock import SystemClock
from deploytrail.log.publish import Publisher
from deploytrail.stores.sqlite.database import Guard
from deploytrail.stores.sqlite.keys import SqliteKeyring
from deploytrail.stores.sqlite.log import SqliteLog
from deploytrail.trail import Receipt
from tests.crash.crashing_vfs import CrashingVfs
from tests.crash.disk import Disk, File, State, states
from tests.crash.writing import Place, recorded_by

LOG: Final = ("log.db", "log.db-wal")
KEYS: Final = ("keys.db", "keys.db-wal")
FILES: Final = (*LOG, *KEYS)
NOW: Final = 1_800_000_000
_names = itertools.count()


class Promise(NamedTuple):
    """What somebody was told: a receipt, or that a checkpoint of a size was published."""

    receipts: Sequence[Receipt] = ()
    size: int = 0


class Workload(NamedTuple):
    """How a run behaves; drawn, so that no two long ones are alike."""

    rounds: int
    batch_max: int = 3
    publish_every: int = 4
    newcomer_every: int = 5
    wal_pages_passive: int = 12
    wal_pages_truncate: int = 40


def drawn_workload(rounds: int, seed: int) -> Workload:
    rng = random.Random(seed)
    passive = rng.randrange(4, 24)
    return Workload(
        rounds=rounds,
        batch_max=rng.randrange(1, 5),
        publish_every=rng.randrange(2, 7),
        newcomer_every=rng.randrange(2, 8),
        wal_pages_passive=passive,
        # As large as the other it is the only one that is reached.
        wal_pages_truncate=rng.choice((passive, 40)),
    )


class Recording(NamedTuple):
    """A run: the disk before it, the calls, and what was promised in order."""

    start: Disk
    vfs: CrashingVfs
    promises: list[Promise]

    def states(self, *, drawn: int, seed: int) -> Iterator[State]:
        return states(self.start, self.vfs.calls, drawn=drawn, seed=seed)


class Run:
    """A trail's stores over the recording VFS."""

    def __init__(
        self, place: Place, vfs: CrashingVfs, promises: list[Promise], workload: Workload
    ) -> None:
        home, clock = Home(place.home), SystemClock()
        self._vfs, self._promises = vfs, promises
        self._guard = Guard(
            home.directory,
            wal_pages_passive=workload.wal_pages_passive,
            wal_pages_truncate=workload.wal_pages_truncate,
        )
        self._store = SqliteLog(home.log, self._guard, clock, vfs=vfs.name)
        wrapping = homes.wrapping_key(home, place.environment)
        self._keyring = SqliteKeyring(
            home.keys, self._guard, clock, wrapping_key=wrapping, vfs=vfs.name
        )
        with self._store.reading() as reader:
            origin = reader.tree().origin
        self._recorder = Recorder(self._store, self._keyring, clock, origin=origin)
        signers = homes.signers(origin, self._keyring.secrets)
        self._publisher = Publisher(self._store, signers)

    def settle(self) -> None:
        self._guard.settle(self._store, self._keyring)

    def record(self, *deliveries: str, by: str = "alice") -> None:
        self._promise(Promise(receipts=recorded_by(self._recorder, *deliveries, by=by)))

    def publish(self, *, seconds: int) -> None:
        self._promise(Promise(size=self._publisher.publish(seconds=seconds).size))

    def work(self, workload: Workload) -> None:
        """Appends, batches and publishes; now and then by somebody who has no key yet."""
        person = 0
        for at in range(workload.rounds):
            person += at % workload.newcomer_every == 1
            parts = range(1 + at % workload.batch_max)
            self.record(*(f"lost-{at}-{part}" for part in parts), by=f"newcomer-{person}")
            if at % workload.publish_every == workload.publish_every - 1:
                self.publish(seconds=NOW + at)

    def close(self) -> None:
        # A file below another's lock may answer with an error; what counts is recorded.
        with suppress(apsw.Error):
            self._store.close()
        with suppress(apsw.Error):
            self._keyring.close()
        self._guard.close()

    def _promise(self, promise: Promise) -> None:
        self._promises.append(promise)
        self._vfs.told()


@contextmanager
def recording(
    place: Place,
    start: Disk,
    workload: Workload,
    *,
    deaf: frozenset[str] = frozenset(),
) -> Iterator[tuple[Run, Recording]]:
    vfs = CrashingVfs(f"crashing-{next(_names)}", deaf=deaf)
    promises: list[Promise] = []
    run = Run(place, vfs, promises, workload)
    try:
        yield run, Recording(start, vfs, promises)
    finally:
        run.close()
        vfs.unregister()


def disk_of(place: Place) -> Disk:
    """What lies there, taken for durable."""
    return {
        name: File((place.home / name).read_bytes() if (place.home / name).exists() else b"")
        for name in FILES
    }


def worked(place: Place, workload: Workload, *, deaf: frozenset[str] = frozenset()) -> Recording:
    """The recording of a whole workload."""
    with recording(place, disk_of(place), workload, deaf=deaf) as (run, recorded):
        run.settle()
        run.work(workload)
    return recorded
