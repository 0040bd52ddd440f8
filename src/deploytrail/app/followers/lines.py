"""What a process without a terminal tells: one line of JSON for each thing that happened."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Protocol

import msgspec

from deploytrail.clock import Clock, rfc3339


class Stream(Protocol):
    """Where lines go, such as standard error."""

    def write(self, text: str, /) -> object: ...
    def flush(self) -> object: ...


class Lines:
    """Writes lines of one process; may be used from any thread. Nobody has to read them."""

    def __init__(self, stream: Stream, clock: Clock, *, process: str) -> None:
        self._stream = stream
        self._clock = clock
        self._process = process
        self._lock = threading.Lock()

    def __call__(self, said: str, /, **about: str | int | float) -> None:
        line = {
            "time": rfc3339(self._clock.now()),
            "process": self._process,
            "what": said,
            **about,
        }
        text = msgspec.json.encode(line).decode() + "\n"
        with self._lock, suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()
