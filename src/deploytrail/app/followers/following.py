"""What runs beside the server: the publisher, and whoever follows the log.

Two threads, so that no view can hold up what is signed: one publishes about every second, one
reads the log and moves views and actors. Either may fail for a while; only what must not go on
(a fence, a log that was set back) ends both.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Final, NamedTuple, Protocol

from deploytrail.app.followers.board import Writable
from deploytrail.clock import Clock
from deploytrail.errors import (
    EvidenceError,
    Fenced,
    Misconfigured,
    NotFound,
    NotPermitted,
)
from deploytrail.follow.actor import Actor, ActorHost, Append, Bookmarks
from deploytrail.follow.hosting import ViewHost
from deploytrail.follow.lease import Lease
from deploytrail.follow.reading import Disclose
from deploytrail.follow.retry import Retry
from deploytrail.follow.rounds import Rounds
from deploytrail.follow.told import Standing, Tell
from deploytrail.follow.view import ViewStore
from deploytrail.log.store import LogReader, Reading
from deploytrail.trail import LOCAL_INSTANCE

PUBLISH_SECONDS: Final = 1.0
IDLE_SECONDS: Final = 0.1
"""How long nobody looks at a log of which everybody has everything."""
_PAUSES: Final = 2
PAUSE_SECONDS_MAX: Final = 0.25
"""Who keeps up rests twice as long as it worked, up to this: what comes meanwhile is taken in one
piece, which costs an index half of what four small ones do, and whoever writes has the processor.
"""
BOARD_SECONDS: Final = 5.0
REST_SECONDS: Final = 10.0
STOP_SECONDS_MAX: Final = 10.0
_FATAL: Final = (Fenced, EvidenceError, NotFound, NotPermitted, Misconfigured)
"""What no retry mends, where it concerns the log itself."""


class Publishing(Protocol):
    """What signs the log: a trail of its own, since it belongs to the thread that opened it."""

    def publish(self) -> object: ...
    def close(self) -> None: ...


class Followed(NamedTuple):
    """A log that is followed, open in the thread that reads it.

    `refuse_fenced` raises Fenced once the log is. `append` is what actors append with.
    """

    origin: str
    reading: Reading[LogReader]
    disclose: Disclose
    append: Append
    refuse_fenced: Callable[[], None]
    close: Callable[[], None]


class Beside(Protocol):
    """Something with a thread of its own that holds nobody up, such as asking witnesses."""

    def running(self) -> AbstractContextManager[None]: ...
    def standings(self) -> Sequence[Standing]: ...


class Parts(NamedTuple):
    """What the process is made of. Each of `…_opened` is called in the thread that uses it.

    A lease belongs to the follower beside it. `rest` is called now and then between rounds.
    `beside` runs as long as all of this does, and is shown with the followers.
    """

    followed_opened: Callable[[], Followed]
    publishing_opened: Callable[[], Publishing]
    views: Sequence[tuple[ViewStore, Lease]]
    actors: Sequence[tuple[Actor, Lease]]
    bookmarks: Bookmarks
    board: Writable
    clock: Clock
    tell: Tell
    rest: Callable[[], object] = lambda: None
    beside: Sequence[Beside] = ()


class Following:
    """Runs until `stopping` is set; then it ends between two pieces, within about a second."""

    def __init__(self, parts: Parts, stopping: threading.Event) -> None:
        self._parts = parts
        self._stopping = stopping
        self._fatal: Exception | None = None
        self._published_because = ""

    def run(self) -> None:
        """Raises what must not go on, such as Fenced, once both threads have ended."""
        publisher = threading.Thread(target=self._publish_on, name="publisher", daemon=True)
        with ExitStack() as beside:
            # Ended behind the publisher: what it signs last is theirs, too.
            for one in self._parts.beside:
                beside.enter_context(one.running())
            publisher.start()
            try:
                self._follow()
            finally:
                self._stopping.set()
                publisher.join(STOP_SECONDS_MAX)
        if self._fatal is not None:
            raise self._fatal

    def _follow(self) -> None:
        followed = self._followed()
        if followed is None:
            return
        hosts: list[ViewHost | ActorHost] = []
        try:
            hosts += self._hosts(followed)
            self._parts.tell("following", followers=len(hosts))
            self._loop(followed, hosts)
        finally:
            for host in hosts:
                host.close()
            followed.close()
            self._parts.board.remove()

    def _followed(self) -> Followed | None:
        """The log, opened as soon as that can be; None where it is to stop before."""
        parts, retry = self._parts, Retry(self._parts.clock)
        while not self._stopping.is_set():
            try:
                return parts.followed_opened()
            except _FATAL:
                raise
            except Exception as error:  # noqa: BLE001 (a database may come back)
                retry.failed(error, is_passing=True)
                parts.tell("log can't be opened", reason=retry.reason)
                self._wait_for(retry)
        return None

    def _hosts(self, followed: Followed) -> list[ViewHost | ActorHost]:
        parts = self._parts

        def size() -> int:
            with followed.reading() as reader:
                return reader.tree().size

        views: list[ViewHost | ActorHost] = [
            ViewHost(store, lease, origin=followed.origin, clock=parts.clock, tell=parts.tell)
            for store, lease in parts.views
        ]
        return views + [
            ActorHost(
                actor,
                lease,
                bookmarks=parts.bookmarks,
                append=followed.append,
                size=size,
                instance=LOCAL_INSTANCE,
                clock=parts.clock,
                tell=parts.tell,
            )
            for actor, lease in parts.actors
        ]

    def _loop(self, followed: Followed, hosts: Sequence[ViewHost | ActorHost]) -> None:
        parts = self._parts
        rounds = Rounds(
            followed.reading,
            followed.disclose,
            hosts,
            parts.clock,
            is_stopping=self._stopping.is_set,
        )
        told: tuple[Standing, ...] = ()
        told_at = rested_at = parts.clock.monotonic()
        while not self._stopping.is_set():
            # Nobody is to go on beside a fence: whoever starts us waits for our end.
            followed.refuse_fenced()
            begun = parts.clock.monotonic()
            has_read = rounds.round()
            now = parts.clock.monotonic()
            standings = (*(host.standing() for host in hosts), *_standings(parts.beside))
            if _states(standings) != _states(told) or now - told_at >= BOARD_SECONDS:
                told, told_at = standings, now
                parts.board.write(parts.clock.now(), standings, published=self._published_because)
            if now - rested_at >= REST_SECONDS:
                rested_at = now
                parts.rest()
            if not has_read:
                parts.clock.wait(self._stopping, IDLE_SECONDS)
            elif not rounds.is_behind:
                parts.clock.wait(self._stopping, min(_PAUSES * (now - begun), PAUSE_SECONDS_MAX))

    def _publish_on(self) -> None:
        """The publisher's thread: until the end, and once more at the end."""
        parts, retry = self._parts, Retry(self._parts.clock)
        publishing: Publishing | None = None
        is_last = False
        while True:
            try:
                publishing = publishing or parts.publishing_opened()
                publishing.publish()
            except _FATAL as error:
                self._fatal = error
                self._stopping.set()
                break
            except Exception as error:  # noqa: BLE001 (what is not signed now is signed later)
                _close(publishing)
                publishing = None
                retry.failed(error, is_passing=True)
                parts.tell("publishing failed", reason=retry.reason)
            else:
                if retry.failures:
                    parts.tell("publishing goes on")
                    retry.succeeded()
            self._published_because = retry.reason
            if is_last:
                break
            if retry.failures:
                self._wait_for(retry)
            else:
                parts.clock.wait(self._stopping, PUBLISH_SECONDS)
            is_last = self._stopping.is_set()
        _close(publishing)

    def _wait_for(self, retry: Retry) -> None:
        while not retry.is_due() and not self._stopping.is_set():
            self._parts.clock.wait(self._stopping, IDLE_SECONDS)


def _close(publishing: Publishing | None) -> None:
    if publishing is not None:
        publishing.close()


def _standings(beside: Sequence[Beside]) -> list[Standing]:
    return [standing for one in beside for standing in one.standings()]


def _states(standings: Sequence[Standing]) -> list[tuple[str, str, str]]:
    """What is told at once where it changes; cursors change all the time."""
    return [(one.name, one.state, one.reason) for one in standings]
