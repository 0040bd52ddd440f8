"""The fence of a trail in a database: rows that every writer, on every node, looks for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import psycopg

from deploytrail.errors import DeploytrailError, Fenced
from deploytrail.stores.postgres.address import Address
from deploytrail.stores.postgres.link import Waits, connect

# In the order in which they came, and without a sequence.
TABLE: Final = "fence(since timestamp with time zone NOT NULL, reason text NOT NULL)"
REASONS: Final = "SELECT reason FROM deploytrail_log.fence ORDER BY since"
_RAISE: Final = "INSERT INTO deploytrail_log.fence VALUES (clock_timestamp(), %s)"
_CLEAR: Final = "DELETE FROM deploytrail_log.fence"
_ADVICE: Final = "'deploytrail doctor --clear-fence' examines it"


class Fence:
    """Shared by the stores of one trail. Raised through a connection of its own: that of the
    writer who found what is wrong is about to be rolled back.
    """

    def __init__(self, address: Address, waits: Waits) -> None:
        self._address = address
        self._waits = waits
        self.fenced_because: str | None = None

    def refuse(self, reasons: Sequence[tuple[Any, ...]]) -> None:
        """Raise Fenced where there is a reason: what `REASONS` found, or what we know ourselves."""
        if self.fenced_because is not None:
            raise Fenced(f"the log is fenced: {self.fenced_because}")
        if reasons:
            told = "\n".join(reason for (reason,) in reasons)
            raise Fenced(f"the log is fenced: {told}. No entry is taken until {_ADVICE}")

    def raise_fence(self, reason: str) -> Fenced:
        """Fence the log, durably; returns the error to raise.

        Where even that fails, this process still refuses.
        """
        self.fenced_because = reason
        with suppress(psycopg.Error, DeploytrailError), connect(self._address, self._waits) as own:
            own.execute(_RAISE, (reason,))
        return Fenced(f"the log is fenced: {reason}. Nothing was acknowledged; {_ADVICE}")

    def reasons(self) -> list[str]:
        with connect(self._address, self._waits) as own:
            return [reason for (reason,) in own.execute(REASONS)]

    def clear(self) -> None:
        """Let writers in again; for whoever has examined the log."""
        with connect(self._address, self._waits) as own:
            own.execute(_CLEAR)
        self.fenced_because = None
