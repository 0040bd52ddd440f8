"""Whether the log can be read, and how far it is signed: asked by whoever operates the server.

In a thread of its own, so that neither those who search nor those who come in a crowd keep a probe
from its answer; and within a bounded time, whatever the store does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from deploytrail.app.published import size_signed
from deploytrail.errors import Unreachable
from deploytrail.web.readers import Readers
from deploytrail.web.reading import ServedTrail

SECONDS_MAX: Final = 5.0


class Look(NamedTuple):
    """How many entries the log has, and how many of them no checkpoint covers yet."""

    size: int
    unsigned: int


class Readiness:
    """Belongs to the event loop."""

    def __init__(
        self, opened: Callable[[], ServedTrail], *, seconds_max: float = SECONDS_MAX
    ) -> None:
        self._own = Readers(opened, threads=1)
        self._seconds_max = seconds_max
        self._under_way: asyncio.Future[Look] | None = None

    async def look(self) -> Look:
        """One look at a time, for all who ask meanwhile.

        Raises Fenced where the log is, Unreachable where it can't be told in time, and what reading
        the store raises.
        """
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.ensure_future(self._own.ask(_look))
            self._under_way.add_done_callback(_taken)
        try:
            async with asyncio.timeout(self._seconds_max):
                # Who goes away leaves it to the others.
                return await asyncio.shield(self._under_way)
        except TimeoutError:
            raise Unreachable(
                f"server: expected its store to answer within {self._seconds_max:g} s, found that "
                "it does not; try again in a moment"
            ) from None

    def close(self) -> None:
        self._own.close()


def _look(served: ServedTrail) -> Look:
    served.trail.refuse_fenced()
    size = served.trail.size()
    return Look(size, size - size_signed(served.trail.store))


def _taken(look: asyncio.Future[Look]) -> None:
    # Nobody may be left to take it.
    if not look.cancelled():
        look.exception()
