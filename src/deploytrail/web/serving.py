"""The serving process: a socket, the event loop, and an end in order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, NamedTuple, cast

import uvicorn
import uvloop

from deploytrail.kit.listening import Certificate, url_of
from deploytrail.web.assembling import STOP_SECONDS_MAX, Assembled, Parts
from deploytrail.web.hosts import LOOPBACK
from deploytrail.web.protocol import GuardedProtocol

KEEP_ALIVE_SECONDS: Final = 30
_LOOK_SECONDS: Final = 0.5
_SWITCH_SECONDS: Final = 0.001


class Listening(NamedTuple):
    """Where and how it listens."""

    socket: socket.socket
    certificate: Certificate | None = None
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
        return url_of(self.socket, is_tls=self.is_secure)


def serve(parts: Parts, where: Listening, *, started: Callable[[], None]) -> bool:
    """Serves until SIGTERM or SIGINT, or until nothing can be written any more.

    Whether all that was taken was also answered. `started` is called once it listens.
    """
    # The event loop waits this long for a thread that computes; with 5 ms, which is usual, the
    # slowest hundredth of single requests waited half as long again, and batches gained nothing.
    sys.setswitchinterval(_SWITCH_SECONDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(parts, where, started))


async def _serve(parts: Parts, where: Listening, started: Callable[[], None]) -> bool:
    loop = asyncio.get_running_loop()
    assembled = Assembled(parts, hosts=where.hosts, is_secure=where.is_secure)
    server = _Uvicorn(_config(assembled, where), assembled.end_streams)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    assembled.start()
    watching = asyncio.create_task(_watch(server, assembled, parts, started))
    try:
        await server.serve(sockets=[where.socket])
    finally:
        watching.cancel()
        is_answered = await loop.run_in_executor(None, assembled.end)
    return is_answered


async def _watch(
    server: _Uvicorn, assembled: Assembled, parts: Parts, started: Callable[[], None]
) -> None:
    """Tells that it has begun, and ends it once nothing can be written any more."""
    while not server.started:
        await asyncio.sleep(0.01)
    started()
    while assembled.writer.fault is None and not parts.is_fenced():
        await asyncio.sleep(_LOOK_SECONDS)
    assembled.has_failed = True
    why = assembled.writer.fault or "the log is fenced; 'deploytrail doctor' examines it"
    parts.journal.tell("ended", why=str(why))
    server.stop()


class _Uvicorn(uvicorn.Server):
    """uvicorn's server without its signals: those are ours."""

    def __init__(self, config: uvicorn.Config, ending: Callable[[], None]) -> None:
        super().__init__(config)
        self._ending = ending

    def stop(self) -> None:
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Streams end first, so that what is in flight is all that is waited for.
        self._ending()
        await super().shutdown(sockets)


def _config(assembled: Assembled, where: Listening) -> uvicorn.Config:
    protocol = partial(GuardedProtocol, refused=assembled.refusals.tell)
    return uvicorn.Config(
        assembled.application,
        # It only calls it, and thinks of a class.
        http=cast("type[GuardedProtocol]", protocol),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        # Nothing here depends on a client's address or scheme, so nobody is believed about them:
        # who gets past the proxy could else write whatever he likes.
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS_MAX,
        ssl_certfile=None if where.certificate is None else where.certificate.chain,
        ssl_keyfile=None if where.certificate is None else where.certificate.key,
        ssl_version=ssl.PROTOCOL_TLS_SERVER,
    )
