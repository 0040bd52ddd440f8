"""The parts of a server put together over a trail, started and ended in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from deploytrail.app.connections.taking import Keys
from deploytrail.app.published import size_signed
from deploytrail.clock import Clock
from deploytrail.errors import DeploytrailError
from deploytrail.web.application import Application
from deploytrail.web.backups import Backups, Scratch, scratch
from deploytrail.web.body import Budget
from deploytrail.web.call import Server
from deploytrail.web.connecting import Connections, Known
from deploytrail.web.hub import Hub, New
from deploytrail.web.journal import Journal
from deploytrail.web.knowing import Authenticate, Knowing, Recognise
from deploytrail.web.matching import Compile, Matching
from deploytrail.web.metrics import Metrics
from deploytrail.web.readers import Readers
from deploytrail.web.readiness import Readiness
from deploytrail.web.reading import ServedTrail
from deploytrail.web.refusals import Refusals
from deploytrail.web.routes import tailing
from deploytrail.web.routes.backing import SILENT_SECONDS
from deploytrail.web.routes.table import TABLE
from deploytrail.web.waiting import Reach, Waiting
from deploytrail.web.writer import Answers, Recording, Writer

STOP_SECONDS_MAX: Final = 5
LOOKUP_THREADS: Final = 2


class Parts(NamedTuple):
    """What the server is made over. Each of `…_opened` is called in the thread that uses it."""

    origin: str
    writing_opened: Callable[[], Recording]
    reading_opened: Callable[[], ServedTrail]
    authenticate: Authenticate
    """Called in a thread of its own: it may wait for the store."""
    compiled: Compile
    clock: Clock
    known_connections: Known
    keys: Keys
    journal: Journal
    recognise: Recognise = lambda _: None
    """Called on the event loop: it answers at once."""
    is_fenced: Callable[[], bool] = lambda: False
    """Whether somebody, perhaps another process, has fenced the log."""
    scratch: Scratch = scratch
    """Where a backup is written before it is sent."""
    silent_seconds: float = SILENT_SECONDS


def _indexed(served: ServedTrail) -> Reach:
    return Reach(served.searching.indexed(), served.trail.size())


def _signed(served: ServedTrail) -> Reach:
    return Reach(size_signed(served.trail.store), served.trail.size())


class Assembled:
    """A server that lacks nothing but a socket. Made and started on the event loop.

    `hosts` and `is_secure` are as `Application` has them.
    """

    def __init__(self, parts: Parts, *, hosts: frozenset[str] | None, is_secure: bool) -> None:
        self._parts = parts
        self.has_failed = False
        """Whether the server ends because it can't go on."""
        self._metrics = Metrics()
        self._loop = asyncio.get_running_loop()
        self.refusals = Refusals(parts.journal, self._metrics, self._loop.call_later)
        self.writer = Writer(
            parts.writing_opened, committed=self._committed, hand_over=self._hand_over
        )
        self.hub = Hub(
            lambda: parts.reading_opened().trail,
            self._sent,
            self._unread,
            is_writing=self.writer.is_writing,
        )
        lookups = Readers(parts.reading_opened, threads=LOOKUP_THREADS)
        self.server = Server(
            table=TABLE,
            clock=parts.clock,
            writer=self.writer,
            readers=Readers(parts.reading_opened),
            lookups=lookups,
            readiness=Readiness(parts.reading_opened),
            waiting=Waiting(lambda: lookups.ask(_indexed)),
            signed=Waiting(lambda: lookups.ask(_signed)),
            hub=self.hub,
            budget=Budget(),
            metrics=self._metrics,
            knowing=Knowing(parts.recognise, parts.authenticate),
            matching=Matching(parts.compiled),
            connections=Connections(parts.known_connections, parts.keys),
            exporting=asyncio.Lock(),
            backups=Backups(parts.reading_opened, parts.clock, parts.scratch),
            silent_seconds=parts.silent_seconds,
            origin=parts.origin,
            ending=asyncio.Event(),
        )
        self.application = Application(self.server, parts.journal, hosts=hosts, is_secure=is_secure)

    def start(self) -> None:
        self._parts.journal.start()
        self.writer.start()
        self.hub.start()

    def end_streams(self) -> None:
        """What has no end of its own, or waits for others, ends now."""
        self.server.ending.set()
        self.server.waiting.end()
        self.server.signed.end()
        self.hub.rouse()
        self.refusals.end()

    def end(self) -> bool:
        """Whether all that was taken was also answered. Off the event loop: it is waited for."""
        is_answered = self.writer.end(seconds_max=STOP_SECONDS_MAX)
        self.hub.end()
        self.server.backups.close()
        self.server.readers.close()
        self.server.lookups.close()
        self.server.readiness.close()
        self.server.knowing.close()
        self.server.connections.close()
        self._parts.journal.end()
        return is_answered and self.writer.fault is None and not self.has_failed

    def _committed(self, answers: Answers) -> None:
        self._metrics.commit_events.observe(len(answers))
        self.hub.hear(answers)

    def _hand_over(self, tell: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(tell)

    def _unread(self, error: Exception) -> None:
        """Nobody who listens hears anything until it is mended."""
        if isinstance(error, DeploytrailError):
            self._parts.journal.tell("tail", why=str(error))
        else:
            self._parts.journal.fault(error)

    def _sent(self, one: New) -> bytes:
        return tailing.sent(one, self._parts.origin)
