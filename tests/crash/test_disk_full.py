"""A disk runs full, is freed, and the log goes on with the next index."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import apsw
import pytest

from deploytrail.app import home as homes
from deploytrail.app.events.recording import Recorder
from deploytrail.app.home import Home
from deploytrail.clock import SystemClock
from deploytrail.errors import DiskFull
from deploytrail.stores.sqlite.database import Guard
from deploytrail.stores.sqlite.keys import SqliteKeyring
from deploytrail.stores.sqlite.log import SqliteLog
from deploytrail.trail import Receipt
from tests.crash import oracle
from tests.crash.writing import Place, filled, recorded, recorded_by


class FullVfs(apsw.VFS):
    """A disk with `room` bytes left for what is written; half of a write that doesn't fit lands."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.room = 1 << 40
        super().__init__(name, "")

    def xOpen(  # noqa: N802 (SQLite's name)
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        return _FullFile(self, name, flags)


class _FullFile(apsw.VFSFile):
    def __init__(self, vfs: FullVfs, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._vfs = vfs
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 (SQLite's name)
        if len(data) > self._vfs.room:
            super().xWrite(data[: len(data) // 2], offset)
            raise apsw.FullError("no room")
        self._vfs.room -= len(data)
        super().xWrite(data, offset)


@pytest.fixture
def vfs() -> Iterator[FullVfs]:
    made = FullVfs("full")
    yield made
    made.unregister()


@pytest.mark.parametrize("room", [0, 20, 100, 9_000, 20_000, 30_000])
def test_a_full_disk_that_is_freed_goes_on_with_the_next_index(
    tmp_path: Path, vfs: FullVfs, room: int
) -> None:
    place = Place(tmp_path / "place")
    receipts = filled(place, 250)
    home, clock = Home(place.home), SystemClock()
    guard = Guard(home.directory, wal_pages_passive=4, wal_pages_truncate=16)
    store = SqliteLog(home.log, guard, clock, vfs=vfs.name)
    wrapping = homes.wrapping_key(home, place.environment)
    keyring = SqliteKeyring(home.keys, guard, clock, wrapping_key=wrapping)
    guard.settle()
    recorder = Recorder(store, keyring, clock, origin=receipts[0].origin)
    receipts += recorded_by(recorder, "before")
    vfs.room = room
    receipts += _until_full(lambda *deliveries: recorded_by(recorder, *deliveries))
    with pytest.raises(DiskFull):
        recorded_by(recorder, *(f"more-{at}" for at in range(40)))
    vfs.room = 1 << 40
    receipts += [one for at in range(8) for one in recorded_by(recorder, f"after-{at}")]
    with suppress(apsw.Error):
        store.close()
    keyring.close()
    guard.close()
    _check(home, receipts)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real one of 2 MB, where root may mount it."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts a small disk; the VFS stands in for it")
    path = tmp_path / "small"
    path.mkdir()
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(path)], capture_output=True
    )
    if mounting.returncode != 0:
        pytest.skip(f"may not mount a small disk here: {mounting.stderr.decode().strip()}")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_real_disk_that_was_full_goes_on_with_the_next_index(
    small_disk: Path, tmp_path: Path
) -> None:
    place = Place(tmp_path / "place")
    place.base.mkdir()
    place.home.symlink_to(small_disk / "home")
    receipts = filled(Place(small_disk), 3)
    ballast = small_disk / "ballast"
    with place.open() as trail:
        receipts += recorded(trail, "before")
        with suppress(OSError), ballast.open("wb", buffering=0) as stream:
            while True:
                stream.write(bytes(4096))
        receipts += _until_full(lambda *deliveries: recorded(trail, *deliveries))
        ballast.unlink()
        receipts += recorded(trail, "after")
    _check(Home(place.home), receipts)


def _until_full(record: Callable[..., list[Receipt]]) -> list[Receipt]:
    """What was acknowledged before the disk was told to be full."""
    receipts: list[Receipt] = []
    for at in itertools.count():
        try:
            receipts += record(*(f"full-{at}-{part}" for part in range(1 + at % 5)))
        except DiskFull:
            break
    return receipts


def _check(home: Home, receipts: list[Receipt]) -> None:
    assert not home.fence.exists()
    assert [one.index for one in receipts] == list(range(len(receipts)))
    assert len(oracle.whole(home.log, receipts).entries) == len(receipts)
