"""The process that follows, beside the one that serves: started, started again, ended.

`python -m deploytrail.cli.follower [DIRECTORY]` is that process; without a directory, the database
of DEPLOYTRAIL_URL, which no list of processes is to show. It ends with its standard input, hence
with whoever started it, however that ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deploytrail.address import Database, Directory, database
from deploytrail.cli.terminal import warn
from deploytrail.clock import Clock, SystemClock

if TYPE_CHECKING:
    from deploytrail.app.trails.opening import Place

_PAUSE_SECONDS: Final = 1.0
_PAUSE_SECONDS_MAX: Final = 30.0
_LONG_SECONDS: Final = 60.0
"""Whoever lived so long begins with the shortest pause again."""
_END_SECONDS_MAX: Final = 15.0


class Follower:
    """One process at a time, for as long as `running` lasts."""

    def __init__(self, place: Place, environment: Mapping[str, str], clock: Clock) -> None:
        # -P: where we were started, somebody else's files may bear the names of modules.
        self._command = [sys.executable, "-P", "-m", __name__]
        self._environment = dict(environment)
        if isinstance(place, Database):
            self._environment["DEPLOYTRAIL_URL"] = place.url
        else:
            self._command.append(str(place.path))
        self._clock = clock
        self._ending = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serving goes on without it: it is started again, after ever longer pauses."""
        thread = threading.Thread(target=self._run, name="follower", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ending.set()
            self._end()
            thread.join(_END_SECONDS_MAX)

    def _run(self) -> None:
        pause = _PAUSE_SECONDS
        while not self._ending.is_set():
            started = self._clock.monotonic()
            try:
                self._follow()
            except OSError as error:
                # The machine may be out of memory or of processes for a moment.
                why = error.strerror or error
                warn(f"nobody follows the log: its process can't be started ({why}); tried again")
            if self._clock.monotonic() - started > _LONG_SECONDS:
                pause = _PAUSE_SECONDS
            self._clock.wait(self._ending, pause)
            pause = min(2 * pause, _PAUSE_SECONDS_MAX)

    def _follow(self) -> None:
        """From the process's start to its end; raises OSError where it can't be started."""
        self._process = subprocess.Popen(
            self._command, env=self._environment, stdin=subprocess.PIPE
        )
        if self._ending.is_set():
            self._end()
        self._process.wait()

    def _end(self) -> None:
        """It reads the end of its input, and ends by itself; else it is ended."""
        process = self._process
        if process is None or process.stdin is None:
            return
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(_END_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()


def main(words: Sequence[str]) -> int:
    """Follow until standard input ends, or a signal comes."""
    from deploytrail.app.follow_process import follow_trail

    place = Directory(Path(words[0])) if words else database(os.environ.get("DEPLOYTRAIL_URL", ""))
    stopping = threading.Event()
    threading.Thread(target=_await_end, args=(stopping,), daemon=True).start()
    return follow_trail(
        place,
        clock=SystemClock(),
        environment=os.environ,
        stream=sys.stderr,
        views=lambda trail: [trail.index()],
        stopping=stopping,
    )


def _await_end(stopping: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    stopping.set()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
