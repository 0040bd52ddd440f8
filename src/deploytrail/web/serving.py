"""The serving process: the parts put together, the event loop run, and all of it ended in order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import uvicorn
import uvloop

from deploytrail.app.claimed import Heard
from deploytrail.clock import Clock
from deploytrail.trail import Shown
from deploytrail.web.application import Application
from deploytrail.web.body import Budget
from deploytrail.web.call import Authenticate, Server
from deploytrail.web.hosts import LOOPBACK
from deploytrail.web.hub import Hub
from deploytrail.web.journal import Journal
from deploytrail.web.metrics import Metrics
from deploytrail.web.protocol import GuardedProtocol
from deploytrail.web.readers import Readers
from deploytrail.web.reading import ServedTrail
from deploytrail.web.routes import tailing
from deploytrail.web.routes.table import TABLE
from deploytrail.web.writer import Recording, Writer

STOP_SECONDS_MAX: Final = 5
KEEP_ALIVE_SECONDS: Final = 30

__all__ = ["Heard", "Listening", "Parts", "listening", "serve"]


class Parts(NamedTuple):
    """What the server is made over. Each of `…_opened` is called in the thread that uses it."""

    origin: str
    writing_opened: Callable[[], Recording]
    reading_opened: Callable[[], ServedTrail]
    authenticate: Authenticate
    """Called on the event loop: it answers at once."""
    clock: Clock
    journal: Journal


class Listening(NamedTuple):
    """Where and how it listens. `certificate` and `key` are PEM files."""

    socket: socket.socket
    certificate: str | None = None
    key: str | None = None
    is_behind_proxy: bool = False

    @property
    def is_secure(self) -> bool:
        return self.certificate is not None

    @property
    def hosts(self) -> frozenset[str] | None:
        """Names are checked only where everybody is a neighbour: else a proxy, or TLS, does it."""
        return None if self.is_secure or self.is_behind_proxy else LOOPBACK

    @property
    def url(self) -> str:
        host, port = self.socket.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        return f"{'https' if self.is_secure else 'http'}://{shown}:{port}"


def listening(host: str, port: int) -> socket.socket:
    """A socket bound to that; raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except BaseException:
        bound.close()
        raise
    return bound


def serve(parts: Parts, where: Listening, *, started: Callable[[], None]) -> bool:
    """Serves until SIGTERM or SIGINT, or until nothing can be written any more; whether all that
    was taken was also answered. `started` is called once it listens."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_Serving(parts, where, started).run())


class _Serving:
    def __init__(self, parts: Parts, where: Listening, started: Callable[[], None]) -> None:
        self._parts = parts
        self._started = started
        self._journal = parts.journal
        metrics = Metrics()
        self.hub = Hub(lambda: parts.reading_opened().trail, self._sent)
        self.writer = Writer(parts.writing_opened, committed=self._committed)
        self._metrics = metrics
        self.server = Server(
            table=TABLE,
            clock=parts.clock,
            writer=self.writer,
            readers=Readers(parts.reading_opened),
            hub=self.hub,
            budget=Budget(),
            metrics=metrics,
            authenticate=parts.authenticate,
            origin=parts.origin,
            ending=asyncio.Event(),
        )
        application = Application(
            self.server, parts.journal, hosts=where.hosts, is_secure=where.is_secure
        )
        self._uvicorn = _Uvicorn(_config(application, where), self._end_streams)
        self._socket = where.socket

    async def run(self) -> bool:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        self._journal.start()
        self.writer.start()
        self.hub.start()
        watching = asyncio.create_task(self._watch())
        try:
            await self._uvicorn.serve(sockets=[self._socket])
        finally:
            watching.cancel()
            self.hub.end()
            is_answered = self.writer.end(seconds_max=STOP_SECONDS_MAX)
            self.server.readers.close()
            self._journal.end()
        return is_answered and self.writer.fault is None

    def stop(self) -> None:
        self._uvicorn.should_exit = True

    async def _watch(self) -> None:
        """Tells that it has begun, and ends it once nothing can be written any more."""
        while not self._uvicorn.started:
            await asyncio.sleep(0.01)
        self._started()
        while self.writer.fault is None:
            await asyncio.sleep(0.5)
        self._journal.tell("fenced", why=str(self.writer.fault))
        self.stop()

    def _committed(self, events: int) -> None:
        self._metrics.commit_events.observe(events)
        self.hub.wake()

    def _sent(self, one: Shown) -> bytes:
        return tailing.sent(one, self._parts.origin)

    def _end_streams(self) -> None:
        self.server.ending.set()
        self.hub.rouse()


class _Uvicorn(uvicorn.Server):
    """uvicorn's server without its signals: those are ours."""

    def __init__(self, config: uvicorn.Config, ending: Callable[[], None]) -> None:
        super().__init__(config)
        self._ending = ending

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # What has no end of its own ends now, so that what is in flight is all that is waited for.
        self._ending()
        await super().shutdown(sockets)


def _config(application: Application, where: Listening) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http=GuardedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=where.is_behind_proxy,
        # A proxy is believed in what it says of its clients; without --behind-proxy nobody is.
        forwarded_allow_ips="*" if where.is_behind_proxy else None,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS_MAX,
        ssl_certfile=where.certificate,
        ssl_keyfile=where.key,
        ssl_version=ssl.PROTOCOL_TLS_SERVER,
    )
