"""Asking tools, as it runs beside the publisher: a thread that nobody waits for.

All connections are asked in turn, a step each, so that one that has much to tell holds up no other.
Whatever fails here, the log goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Final, Protocol

from deploytrail.app.connections.polling import Poll
from deploytrail.app.connections.rounds import Rounds
from deploytrail.app.connections.taking import Keys
from deploytrail.app.connections.troubles import Troubles
from deploytrail.app.connections.watching import Watching
from deploytrail.app.events.recording import Recorder
from deploytrail.app.followers.acting import appending
from deploytrail.clock import Clock
from deploytrail.errors import Fenced
from deploytrail.follow.actor import Bookmarks
from deploytrail.follow.lease import Lease
from deploytrail.follow.retry import Retry
from deploytrail.follow.told import Standing, Tell
from deploytrail.intake.known import known
from deploytrail.kit.answer import Asks, Limits
from deploytrail.kit.http import Http
from deploytrail.kit.source import Source
from deploytrail.log.store import Store
from deploytrail.vault.keys import Keyring

NAME: Final = "polling"
TICK_SECONDS: Final = 0.25
STOP_SECONDS_MAX: Final = 5.0
LIMITS: Final = Limits(
    connect_seconds=5.0, read_seconds=15.0, total_seconds=30.0, bytes_max=32 * 1024 * 1024
)


class Asked(Protocol):
    """A trail whose connections are asked, open in the thread that asks."""

    @property
    def store(self) -> Store: ...
    @property
    def recorder(self) -> Recorder: ...
    @property
    def keyring(self) -> Keyring: ...
    def fingerprint_key(self, project: str) -> bytes: ...
    def bookmarks(self) -> Bookmarks: ...
    def lease(self, follower: str) -> Lease: ...
    def close(self) -> None: ...


class Polling:
    """Started and stopped by whoever hosts it; `opened` is called in its thread."""

    def __init__(
        self,
        opened: Callable[[], Asked],
        *,
        clock: Clock,
        environment: Mapping[str, str],
        tell: Tell,
        sources: Mapping[str, Source] | None = None,
    ) -> None:
        self._opened = opened
        self._clock = clock
        self._environment = environment
        self._tell = tell
        self._sources = sources
        self._stopping = threading.Event()
        self._standings: tuple[Standing, ...] = ()

    def standings(self) -> Sequence[Standing]:
        """How the connections stand that are asked; from any thread."""
        return self._standings

    @contextmanager
    def running(self) -> Iterator[None]:
        """For the length of a block. A request that is under way is not waited for long."""
        thread = threading.Thread(target=self._run, name=NAME, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            thread.join(STOP_SECONDS_MAX)

    def _run(self) -> None:
        retry = Retry(self._clock)
        with Http(limits=LIMITS, agent="deploytrail-polling") as http:
            while not self._stopping.is_set():
                try:
                    self._ask_on(http, retry)
                except Fenced as error:
                    # Whoever publishes finds the same, and ends.
                    self._tell("tools are not asked", reason=str(error))
                    return
                except Exception as error:  # noqa: BLE001 (whatever fails, the log goes on)
                    retry.failed(error, is_passing=True)
                    self._standings = ()
                    self._tell("asking tools failed", reason=retry.reason)
                    while not retry.is_due() and not self._stopping.is_set():
                        self._clock.wait(self._stopping, TICK_SECONDS)

    def _ask_on(self, http: Asks, retry: Retry) -> None:
        """Until it is to stop; raises whatever keeps it from going on with what is open."""
        trail = self._opened()
        lease = trail.lease(NAME)
        rounds: Rounds | None = None
        try:
            while not self._stopping.is_set():
                is_busy = False
                if not lease.is_ours():
                    rounds = None
                    self._standings = ()
                else:
                    rounds = rounds or self._rounds(trail, http)
                    is_busy = rounds.tick()
                    self._standings = tuple(rounds.standings())
                if retry.failures:
                    retry.succeeded()
                if not is_busy:
                    self._clock.wait(self._stopping, TICK_SECONDS)
        finally:
            with suppress(Exception):
                lease.close()
            trail.close()

    def _rounds(self, trail: Asked, http: Asks) -> Rounds:
        keys = Keys(trail.keyring.secrets.body, trail.fingerprint_key)
        troubles = Troubles(trail.store.reading, appending(trail.recorder), self._clock)
        return Rounds(
            trail.store.reading,
            poll=Poll(trail.recorder, trail.bookmarks(), http, keys, self._clock),
            troubles=troubles,
            watching=Watching(troubles, self._environment, self._clock),
            sources=known().sources if self._sources is None else self._sources,
            environment=self._environment,
            clock=self._clock,
            tell=self._tell,
        )
