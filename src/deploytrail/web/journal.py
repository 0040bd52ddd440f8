"""One line of JSON for each request: who asked what kind of thing, and what became of it.

Never what was asked: a query may name people, and an address a secret. A thread writes, so that
whoever reads slowly holds up nobody; what doesn't fit is counted and told.
"""

from __future__ import annotations

import threading
import traceback
from collections import deque
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from deploytrail.clock import Clock, rfc3339

WAITING_MAX: Final = 10_000
GATHER_SECONDS: Final = 0.05
"""For so long a line waits for others: to wake a thread for each takes from whoever answers."""
_LINES_MAX: Final = 500
"""In one write."""

_encoder: Final = msgspec.json.Encoder()


class _Told(NamedTuple):
    at: datetime
    what: str
    said: dict[str, Any]
    dropped: int


class Sink(Protocol):
    """Where lines go."""

    def write(self, text: str, /) -> object: ...
    def flush(self) -> object: ...


class Journal:
    """Writes lines to `sink`; may be used from any thread."""

    def __init__(self, sink: Sink, clock: Clock, *, waiting_max: int = WAITING_MAX) -> None:
        self._sink = sink
        self._clock = clock
        self._waiting_max = waiting_max
        self._lines: deque[_Told] = deque()
        self._news = threading.Event()
        self._ending = threading.Event()
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def tell(self, what: str, **said: Any) -> None:
        """A line; dropped, and counted, where too many wait."""
        if len(self._lines) >= self._waiting_max:
            self._dropped += 1
            return
        dropped, self._dropped = self._dropped, 0
        self._lines.append(_Told(self._clock.now(), what, said, dropped))
        if not self._news.is_set():
            self._news.set()

    def fault(self, error: BaseException, **said: Any) -> None:
        """Something that nobody expected, with where it happened; its text may quote foreign."""
        frames = traceback.extract_tb(error.__traceback__)[-8:]
        where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        self.tell("fault", error=type(error).__name__, where=where, **said)

    def end(self) -> None:
        """Writes what waits."""
        self._ending.set()
        self._news.set()
        self._thread.join(5)

    def _run(self) -> None:
        is_last = False
        while not is_last:
            self._news.wait()
            self._ending.wait(GATHER_SECONDS)
            is_last = self._ending.is_set()
            # Cleared first: whoever adds a line behind our back wakes us again.
            self._news.clear()
            self._write()

    def _write(self) -> None:
        try:
            while self._lines:
                count = min(len(self._lines), _LINES_MAX)
                lines = [_line(self._lines.popleft()) for _ in range(count)]
                self._sink.write(_encoder.encode_lines(lines).decode())
            self._sink.flush()
        except (OSError, ValueError):
            # Nobody reads it any more; the server goes on.
            self._lines.clear()


def _line(told: _Told) -> dict[str, Any]:
    line = {"time": rfc3339(told.at), "what": told.what, **told.said}
    if told.dropped:
        line["dropped"] = told.dropped
    return line
