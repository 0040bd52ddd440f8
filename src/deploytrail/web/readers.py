"""The threads that read: so many at once, each with a trail of its own.

A store belongs to one thread, so each thread opens one when it is first asked, and keeps it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Generic, Protocol, TypeVar

from deploytrail.errors import Overloaded

THREADS: Final = 4
WAITING_MAX: Final = 128
_AGAIN_SECONDS: Final = 0.1


class Closing(Protocol):
    def close(self) -> None: ...


_Opened = TypeVar("_Opened", bound=Closing)
_Answer = TypeVar("_Answer")


class Readers(Generic[_Opened]):
    """Asks questions in threads; belongs to the event loop."""

    def __init__(
        self,
        opened: Callable[[], _Opened],
        *,
        threads: int = THREADS,
        waiting_max: int = WAITING_MAX,
    ) -> None:
        self._opened = opened
        self._waiting_max = waiting_max
        self._own = threading.local()
        self._all: list[_Opened] = []
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="reader")
        self.waiting = 0

    async def ask(self, question: Callable[[_Opened], _Answer]) -> _Answer:
        """What the question gives or raises. Raises Overloaded where too many wait already."""
        if self.waiting >= self._waiting_max:
            raise Overloaded(
                f"server: expected at most {self._waiting_max} questions at once, found more; "
                "ask again in a moment"
            )
        self.waiting += 1
        loop = asyncio.get_running_loop()
        asked = loop.run_in_executor(self._threads, self._ask, question)
        # Who goes away leaves the thread busy: it counts until it is done.
        asked.add_done_callback(self._done)
        return await asyncio.shield(asked)

    async def ask_again(
        self, question: Callable[[_Opened], _Answer], *, seconds_max: float
    ) -> _Answer:
        """As `ask`; while too many wait, again, until so many seconds are over.

        For those whose number is bounded elsewhere, and who were let in already.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds_max
        while True:
            try:
                return await self.ask(question)
            except Overloaded:
                if loop.time() > until:
                    raise
            await asyncio.sleep(_AGAIN_SECONDS)

    def close(self) -> None:
        """Waits for what is being read."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        for each in self._all:
            each.close()
        self._all.clear()

    def _done(self, asked: asyncio.Future[Any]) -> None:
        self.waiting -= 1
        # Nobody may be left to take it.
        if not asked.cancelled():
            asked.exception()

    def _ask(self, question: Callable[[_Opened], _Answer]) -> _Answer:
        trail: _Opened | None = getattr(self._own, "trail", None)
        if trail is None:
            trail = self._opened()
            self._own.trail = trail
            self._all.append(trail)
        return question(trail)
