"""One line of JSON for each request: who asked what kind of thing, and what became of it.

Never what was asked: a query may name people, and an address a secret. A thread writes, so that
whoever reads slowly holds up nobody; what doesn't fit is counted and told.
"""

from __future__ import annotations

import queue
import threading
import traceback
from typing import Any, Final, Protocol

import msgspec

from deploytrail.clock import Clock, rfc3339

WAITING_MAX: Final = 10_000


class Sink(Protocol):
    """Where lines go."""

    def write(self, text: str, /) -> object: ...
    def flush(self) -> object: ...


class Journal:
    """Writes lines to `sink`; may be used from any thread."""

    def __init__(self, sink: Sink, clock: Clock, *, waiting_max: int = WAITING_MAX) -> None:
        self._sink = sink
        self._clock = clock
        self._lines: queue.Queue[str | None] = queue.Queue(waiting_max)
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def tell(self, what: str, **said: Any) -> None:
        """A line; dropped, and counted, where too many wait."""
        line = {"time": rfc3339(self._clock.now()), "what": what, **said}
        if self._dropped:
            line["dropped"] = self._dropped
        try:
            self._lines.put_nowait(msgspec.json.encode(line).decode())
            self._dropped = 0
        except queue.Full:
            self._dropped += 1

    def fault(self, error: BaseException, **said: Any) -> None:
        """Something that nobody expected, with where it happened; its text may quote foreign."""
        frames = traceback.extract_tb(error.__traceback__)[-8:]
        where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        self.tell("fault", error=type(error).__name__, where=where, **said)

    def end(self) -> None:
        """Writes what waits."""
        self._lines.put(None)
        self._thread.join(5)

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._sink.write(f"{line}\n")
                if self._lines.empty():
                    self._sink.flush()
            except (OSError, ValueError):
                # Nobody reads it any more; the server goes on.
                continue
