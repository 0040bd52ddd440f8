"""When what failed is tried again: sooner at first, then ever later, and rarely once given up."""

from __future__ import annotations

from typing import Final

from deploytrail.clock import Clock
from deploytrail.errors import Busy, CommitUnknown, DiskFull, Unreachable

FIRST_SECONDS: Final = 0.1
LONGEST_SECONDS: Final = 30.0
TRIES_MAX: Final = 6
"""After as many it is told as broken, unless what failed passes by itself."""
BROKEN_SECONDS: Final = 600.0
"""What is broken is tried again as rarely: what kept it from going on may have been mended."""
_PASSING: Final = (Busy, Unreachable, DiskFull, CommitUnknown)


class Retry:
    """Of one thing that may fail. `reason` is why it failed last, empty while it does not."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due = 0.0
        self.reason = ""
        self.failures = 0
        self.is_broken = False

    def is_due(self) -> bool:
        return not self.failures or self._clock.monotonic() >= self._due

    def failed(self, error: Exception, *, is_passing: bool = False) -> None:
        """`is_passing` where the fault lies elsewhere, so that giving up would be wrong."""
        self.failures += 1
        kind = type(error).__name__
        self.reason = f"{kind}: {error}" if str(error) else kind
        is_passing = is_passing or isinstance(error, _PASSING)
        self.is_broken = not is_passing and self.failures >= TRIES_MAX
        delay = min(FIRST_SECONDS * 2.0 ** min(self.failures - 1, 16), LONGEST_SECONDS)
        self._due = self._clock.monotonic() + (BROKEN_SECONDS if self.is_broken else delay)

    def succeeded(self) -> None:
        self.failures = 0
        self.reason = ""
        self.is_broken = False
