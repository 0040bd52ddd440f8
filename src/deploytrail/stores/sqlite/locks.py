"""Locks between processes: flock(2) on files of the trail's directory.

flock is released by the kernel when its holder dies, so no lock outlives a crash. Waiting is in
the kernel's queue, which is fair: writers that polled starved each other.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploytrail.errors import Busy


class FileLock:
    """One lock file, held by at most one exclusive holder or by many shared ones."""

    def __init__(self, path: Path, *, is_directory: bool = False) -> None:
        """Made where there is none, but for a directory, which is there."""
        self._path = path
        self._flags = os.O_CLOEXEC | (os.O_RDONLY | os.O_DIRECTORY if is_directory else os.O_RDWR)
        self._file = os.open(path, self._flags | (0 if is_directory else os.O_CREAT), 0o600)

    def try_exclusive(self) -> bool:
        """Take it, or turn a shared hold into an exclusive one, if nobody else holds it."""
        return self._try(fcntl.LOCK_EX)

    def share(self, *, seconds_max: float) -> None:
        """Hold it together with others, also instead of holding it exclusively.

        Waits while somebody else holds it exclusively; raises Busy where that takes too long.
        """
        if not self._try(fcntl.LOCK_SH):
            self._wait(fcntl.LOCK_SH, seconds_max)

    def release(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)

    @contextmanager
    def held(self, *, seconds_max: float) -> Iterator[None]:
        """Hold it exclusively for a block; raises Busy where that takes longer than allowed."""
        try:
            # Within: an interrupt may come when the lock is ours and before the block begins.
            if not self._try(fcntl.LOCK_EX):
                self._wait(fcntl.LOCK_EX, seconds_max)
            yield
        finally:
            self.release()

    def close(self) -> None:
        """Let go of the file; closing twice is closing once."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def _try(self, kind: int) -> bool:
        try:
            fcntl.flock(self._file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _wait(self, kind: int, seconds_max: float) -> None:
        """Queue in a thread, because flock itself knows no time limit.

        On a timeout or an interrupt the thread is left behind in the queue with a descriptor of
        its own; once it is its turn it lets go at once, so nobody waits for us longer than that.
        """
        waiting = _Waiting(os.open(self._path, self._flags), kind)
        threading.Thread(target=waiting.run, daemon=True).start()
        try:
            if waiting.finish(seconds_max):
                os.dup2(waiting.file, self._file, inheritable=False)
                return
        finally:
            waiting.let_go()
        raise Busy(
            f"{self._path.name}: expected another writer to finish within {seconds_max:g} s; "
            "nothing was stored. Try again; 'fuser' tells which process holds the file"
        )


class _Waiting:
    """A thread in the queue for a lock, and whether its result is still wanted."""

    def __init__(self, file: int, kind: int) -> None:
        self.file = file
        self._kind = kind
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._is_wanted = True

    def run(self) -> None:
        fcntl.flock(self.file, self._kind)
        with self._lock:
            self._done.set()
            if not self._is_wanted:
                os.close(self.file)

    def finish(self, seconds_max: float) -> bool:
        """Whether the lock came in time."""
        return self._done.wait(seconds_max)

    def let_go(self) -> None:
        """Close our descriptor, at once or when its turn comes; a copy of it goes on holding."""
        with self._lock:
            if self._is_wanted and self._done.is_set():
                os.close(self.file)
            self._is_wanted = False
