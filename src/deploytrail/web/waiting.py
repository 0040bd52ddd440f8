"""Who waits for an entry waits here: until the index has read it, or a checkpoint covers it.

On the event loop, without a thread: one looks how far that is, for all who wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

from deploytrail.app.questions.searching import refuse_absent
from deploytrail.errors import Behind, Malformed, Overloaded
from deploytrail.follow.lag import behind

SECONDS_MAX: Final = 10.0
WAITERS_MAX: Final = 512
CHARACTERS_MAX: Final = 4 * 1024 * 1024
"""Of the queries of all who wait: until it is asked, each is kept."""
LOOK_SECONDS: Final = 0.025


class Reach(NamedTuple):
    """Of how many entries something is true, durably, and how many the log has."""

    cursor: int
    size: int


class Waiting:
    """Belongs to the event loop."""

    def __init__(
        self,
        look: Callable[[], Awaitable[Reach]],
        *,
        seconds_max: float = SECONDS_MAX,
        waiters_max: int = WAITERS_MAX,
    ) -> None:
        self._look = look
        self._waiters_max = waiters_max
        self.seconds_max = seconds_max
        self.waiters = 0
        self._characters = 0
        self._awaited: dict[asyncio.Future[None], _Entry] = {}
        self._looking: asyncio.Task[None] | None = None
        self._looks = 0
        self._joined = asyncio.Event()
        self._cursor = 0
        self._is_ending = False

    @contextmanager
    def place(self, characters: int) -> Iterator[None]:
        """Room for one who waits, and for a query of so many characters, until it is answered.

        Raises Overloaded where there is none.
        """
        if self.waiters >= self._waiters_max:
            raise Overloaded(
                f"after: expected at most {self._waiters_max} questions that wait for the index, "
                "found more; ask again in a moment, or without 'after'"
            )
        if self._characters + characters > CHARACTERS_MAX:
            raise Overloaded(
                f"after: expected that the queries which wait for the index have at most "
                f"{CHARACTERS_MAX} characters together, found more; ask again in a moment, or "
                "without 'after'"
            )
        self.waiters += 1
        self._characters += characters
        try:
            yield
        finally:
            self.waiters -= 1
            self._characters -= characters

    async def until(self, index: int) -> bool:
        """Wait until it is true of that entry; whether it was not, at the first look.

        Raises Malformed where the log has no such entry, Behind where that takes too long, and what
        looking raises.
        """
        if self._is_ending:
            raise _stopped()
        awaited: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = _Entry(index, self._looks)
        self._awaited[awaited] = entry
        self._joined.set()
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_on())
        try:
            async with asyncio.timeout(self.seconds_max):
                await awaited
        except TimeoutError:
            raise behind(index, self._cursor, seconds_max=self.seconds_max) from None
        finally:
            del self._awaited[awaited]
        return self._looks > entry.looks + 1

    def end(self) -> None:
        """Nobody waits any longer: the server is being stopped."""
        self._is_ending = True
        self._fail(_stopped())

    async def _look_on(self) -> None:
        """Until nobody waits any more."""
        while self._awaited:
            self._joined.clear()
            self._looks += 1
            begun = self._looks
            try:
                self._settle(await self._look(), begun)
            except Overloaded:
                # Others ask as well; whoever waits here was let in, and waits on.
                await asyncio.sleep(LOOK_SECONDS)
            except Exception as error:  # noqa: BLE001 (told to each who waits)
                self._fail(error)
            # Those whose entry is there go first, and whoever comes is looked for at once.
            await asyncio.sleep(0)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._joined.wait()
        self._looking = None

    def _settle(self, reach: Reach, begun: int) -> None:
        self._cursor = reach.cursor
        for awaited, entry in self._awaited.items():
            if awaited.done():
                continue
            if entry.at < reach.cursor:
                awaited.set_result(None)
            elif entry.looks < begun:
                # Whoever came while we looked may know of an entry that we don't.
                try:
                    refuse_absent(entry.at, reach.size)
                except Malformed as error:
                    awaited.set_exception(error)

    def _fail(self, error: Exception) -> None:
        for awaited in self._awaited:
            if not awaited.done():
                awaited.set_exception(error)


class _Entry(NamedTuple):
    """What one waits for, and how many looks had begun when it came."""

    at: int
    looks: int


def _stopped() -> Behind:
    return Behind("server: it is being stopped; ask again")
