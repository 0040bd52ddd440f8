"""The real writer as a process that may be traced, killed and lied to.

Started once with the interpreter itself, it imports everything and then forks a child per order,
so that faults count from the first call of the scenario and an order costs milliseconds. Orders
come as JSON lines on standard input; standard output carries acknowledgements, written by writev,
which nobody injects faults into.

Lines out: `child PID`, then from the child `ack JSON` and `failed WHY`, then `done STATUS`.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from deploytrail.app import home as homes
from deploytrail.app.backups.backing_up import backup, source_of
from deploytrail.app.backups.restoring import restore
from deploytrail.app.doctor import clear_fence
from deploytrail.app.events.recording import Recorder
from deploytrail.app.exporting import export
from deploytrail.app.home import Home
from deploytrail.app.indexing import catch_up
from deploytrail.clock import SystemClock
from deploytrail.errors import DeploytrailError, Fenced
from deploytrail.event import Actor
from deploytrail.stores.sqlite.database import Guard
from deploytrail.stores.sqlite.keys import SqliteKeyring
from deploytrail.stores.sqlite.log import SqliteLog
from deploytrail.wrapper.spool_file import SpoolFile
from tests.crash.writing import (
    Place,
    accepted,
    as_line,
    deployment,
    recorded,
    recorded_by,
)

_PR_SET_PTRACER = 0x59616D61
_SECONDS_MAX = 30
_REFUSED = 3
WAIT_SECONDS = 0.02
"""Nobody else writes; a lock that fails is not waited for in vain."""


def say(word: str, text: str) -> None:
    os.writev(1, [f"{word} {text}\n".encode()])


def acknowledge(kind: str, octets: bytes) -> None:
    say(f"ack {kind}", octets.decode())


def append(place: Place) -> None:
    with place.open(wait_seconds_max=WAIT_SECONDS) as trail:
        acknowledge("receipt", as_line(recorded(trail, "one")[0]))


def batch(place: Place) -> None:
    with place.open(wait_seconds_max=WAIT_SECONDS) as trail:
        events = [deployment(f"batch-{at}") for at in range(30)]
        # The second batch repeats half of the first.
        for answer in (*trail.record(events[:20]), *trail.record(events[10:])):
            acknowledge("receipt", as_line(accepted(answer)))


def rollover(place: Place) -> None:
    """From 254 entries on: 255, 256, 257."""
    with place.open(wait_seconds_max=WAIT_SECONDS) as trail:
        for at in range(3):
            acknowledge("receipt", as_line(recorded(trail, f"over-{at}")[0]))


def publish(place: Place) -> None:
    with place.open(wait_seconds_max=WAIT_SECONDS) as trail:
        acknowledge("receipt", as_line(recorded(trail, "published")[0]))
        acknowledge("published", str(trail.publish().size).encode())


def init(place: Place) -> None:
    with place.open(create=True, wait_seconds_max=WAIT_SECONDS) as trail:
        acknowledge("origin", trail.origin.encode())
        acknowledge("receipt", as_line(recorded(trail, "very-first")[0]))


def checkpoint(place: Place) -> None:
    """A write-ahead log that is moved into the database before almost every commit."""
    home, clock = Home(place.home), SystemClock()
    guard = Guard(
        home.directory,
        wait_seconds_max=WAIT_SECONDS,
        wal_pages_passive=1,
        wal_pages_truncate=24,
    )
    store = SqliteLog(home.log, guard, clock)
    wrapping = homes.wrapping_key(home, place.environment)
    keyring = SqliteKeyring(home.keys, guard, clock, wrapping_key=wrapping)
    guard.settle(store, keyring)
    with store.reading() as reader:
        origin = reader.tree().origin
    recorder = Recorder(store, keyring, clock, origin=origin)
    for at in range(8):
        acknowledge("receipt", as_line(recorded_by(recorder, f"moved-{at}")[0]))
    store.close()
    keyring.close()
    guard.close()


def many(place: Place) -> None:
    """Until it is killed; tells the longest that it waited so far."""
    with place.open(wait_seconds_max=60) as trail:
        longest = 0.0
        for at in itertools.count():
            before = time.monotonic()
            receipt = recorded(trail, f"many-{os.getpid()}-{at}")[0]
            if time.monotonic() - before > longest:
                longest = time.monotonic() - before
                say("waited", f"{longest:.3f}")
            acknowledge("receipt", as_line(receipt))
            if at % 8 == 7:
                acknowledge("published", str(trail.publish().size).encode())


def publishing(place: Place) -> None:
    """Fifty times an entry and a checkpoint."""
    with place.open(wait_seconds_max=60) as trail:
        for at in range(50):
            acknowledge("receipt", as_line(recorded(trail, f"both-{os.getpid()}-{at}")[0]))
            acknowledge("published", str(trail.publish().size).encode())


def some(place: Place) -> None:
    """Twenty entries one by one, and a checkpoint."""
    with place.open(wait_seconds_max=60) as trail:
        for at in range(20):
            acknowledge("receipt", as_line(recorded(trail, f"some-{os.getpid()}-{at}")[0]))
        acknowledge("published", str(trail.publish().size).encode())


def fenced(place: Place) -> None:
    """The log's file is replaced below it, by an equal one."""
    home = Home(place.home)
    with place.open() as trail:
        shutil.copyfile(home.log, place.base / "copy")
        (place.base / "copy").rename(home.log)
        try:
            recorded(trail, "after")
        except Fenced as error:
            acknowledge("fence", str(error).encode())


def cleared(place: Place) -> None:
    bob = Actor(type="user", id="os:bob@build")
    receipt = clear_fence(place.home, actor=bob, reason="checked", environment=place.environment)
    acknowledge("receipt", as_line(receipt))


def exported(place: Place) -> None:
    with place.open() as trail:
        size = export(trail, place.base / "export.tar")
        acknowledge("export", str(size).encode())


def backed_up(place: Place) -> None:
    with place.open() as trail:
        done = backup(source_of(trail), place.base / "backup.tar", clock=SystemClock())
        acknowledge("backup", str(done.size).encode())


def restored(place: Place) -> None:
    done = restore(
        place.base / "backup.tar",
        place.home,
        key=place.base / "key",
        environment=place.environment,
    )
    acknowledge("restored", str(done.report.exit_code).encode())


def indexed(place: Place) -> None:
    """An index is made beside the log, and takes its place."""
    with place.open() as trail:
        catch_up(trail, SystemClock())
        with closing(trail.index()) as index:
            acknowledge("indexed", str(index.cursors().current).encode())


def put_aside(place: Place) -> None:
    """What could not be recorded."""
    spool = SpoolFile(place.home / "spool", run="run", clock=SystemClock())
    spool.stamped([deployment("unrecorded")], {})
    spool.write()
    acknowledge("spooled", spool.path.name.encode())


SCENARIOS: dict[str, Callable[[Place], None]] = {
    each.__name__: each
    for each in (
        append,
        batch,
        rollover,
        publish,
        init,
        checkpoint,
        many,
        publishing,
        some,
        fenced,
        cleared,
        exported,
        backed_up,
        restored,
        indexed,
        put_aside,
    )
}


def _child(scenario: str, place: Place, go: int) -> int:
    signal.alarm(_SECONDS_MAX)
    # A tracer that is not our parent is allowed where the system asks (prctl(2), Yama).
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(2**64 - 1), 0, 0, 0)
    # By readv, so that no fault of the scenario hits it.
    os.readv(go, [bytearray(1)])
    os.close(go)
    try:
        SCENARIOS[scenario](place)
    except DeploytrailError as error:
        say("failed", f"{type(error).__name__} {error}")
        return _REFUSED
    except Exception as error:  # noqa: BLE001 (an error that is not ours is what is looked for)
        say("crashed", repr(traceback.format_exception(error)[-3:]))
        return 1
    return 0


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        come, go = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(go)
            os._exit(_child(order["scenario"], Place(Path(order["place"])), come))
        os.close(come)
        say("child", str(child))
        sys.stdin.readline()
        # Whoever kills at random may have killed it by now.
        with suppress(BrokenPipeError):
            os.write(go, b"g")
        os.close(go)
        _, status = os.waitpid(child, 0)
        say("done", str(os.waitstatus_to_exitcode(status)))


if __name__ == "__main__":
    main()
