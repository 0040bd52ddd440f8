"""Locks between processes: held by one, waited for fairly, gone with their holder."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploytrail.errors import Busy
from deploytrail.stores.sqlite.locks import FileLock

HOLD = """
import sys
from pathlib import Path
from deploytrail.stores.sqlite.locks import FileLock
with FileLock(Path(sys.argv[1])).held(seconds_max=5):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_has_one_holder_and_the_others_are_told(tmp_path: Path) -> None:
    one, other = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    with one.held(seconds_max=1):
        assert not other.try_exclusive()
        with pytest.raises(Busy, match=r"lock: expected another writer to finish within 0\.01 s"):
            other.held(seconds_max=0.01).__enter__()
    with other.held(seconds_max=1):
        assert not one.try_exclusive()
    one.close()
    other.close()


def test_who_waits_gets_it_when_it_is_let_go(tmp_path: Path) -> None:
    one, other = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    got = threading.Event()

    def wait() -> None:
        with other.held(seconds_max=30):
            got.set()

    waiting = threading.Thread(target=wait)
    with one.held(seconds_max=1):
        waiting.start()
        assert not got.wait(0.05)
    waiting.join(30)
    assert got.is_set()
    assert one.try_exclusive()


def test_who_gave_up_takes_it_from_nobody(tmp_path: Path) -> None:
    one, other = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    with one.held(seconds_max=1), pytest.raises(Busy):
        other.held(seconds_max=0.01).__enter__()
    for _ in range(20):
        with one.held(seconds_max=5):
            pass
        with other.held(seconds_max=5):
            pass


class Interrupted(BaseException):
    """As KeyboardInterrupt, which would end the tests."""


@pytest.fixture
def interrupt() -> Iterator[Callable[[], None]]:
    """Call it, and a moment later whatever the main thread waits for is interrupted."""

    def interrupted(*_: object) -> None:
        raise Interrupted

    def start() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.05)

    before = signal.signal(signal.SIGALRM, interrupted)
    yield start
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


WAYS: dict[str, Callable[[FileLock], object]] = {
    "exclusively": lambda lock: lock.held(seconds_max=30).__enter__(),
    "shared": lambda lock: lock.share(seconds_max=30),
}


@pytest.mark.parametrize("way", WAYS)
def test_who_was_interrupted_takes_it_from_nobody(
    tmp_path: Path, interrupt: Callable[[], None], way: str
) -> None:
    one, other, third = (FileLock(tmp_path / "lock") for _ in range(3))
    with one.held(seconds_max=1):
        interrupt()
        with pytest.raises(Interrupted):
            WAYS[way](other)
    with third.held(seconds_max=5):
        assert not one.try_exclusive()
    with other.held(seconds_max=5):
        assert not one.try_exclusive()


def test_shared_holders_keep_an_exclusive_one_away(tmp_path: Path) -> None:
    one, other, third = (FileLock(tmp_path / "lock") for _ in range(3))
    one.share(seconds_max=1)
    other.share(seconds_max=1)
    assert not third.try_exclusive()
    one.release()
    assert not third.try_exclusive()
    other.close()
    assert third.try_exclusive()


def test_a_lock_dies_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        lock = FileLock(path)
        assert not lock.try_exclusive()
        holder.kill()
        holder.wait()
    with lock.held(seconds_max=5):
        assert (path.stat().st_mode & 0o777) == 0o600
