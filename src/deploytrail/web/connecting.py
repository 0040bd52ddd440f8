"""Connections as requests need them: known at once where that can be, else read in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final, Protocol

from msgspec import Struct

from deploytrail.app.connections.taking import Connected, Keys
from deploytrail.errors import Unreachable
from deploytrail.kit.credential import Proof, Unproven
from deploytrail.web.protocol import CONNECTIONS_MAX
from deploytrail.web.readers import Readers

SECONDS_MAX: Final = 5.0


class Known(Protocol):
    """What is declared of connections.

    `at_hand` answers at once, and gives None where only the store can tell. `find` may wait for
    it; raises NotFound, Misconfigured where a secret can't be read, and what reading raises.
    `renewed` is as `find`, and no older than a moment. All may be called from any thread.
    """

    def at_hand(self, name: str) -> Connected | None: ...
    def find(self, name: str) -> Connected: ...
    def renewed(self, name: str) -> Connected: ...
    def close(self) -> None: ...


class Heard(Struct):
    """What a server has heard over one connection since it started."""

    taken: int = 0
    refused: int = 0
    last_taken: datetime | None = None
    last_refused: datetime | None = None
    refused_why: str | None = None
    """In a word, as `Unproven.reason`."""
    secret: int | None = None
    """Which of its secrets proved the last delivery, from 0."""


class Connections:
    """Belongs to the event loop. `keys` are those of the trail."""

    def __init__(self, known: Known, keys: Keys, *, seconds_max: float = SECONDS_MAX) -> None:
        self.keys = keys
        self.heard: dict[str, Heard] = {}
        """By name; only of connections that are declared, so it does not grow."""
        self._known = known
        self._seconds_max = seconds_max
        self._asked = Readers(lambda: known, threads=1, waiting_max=CONNECTIONS_MAX)

    async def connected(self, name: str) -> Connected:
        """As `Known.find`; raises Unreachable where nobody can tell in time."""
        found = self._known.at_hand(name)
        return found or await self._ask(lambda known: known.find(name))

    async def renewed(self, name: str) -> Connected:
        """As `Known.renewed`, for whoever was refused."""
        return await self._ask(lambda known: known.renewed(name))

    async def _ask(self, question: Callable[[Known], Connected]) -> Connected:
        try:
            async with asyncio.timeout(self._seconds_max):
                return await self._asked.ask(question)
        except TimeoutError:
            raise Unreachable(
                f"server: expected to learn of its connections within {self._seconds_max:g} s, but "
                "its store does not answer; send the same again in a moment"
            ) from None

    def proven(self, name: str, proof: Proof, at: datetime) -> None:
        heard = self.heard.setdefault(name, Heard())
        heard.taken += 1
        heard.last_taken = at
        heard.secret = proof.secret

    def refused(self, name: str, error: Unproven, at: datetime) -> None:
        heard = self.heard.setdefault(name, Heard())
        heard.refused += 1
        heard.last_refused = at
        heard.refused_why = error.reason

    def close(self) -> None:
        self._asked.close()
