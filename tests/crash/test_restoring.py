"""A restore that is killed or fails in any system call leaves no trail, or all of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from deploytrail.app.backups.backing_up import keys_beside
from deploytrail.app.backups.restoring import restore
from deploytrail.app.doctor import clear_fence
from deploytrail.app.verifying import verify
from deploytrail.event import Actor
from tests.crash import oracle
from tests.crash.form import IS_LONG
from tests.crash.strace import CALLS, Fault, Writer
from tests.crash.writing import Place, backed_up, scratch_directory

SHORT_CALLS: Final = {
    "KILL": ("rename", "unlink", "fdatasync"),
    "EIO": ("rename", "fdatasync", "mkdir"),
    "ENOSPC": ("pwrite64",),
}
SHORT_STRIDES: Final = {"rename": 1, "unlink": 3, "fdatasync": 5, "mkdir": 2, "pwrite64": 23}
NTH_MAX: Final = 2_000
FENCED: Final = [
    *(("ENOSPC", call) for call in ("fsync", "fdatasync", "ftruncate")),
    ("EINTR", "fcntl"),
]
"""What SQLite says is an I/O error, too: a full disk where it syncs or truncates, and a question
about a lock that was interrupted.
"""
BOB: Final = Actor(type="user", id="os:bob@build")


@pytest.fixture
def scratch() -> Iterator[Path]:
    with scratch_directory() as path:
        yield path


def test_a_restore_that_fails_anywhere_can_be_repeated(scratch: Path) -> None:
    template = Place(scratch / "template")
    receipts = backed_up(template)
    writer = Writer(scratch)
    fired = 0
    try:
        for kind, names in (CALLS if IS_LONG else SHORT_CALLS).items():
            for call in names:
                stride = 1 if IS_LONG else SHORT_STRIDES[call]
                for nth in range(1, NTH_MAX, stride):
                    place = Place(scratch / "run")
                    shutil.rmtree(place.base, ignore_errors=True)
                    shutil.copytree(template.base, place.base)
                    fault = Fault(call, kind, nth)
                    ran = writer.run("restored", place, fault)
                    if not ran.has_fired:
                        assert (ran.status, ran.said) == (0, []), fault
                        break
                    fired += 1
                    _repeat(place, fault)
                    oracle.whole(place.home / "log.db", receipts)
                    _clear_fence(place, fault)
    finally:
        writer.close()
    assert fired >= 10


def _repeat(place: Place, fault: Fault) -> None:
    """Restore again, unless the trail stands there already; then it has to be all of it."""
    if not (place.home / "log.db").exists():
        file = place.base / "backup.tar"
        assert keys_beside(file).exists(), fault
        key, environment = place.base / "key", place.environment
        again = restore(file, place.home, key=key, environment=environment)
        assert again.older == "", fault
    report = verify(place.home, disclosures=True, environment=place.environment)
    assert (report.exit_code, report.found) == (0, ()), fault


def _clear_fence(place: Place, fault: Fault) -> None:
    """In the end a restore opens the trail, as anybody would: whom the disk fails there finds it
    whole, and fenced until it was examined.
    """
    if not (place.home / "fence").exists():
        return
    assert fault.kind == "EIO" or (fault.kind, fault.call) in FENCED, fault
    clear_fence(place.home, actor=BOB, reason="checked", environment=place.environment)
    assert not (place.home / "fence").exists(), fault
