"""What is told of requests that are refused before they are any: where they come from nobody knows.

Each is counted, and is a line of the journal up to so many a second. Of more, one line says how
many there were: whoever floods a server with such is not to flood its journal, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from deploytrail.errors import DeploytrailError
from deploytrail.web.journal import Journal
from deploytrail.web.metrics import Metrics

LINES_MAX: Final = 10
SECONDS: Final = 1.0
NO_ROUTE: Final = "none"

Later = Callable[[float, Callable[[], None]], object]
"""Calls after so many seconds, in the same thread."""


class Refusals:
    """Belongs to the event loop. What is told is what we say ourselves, never what was sent."""

    def __init__(self, journal: Journal, metrics: Metrics, later: Later) -> None:
        self._journal = journal
        self._metrics = metrics
        self._later = later
        self._lines = 0
        self._untold: Counter[int] = Counter()

    def tell(self, error: DeploytrailError) -> None:
        self._metrics.requests.add(route=NO_ROUTE, status=str(error.status))
        if self._lines >= LINES_MAX:
            self._untold[error.status] += 1
            return
        if not self._lines:
            self._later(SECONDS, self._begin_anew)
        self._lines += 1
        self._journal.tell("refused", status=error.status, why=str(error))

    def end(self) -> None:
        """Tells what was not told yet."""
        for status, count in sorted(self._untold.items()):
            self._journal.tell("refused", status=status, count=count)
        self._untold.clear()

    def _begin_anew(self) -> None:
        self._lines = 0
        self.end()
