"""For how long a quorum has owed its cosignatures. Pure: times are arguments, in seconds."""

from __future__ import annotations

from typing import Final

LIMIT_SECONDS: Final = 60.0


class Lagging:
    """`size` is the largest checkpoint that a quorum is known to have cosigned, 0 before any.

    Owed is what a round asks for, from its beginning; and what was published since then, from when
    it was seen.
    """

    def __init__(self, limit_seconds: float = LIMIT_SECONDS) -> None:
        self._limit = limit_seconds
        self._since: float | None = None
        self._later: float | None = None
        self.size = 0
        self.is_known = False
        """Whether a quorum has cosigned anything since the start."""

    def begun(self, now: float) -> None:
        """A round begins: a new checkpoint is to be cosigned, or an old one again."""
        self._since = now if self._since is None else self._since
        self._later = None

    def published(self, now: float) -> None:
        """There is a checkpoint that the round at hand does not ask for."""
        self._later = now if self._later is None else self._later

    def met(self, size: int) -> None:
        """A quorum has cosigned what the round asks for; to be told once a round."""
        self.is_known = True
        self.size = max(self.size, size)
        self._since, self._later = self._later, None

    def seconds(self, now: float) -> float:
        """Since when the oldest one is owed, 0 where none is."""
        return 0.0 if self._since is None else now - self._since

    def is_late(self, now: float) -> bool:
        """Whether that is longer than it may be."""
        return self.seconds(now) > self._limit
