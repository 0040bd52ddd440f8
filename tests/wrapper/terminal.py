"""A terminal for tests: a pseudo-terminal with a session of its own, and somebody who types."""

from __future__ import annotations

import fcntl
import os
import re
import select
import subprocess
import termios
from collections.abc import Sequence
from types import TracebackType
from typing import Any


class Terminal:
    """Runs one command as the foreground job of a new session on a pseudo-terminal."""

    def __init__(
        self, command: Sequence[str], *, rows: int = 24, columns: int = 80, **options: Any
    ) -> None:
        self._ours, theirs = os.openpty()
        self.resize(rows, columns)
        self.seen = b""
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            **options,
        )
        os.close(theirs)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)

    def resize(self, rows: int, columns: int) -> None:
        termios.tcsetwinsize(self._ours, (rows, columns))

    def type(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def expect(self, pattern: bytes, *, seconds_max: float = 20) -> bytes:
        """What is shown up to and including the pattern."""
        while (found := re.search(pattern, self.seen)) is None:
            ready, _, _ = select.select([self._ours], [], [], seconds_max)
            data = self._read() if ready else b""
            assert data, f"expected {pattern!r} on the terminal, found {self.seen!r}"
            self.seen += data
        shown, self.seen = self.seen[: found.end()], self.seen[found.end() :]
        return shown

    def wait(self) -> int:
        """The exit code, after everything was shown."""
        while data := self._read():
            self.seen += data
        return self.process.wait(timeout=20)

    def _read(self) -> bytes:
        try:
            return os.read(self._ours, 65_536)
        except OSError:
            # Linux tells the end of a terminal by EIO.
            return b""
