"""A witness over HTTP: `POST /add-checkpoint`, and what whoever runs it looks at.

The event loop reads requests, within limits of size and time; answers are made in threads, because
they wait for the disk.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple, cast

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from deploytrail.errors import DeploytrailError
from deploytrail.kit.listening import Certificate
from deploytrail.log import note as notes
from deploytrail.log import witnessing
from deploytrail.witness.answer import Reply
from deploytrail.witness.keeping import Witness

COSIGNED: Final = "/cosigned"
"""With `?origin=`: the checkpoint of that log which was cosigned last."""
_STOP_SECONDS_MAX: Final = 5


HEADER_SECONDS_MAX: Final = 5.0
HEADER_BYTES_MAX: Final = 65_536


class Limits(NamedTuple):
    """What a client may take of us."""

    body_seconds_max: float = 5.0
    connections_max: int = 256


LIMITS: Final = Limits()


def application(witness: Witness, limits: Limits = LIMITS) -> Starlette:
    """The witness as an ASGI application."""

    async def add_checkpoint(request: Request) -> Response:
        try:
            async with asyncio.timeout(limits.body_seconds_max):
                body = await _body(request)
        except TimeoutError:
            return _response(Reply(408, b"body: it took too long to come; try again\n"))
        except ClientDisconnect:
            return _response(Reply(400, b"body: it ended too early\n"))
        if body is None:
            limit = witnessing.REQUEST_BYTES_MAX
            return _response(Reply(413, f"body: expected at most {limit} bytes\n".encode()))
        return _response(await run_in_threadpool(witness.answer, body))

    async def index(_: Request) -> Response:
        keys = "".join(f"{notes.encode_vkey(one.key)}\n" for one in witness.signers)
        origins = "".join(f"{origin}\n" for origin in witness.logs)
        return PlainTextResponse(f"witness\n{keys}\nlogs\n{origins}")

    async def cosigned(request: Request) -> Response:
        """Not of the specification: what others hold a log against."""
        origin = request.query_params.get("origin", "")
        try:
            found = await run_in_threadpool(witness.cosigned, origin)
        except (DeploytrailError, OSError):
            return PlainTextResponse("this witness is broken\n", status_code=500)
        if found is None:
            return PlainTextResponse("origin: nothing was cosigned of that log\n", status_code=404)
        return PlainTextResponse(found)

    async def health(_: Request) -> Response:
        if witness.is_storing:
            return PlainTextResponse("ok\n")
        return PlainTextResponse("what is cosigned could not be stored\n", status_code=503)

    async def metrics(_: Request) -> Response:
        return PlainTextResponse(_metrics(witness), media_type="text/plain; version=0.0.4")

    return Starlette(
        routes=[
            Route(witnessing.PATH, add_checkpoint, methods=["POST"]),
            Route("/", index),
            Route(COSIGNED, cosigned),
            Route("/healthz", health),
            Route("/metrics", metrics),
        ]
    )


async def _body(request: Request) -> bytes | None:
    """The body, or None where it is larger than any that we would read."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > witnessing.REQUEST_BYTES_MAX:
            return None
    return bytes(body)


def _response(reply: Reply) -> Response:
    return Response(reply.body, reply.status, {"content-type": reply.content_type})


def _metrics(witness: Witness) -> str:
    """Prometheus's text format; no foreign text stands in a label."""
    name = "deploytrail_witness_answers_total"
    answers = [
        f'{name}{{status="{status}"}} {count}'
        for status, count in sorted(witness.answers().items())
    ]
    return "\n".join(
        (
            f"# TYPE {name} counter",
            *answers,
            "# TYPE deploytrail_witness_logs gauge",
            f"deploytrail_witness_logs {len(witness.logs)}",
            "# TYPE deploytrail_witness_contradicted_logs gauge",
            f"deploytrail_witness_contradicted_logs {witness.contradicted()}",
            "# TYPE deploytrail_witness_storing gauge",
            f"deploytrail_witness_storing {int(witness.is_storing)}",
            "",
        )
    )


class _Impatient(HttpToolsProtocol):
    """A connection; uvicorn's own waits for a header for ever, and for one of any length.

    Who takes connections and asks nothing would keep others out: there may be so many and no more.
    """

    _waiting: asyncio.TimerHandle | None = None
    """There while a header is waited for."""
    _header_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self._await_header()

    def connection_lost(self, exc: Exception | None) -> None:
        self._header_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._waiting is not None:
            self._header_bytes += len(data)
            if self._header_bytes > HEADER_BYTES_MAX + witnessing.REQUEST_BYTES_MAX:
                # More than a request that came in one piece.
                self.transport.abort()
                return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self._header_came()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._await_header()

    def _await_header(self) -> None:
        self._header_came()
        self._waiting = self.loop.call_later(HEADER_SECONDS_MAX, self._is_late)

    def _header_came(self) -> None:
        self._header_bytes = 0
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _is_late(self) -> None:
        self._waiting = None
        # Of two requests that came together, the second one may be under way.
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            self.transport.abort()


class _Server(uvicorn.Server):
    """Stops at a signal without raising it again: the exit code is ours to say."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(
    app: Starlette,
    listener: socket.socket,
    *,
    certificate: Certificate | None = None,
    limits: Limits = LIMITS,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGINT or SIGTERM; requests that are under way get their answer."""
    config = uvicorn.Config(
        app,
        http=_Impatient,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        limit_concurrency=limits.connections_max,
        timeout_graceful_shutdown=_STOP_SECONDS_MAX,
        ssl_certfile=None if certificate is None else certificate.chain,
        ssl_keyfile=None if certificate is None else certificate.key,
    )
    server = _Server(config)

    async def until_stopped() -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, setattr, server, "should_exit", True)
        loop.call_soon(ready)
        await server.serve(sockets=[listener])

    asyncio.run(until_stopped())
