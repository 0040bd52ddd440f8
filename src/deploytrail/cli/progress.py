"""How far long work is: one line on standard error that goes away at the end.

Shown only to a person at a terminal, and only once they have waited for a while.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Final

from deploytrail.cli.terminal import is_terminal
from deploytrail.clock import Clock
from deploytrail.sentence import counted

_SHOWN_AFTER_US: Final = 2_000_000
_EVERY_US: Final = 100_000
_CLEAR: Final = "\r\x1b[K"


class Progress:
    """Told as often as its caller likes; writes ten times a second at most.

    A total of 0 stands for one that nobody knows.
    """

    def __init__(self, doing: str, clock: Clock, *, unit: str = "entry") -> None:
        self._doing = doing
        self._unit = unit
        self._clock = clock
        self._next_us = clock.uptime().microseconds + _SHOWN_AFTER_US
        self._is_seen = is_terminal(sys.stderr)
        self._is_shown = False

    def __call__(self, done: int, total: int) -> None:
        if not self._is_seen:
            return
        now_us = self._clock.uptime().microseconds
        if now_us < self._next_us:
            return
        self._next_us = now_us + _EVERY_US
        self._is_shown = True
        share = f"({counted(done, self._unit)})"
        if total:
            share = f"{100 * done // total} % ({done:,} of {counted(total, self._unit)})"
        sys.stderr.write(f"{_CLEAR}{self._doing} {share}")
        sys.stderr.flush()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_shown:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()
