"""The tail's fan-out: one thread reads the log for all clients, each has a bounded queue.

Deliveries happen on the event loop, each a run of indexes without a gap; whoever joins at an index
gets everything from there on, once.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, Protocol

from deploytrail.app.events.asked_event import asked_event
from deploytrail.trail import Shown
from deploytrail.web.matching import Matches

QUEUED_BYTES_MAX: Final = 1024 * 1024
CLIENTS_MAX: Final = 500
IDLE_RUNS_MAX: Final = 100
"""After so many looks for nobody, it looks no more until somebody comes."""
POLL_SECONDS: Final = 0.1
FAILED_SECONDS: Final = 1
RUN_ENTRIES_MAX: Final = 64
"""Several runs fit into a queue, so that who reads is not behind before it was its turn."""


class Tailed(NamedTuple):
    """An event of a run: as it is sent, and what decides who wants it."""

    entry_index: int
    sent: bytes
    event: Mapping[str, Any]


class Following(Protocol):
    """What the hub's thread needs of a trail."""

    def size(self) -> int: ...
    def entries(self, *, first: int = 0, until: int | None = None) -> Iterator[Shown]: ...
    def close(self) -> None: ...


class Run(NamedTuple):
    """Entries from index `first` up to, not including, `until`, as far as they match."""

    first: int
    until: int
    matching: list[Tailed]
    sent: bytes


class Client:
    """One who listens. Belongs to the event loop.

    `at` is the index of the next entry that it has not been offered. A client whose queue is full
    is `is_lagging`: it gets nothing more, and goes on from `at` by reading the log itself.
    """

    def __init__(self, matches: Matches, at: int) -> None:
        self.matches = matches
        self.at = at
        self.is_lagging = False
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self._news = asyncio.Event()

    def offer(self, run: Run) -> None:
        """A run that begins at `at`, or before it: then without what came already."""
        if run.until <= self.at:
            return
        sent = run.sent
        if run.first < self.at:
            sent = b"".join(one.sent for one in run.matching if one.entry_index >= self.at)
        if self._queue and self._bytes + len(sent) > QUEUED_BYTES_MAX:
            self.is_lagging = True
            self._news.set()
            return
        self.at = run.until
        if sent:
            self._queue.append(sent)
            self._bytes += len(sent)
            self._news.set()

    def taken(self) -> list[bytes]:
        """What is queued, which then is not any more."""
        found = list(self._queue)
        self._queue.clear()
        self._bytes = 0
        self._news.clear()
        return found

    def rouse(self) -> None:
        self._news.set()

    async def news(self, *, seconds_max: float) -> bool:
        """Waits until there is something to take, or it lags; whether there is."""
        try:
            async with asyncio.timeout(seconds_max):
                await self._news.wait()
        except TimeoutError:
            return False
        return True


class Hub:
    """One reader for all who listen. Its methods belong to the event loop, except `wake`.

    `at` is the index of the next entry that will be delivered; None while nobody listens.
    """

    def __init__(
        self,
        opened: Callable[[], Following],
        sent: Callable[[Shown], bytes],
        failed: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        """`failed` is told, in the thread, once the log can't be read any more."""
        self._opened = opened
        self._failed = failed
        self._sent = sent
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = threading.Event()
        self._is_ending = False
        self._wanted = threading.Event()
        self.clients: set[Client] = set()
        self.apart = 0
        """How many more listen, each reading for itself."""
        self.at: int | None = None
        self._idle_runs = 0
        self._thread = threading.Thread(target=self._run, name="tail", daemon=True)

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def wake(self) -> None:
        """There may be something new; from any thread."""
        self._wake.set()

    def join(self, client: Client) -> bool:
        """Whether the client gets everything from its `at` on from here; else it is behind."""
        if self.at is None or client.at < self.at:
            self._wanted.set()
            return False
        self.clients.add(client)
        self._wanted.set()
        self._wake.set()
        return True

    def leave(self, client: Client) -> None:
        self.clients.discard(client)

    def rouse(self) -> None:
        """Everybody who waits for news looks whether the server is being stopped."""
        for client in self.clients:
            client.rouse()

    def end(self) -> None:
        self._is_ending = True
        self._wanted.set()
        self._wake.set()
        self._thread.join(5)

    def _run(self) -> None:
        trail: Following | None = None
        at, is_failing = -1, False
        try:
            while not self._is_ending:
                if not self._wanted.is_set():
                    self._wanted.wait()
                    at = -1
                    continue
                try:
                    trail = self._opened() if trail is None else trail
                    at = self._step(trail, at)
                    is_failing = False
                except Exception as error:  # noqa: BLE001 (who listens waits until it is mended)
                    if not is_failing:
                        self._failed(error)
                    is_failing = True
                    _close(trail)
                    trail = None
                    self._wake.wait(FAILED_SECONDS)
        finally:
            _close(trail)

    def _step(self, trail: Following, at: int) -> int:
        """Deliver what is new from `at` on; below 0, begin where the log ends now."""
        size = trail.size()
        if at < 0:
            self._deliver(size, size, [])
            return size
        if at >= size:
            self._pause()
            # So that whoever left last lets us rest.
            self._deliver(at, at, [])
            return at
        until = min(size, at + RUN_ENTRIES_MAX)
        run = [
            Tailed(one.index, self._sent(one), asked_event(one))
            for one in trail.entries(first=at, until=until)
        ]
        self._deliver(at, until, run)
        return until

    def _pause(self) -> None:
        self._wake.wait(POLL_SECONDS)
        self._wake.clear()

    def _deliver(self, first: int, until: int, run: list[Tailed]) -> None:
        """Hands a run over to the event loop, and waits until it is there: no run piles up."""
        done = threading.Event()
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._offer, first, until, run, done)
        except RuntimeError:
            # The loop is closed: we are being stopped.
            self._is_ending = True
            return
        while not done.wait(1):
            if self._is_ending:
                return

    def _offer(self, first: int, until: int, run: list[Tailed], done: threading.Event) -> None:
        done.set()
        if not self._wanted.is_set():
            # We said that we rest, and the thread had not heard it yet.
            return
        self.at = until
        self._idle_runs = 0 if self.clients else self._idle_runs + 1
        if self._idle_runs > IDLE_RUNS_MAX:
            self._wanted.clear()
            self.at, self._idle_runs = None, 0
        if not run:
            return
        runs: dict[Matches, Run] = {}
        for client in list(self.clients):
            found = runs.get(client.matches)
            if found is None:
                # Many listen for the same: what each wants is found, and joined, once.
                matching = [one for one in run if client.matches(one.event)]
                sent = b"".join(one.sent for one in matching)
                found = runs[client.matches] = Run(first, until, matching, sent)
            client.offer(found)
            if client.is_lagging:
                self.clients.discard(client)


def _close(trail: Following | None) -> None:
    if trail is not None:
        trail.close()
