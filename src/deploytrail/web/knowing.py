"""Who comes: known at once where that can be, else asked of the store in a thread of its own.

The event loop never waits for a store: one that does not answer costs those whom it keeps waiting a
503, and nobody else anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Final, TypeVar

from deploytrail.access.principal import Principal
from deploytrail.errors import Unknown, Unreachable
from deploytrail.web.protocol import CONNECTIONS_MAX
from deploytrail.web.readers import Readers

SECONDS_MAX: Final = 5.0
STREAM_SECONDS_MAX: Final = 2.0
"""So long at most something goes on being sent to somebody whose token was revoked or expired."""
Piece = TypeVar("Piece")

Recognise = Callable[[str | None], Principal | None]
"""Who an Authorization header says it is, at once; None where only the store can tell."""
Authenticate = Callable[[str | None], Principal]
"""Who it is; may wait for the store. Raises Unknown, and what reading the store raises."""


class Knowing:
    """Belongs to the event loop."""

    def __init__(
        self,
        recognise: Recognise,
        authenticate: Authenticate,
        *,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        self._recognise = recognise
        self._seconds_max = seconds_max
        # One thread reads for all. As many may wait as there are connections: when what is known
        # grows old, all of them come at once, and the first who asks has read for the others.
        self._asked = Readers(
            lambda: _Authenticating(authenticate), threads=1, waiting_max=CONNECTIONS_MAX
        )

    async def principal(self, header: str | None) -> Principal:
        """Raises Unknown, and Unreachable where nobody can tell in time."""
        found = self._recognise(header)
        if found is not None:
            return found
        try:
            async with asyncio.timeout(self._seconds_max):
                return await self._asked.ask(lambda one: one.authenticate(header))
        except TimeoutError:
            raise Unreachable(
                f"Authorization: expected to learn within {self._seconds_max:g} s whose it is, but "
                "the store of tokens does not answer; try again in a moment"
            ) from None

    async def while_known(
        self, pieces: AsyncGenerator[Piece, None], header: str | None, principal: Principal
    ) -> AsyncIterator[Piece]:
        """The pieces of an answer for as long as whoever asked for it would be given it still.

        Of a stream without an end that is not once and for all. Raises as `principal`, before a
        piece that would come later.
        """
        loop = asyncio.get_running_loop()
        known_at = loop.time()
        async with aclosing(pieces):
            async for piece in pieces:
                if loop.time() - known_at >= STREAM_SECONDS_MAX:
                    if await self.principal(header) != principal:
                        raise Unknown("token: expected what it was when this began, found another")
                    known_at = loop.time()
                yield piece

    def close(self) -> None:
        self._asked.close()


class _Authenticating:
    def __init__(self, authenticate: Authenticate) -> None:
        self.authenticate = authenticate

    def close(self) -> None:
        """Whoever gave it closes what it reads."""
