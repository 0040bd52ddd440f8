"""Asking witnesses, as it runs beside the publisher: a thread that nobody waits for.

It has a trail of its own, and looks for the newest checkpoint by itself. Whatever fails here, the
log goes on: what is not cosigned now is cosigned later, and told when that takes too long.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, Protocol

from deploytrail.app.cosigning.asked import Asked
from deploytrail.app.cosigning.asking import Asking, Post
from deploytrail.app.events.recording import Recorder
from deploytrail.app.followers.acting import appending
from deploytrail.app.followers.episodes import Episodes
from deploytrail.clock import Clock
from deploytrail.errors import Fenced
from deploytrail.event import Actor, Error, Event, Outcome, Source, Target
from deploytrail.follow.lease import Lease
from deploytrail.follow.retry import Retry
from deploytrail.follow.told import Standing, Tell
from deploytrail.kit.answer import Limits
from deploytrail.kit.http import Http
from deploytrail.log.policy import Policy
from deploytrail.log.store import Store
from deploytrail.sentence import counted
from deploytrail.trail import LOCAL_INSTANCE

NAME: Final = "witnessing"
VERSION: Final = 1
TICK_SECONDS: Final = 0.25
STOP_SECONDS_MAX: Final = 5.0
_LAST_SECONDS_MAX: Final = 3.0
_LIMITS: Final = Limits(
    connect_seconds=5.0, read_seconds=10.0, total_seconds=15.0, bytes_max=65_536
)


class Witnessed(Protocol):
    """A trail whose checkpoints are to be cosigned, open in the thread that asks."""

    @property
    def store(self) -> Store: ...
    @property
    def recorder(self) -> Recorder: ...
    def own_policy(self) -> Policy: ...
    def lease(self, follower: str) -> Lease: ...
    def close(self) -> None: ...


class Told:
    """`asking.Alarms` as events of the trail's own, each once while it lasts."""

    def __init__(self, trail: Witnessed, clock: Clock) -> None:
        self._reading = trail.store.reading
        self._append = appending(trail.recorder)
        self._clock = clock
        self._of: dict[str, Episodes] = {}

    def lagging(self, seconds: float, size: int) -> None:
        error = Error(
            code="quorum-lagging",
            text=f"no quorum has cosigned what was published in the last {seconds:.0f} s",
            location=f"{counted(size, 'entry')} cosigned" if size else None,
        )
        episodes = self._episodes("lagging")
        if not episodes.is_open:
            episodes.begin(self._event("audit.witness.delayed", "failure", error=error))

    def caught_up(self) -> None:
        episodes = self._episodes("lagging")
        if episodes.is_open:
            episodes.end(self._event("audit.witness.recovered", "success"))

    def refused(self, one: Asked) -> None:
        episodes = self._episodes(f"refused/{one.key.id.hex()}")
        if not episodes.is_open:
            error = Error(code="witness-refused", text=one.refused)
            event = self._event("audit.witness.refused", "denied", one.name, error)
            episodes.begin(event)

    def accepted(self, one: Asked) -> None:
        episodes = self._episodes(f"refused/{one.key.id.hex()}")
        if episodes.is_open:
            episodes.end(self._event("audit.witness.recovered", "success", one.name))

    def _episodes(self, kind: str) -> Episodes:
        known = self._of.get(kind)
        if known is None:
            known = Episodes(self._reading, self._append, actor=NAME, version=VERSION, kind=kind)
            self._of[kind] = known
        return known

    def _event(
        self, action: str, outcome: Outcome, witness: str | None = None, error: Error | None = None
    ) -> Event:
        return Event(
            id=self._clock.event_id(),
            action=action,
            outcome=outcome,
            time=self._clock.now(),
            actor=Actor(type="system"),
            source=Source(tool="deploytrail", instance=LOCAL_INSTANCE),
            targets=() if witness is None else (Target(type="witness", id=witness),),
            error=error,
        )


class Witnessing:
    """Started and stopped by whoever hosts it; `opened` is called in its thread."""

    def __init__(
        self,
        opened: Callable[[], Witnessed],
        *,
        clock: Clock,
        tell: Tell,
        post: Post | None = None,
    ) -> None:
        self._opened = opened
        self._clock = clock
        self._tell = tell
        self._post = post
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._standings: tuple[Standing, ...] = ()

    def standings(self) -> Sequence[Standing]:
        """How the witnesses stand; from any thread."""
        return self._standings

    @contextmanager
    def running(self) -> Iterator[None]:
        """For the length of a block. A request that is under way is not waited for."""
        thread = threading.Thread(target=self._run, name=NAME, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            self._wake.set()
            thread.join(STOP_SECONDS_MAX)

    def _run(self) -> None:
        retry = Retry(self._clock)
        with Http(limits=_LIMITS, agent="deploytrail-witnessing") as http:
            post = self._post or posting(http)
            while not self._stopping.is_set():
                try:
                    self._ask_on(post, retry)
                except Fenced as error:
                    # Whoever publishes finds the same, and ends.
                    self._tell("witnesses are not asked", reason=str(error))
                    return
                except Exception as error:  # noqa: BLE001 (whatever fails, the log goes on)
                    retry.failed(error, is_passing=True)
                    self._tell("asking witnesses failed", reason=retry.reason)
                    while not retry.is_due() and not self._stopping.is_set():
                        self._clock.wait(self._stopping, TICK_SECONDS)

    def _ask_on(self, post: Post, retry: Retry) -> None:
        """Until it is to stop; raises whatever keeps it from going on with what is open."""
        trail = self._opened()
        lease = trail.lease(NAME)
        asking: Asking | None = None
        try:
            while not self._stopping.is_set():
                self._wake.clear()
                if not lease.is_ours():
                    asking = None
                    self._standings = ()
                else:
                    asking = asking or self._asking(trail, post)
                    asking.tick()
                    self._standings = tuple(asking.standings())
                if retry.failures:
                    retry.succeeded()
                self._clock.wait(self._wake, TICK_SECONDS)
            if asking is not None and asking.standings():
                # What was signed at the end; the log stands still behind it, maybe for long.
                until_done(asking, self._clock, self._wake, seconds_max=_LAST_SECONDS_MAX)
        finally:
            with suppress(Exception):
                lease.close()
            trail.close()

    def _asking(self, trail: Witnessed, post: Post) -> Asking:
        return Asking(
            trail.store,
            own=trail.own_policy(),
            post=post,
            spawn=spawned,
            alarms=Told(trail, self._clock),
            clock=self._clock,
            tell=self._tell,
            wake=self._wake.set,
        )


class Silent:
    """Alarms and lines that are for nobody: whoever asks once sees the answers."""

    def __call__(self, said: str, /, **about: str | int | float) -> None: ...
    def lagging(self, seconds: float, size: int) -> None: ...
    def caught_up(self) -> None: ...
    def refused(self, one: Asked) -> None: ...
    def accepted(self, one: Asked) -> None: ...


def ask_once(trail: Witnessed, *, clock: Clock, seconds_max: float) -> Asking:
    """Ask every witness for the newest checkpoint; what came of it, at the latest after a while."""
    wake = threading.Event()
    with Http(limits=_LIMITS, agent="deploytrail-witnessing") as http:
        asking = Asking(
            trail.store,
            own=trail.own_policy(),
            post=posting(http),
            spawn=spawned,
            alarms=Silent(),
            clock=clock,
            tell=Silent(),
            wake=wake.set,
        )
        until_done(asking, clock, wake, seconds_max=seconds_max)
    return asking


def until_done(asking: Asking, clock: Clock, wake: threading.Event, *, seconds_max: float) -> None:
    """Ask for the newest checkpoint until it has its quorum, or for so long; `wake` is set at each
    answer.
    """
    until = clock.monotonic() + seconds_max
    while True:
        wake.clear()
        asking.tick()
        if not asking.standings() or asking.is_done or clock.monotonic() >= until:
            return
        clock.wait(wake, TICK_SECONDS)


def posting(http: Http) -> Post:
    """Through a pool. A request may well arrive twice: the second one is told the new size."""
    return lambda url, body: http.post(url, body, {"content-type": "text/plain"}, repeats=1)


def spawned(work: Callable[[], None]) -> None:
    """In a thread that no end of the process waits for."""
    threading.Thread(target=work, name="witness", daemon=True).start()
