"""The application: each request is found its route, its asker and its parameters, then answered.

Everything that is refused is a problem; everything that happens is one line of the journal.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final, cast

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from deploytrail.access.principal import Principal
from deploytrail.errors import DeploytrailError, EvidenceError, OwnError
from deploytrail.kit.credential import Unproven
from deploytrail.web import problem
from deploytrail.web.accepting import refuse_unacceptable
from deploytrail.web.asking import asked
from deploytrail.web.call import Call, Server
from deploytrail.web.exchange import Exchange
from deploytrail.web.hosts import refuse_foreign, refuse_repeated
from deploytrail.web.journal import Journal
from deploytrail.web.problem import InOtherWords
from deploytrail.web.refusals import NO_ROUTE
from deploytrail.web.route import Found

ANYBODY: Final = Principal("anybody", "nobody", frozenset())
_ID_BYTES: Final = 8
_IDS: Final = 256


class Application:
    """ASGI, for HTTP alone. `hosts` are the names that it answers to, None for any."""

    def __init__(
        self,
        server: Server,
        journal: Journal,
        *,
        hosts: frozenset[str] | None,
        is_secure: bool = False,
    ) -> None:
        self._server = server
        self._journal = journal
        self._hosts = hosts
        self._is_secure = is_secure
        self._ids: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        id = self._next_id()
        exchange = Exchange(scope, receive, send, id=id, is_secure=self._is_secure)
        told = _Told()
        try:
            await self._answer(exchange, told)
        except ClientDisconnect:
            told.is_gone = True
        except asyncio.CancelledError:
            told.is_gone = True
            raise
        finally:
            self._tell(exchange, told, loop.time() - begun)

    def _next_id(self) -> str:
        """Some at a time: asking the system for random bytes lets go of the interpreter."""
        if not self._ids:
            octets = self._server.clock.random(_ID_BYTES * _IDS).hex()
            self._ids = [
                octets[at : at + 2 * _ID_BYTES] for at in range(0, len(octets), 2 * _ID_BYTES)
            ]
        return self._ids.pop()

    async def _answer(self, exchange: Exchange, told: _Told) -> None:
        try:
            response = await self._response(exchange, told)
            if exchange.scope["method"] == "HEAD" and isinstance(response, StreamingResponse):
                # What has a body without an end has a head all the same.
                response = _head(response)
            await exchange.answer(response)
        except ClientDisconnect:
            raise
        except Exception as raised:  # noqa: BLE001 (every exception has its problem)
            error = raised.error if isinstance(raised, InOtherWords) else raised
            if not isinstance(error, DeploytrailError):
                self._journal.fault(error, request=exchange.id)
            is_ended = exchange.has_begun and isinstance(error, DeploytrailError)
            if is_ended or isinstance(error, OwnError | EvidenceError | Unproven):
                told.why = str(error)
            if isinstance(error, Unproven) and told.route is not None:
                told.connection = told.route.parts.get("connection", "")
            if exchange.has_begun:
                # What was begun can't be taken back; that it is not whole must show.
                exchange.abort()
                return
            await self._refuse(exchange, raised)

    async def _refuse(self, exchange: Exchange, error: Exception) -> None:
        if isinstance(error, InOtherWords):
            await exchange.answer(error.response)
            return
        found = problem.problem(error, instance=exchange.id)
        headers = problem.headers_of(error)
        response = Response(
            problem.encoded(found), found.status, headers, media_type=problem.MEDIA_TYPE
        )
        await exchange.answer(response)

    async def _response(self, exchange: Exchange, told: _Told) -> Response:
        server = self._server
        request = Request(exchange.scope, exchange.receive)
        refuse_repeated([name for name, _ in exchange.scope["headers"]])
        refuse_foreign(request.headers.get("host"), self._hosts)
        found = server.table.find(request.method, _path(exchange.scope))
        told.route = found
        principal = ANYBODY
        if found.route.permission is not None:
            principal = await server.knowing.principal(request.headers.get("authorization"))
            told.principal = principal.id
            principal.may(found.route.permission)
        refuse_unacceptable(request.headers.get("accept"), found.route)
        query = await asked(request, found.route, server.budget)
        call = Call(server, request, exchange.id, principal, query, found.parts)
        response = await found.route.answer(call)
        if isinstance(response, StreamingResponse) and found.route.permission is not None:
            header = request.headers.get("authorization")
            pieces = cast("AsyncGenerator[bytes, None]", response.body_iterator)
            response.body_iterator = server.knowing.while_known(pieces, header, principal)
        return response

    def _tell(self, exchange: Exchange, told: _Told, seconds: float) -> None:
        route = told.route.route.path if told.route else NO_ROUTE
        metrics = self._server.metrics
        metrics.requests.add(route=route, status=str(exchange.status))
        metrics.request_seconds.observe(seconds, route=route)
        self._journal.tell(
            "request",
            method=exchange.scope["method"],
            route=route,
            status=exchange.status,
            ms=round(seconds * 1000, 3),
            bytes=exchange.sent_bytes,
            principal=told.principal,
            request=exchange.id,
            **({"why": told.why} if told.why else {}),
            **({"connection": told.connection} if told.connection else {}),
            **({"gone": True} if told.is_gone else {}),
        )


def _path(scope: Scope) -> str:
    """The path, decoded; a slash that is percent-encoded is none: a proxy may take it for text."""
    raw: bytes = scope["raw_path"]
    return raw.decode("ascii", "replace") if b"%2f" in raw.lower() else str(scope["path"])


def _head(streaming: StreamingResponse) -> Response:
    head = Response(b"", streaming.status_code)
    head.raw_headers = streaming.raw_headers
    return head


class _Told:
    """What the journal says of a request, as far as it became known."""

    def __init__(self) -> None:
        self.route: Found | None = None
        self.principal = ""
        self.why = ""
        self.connection = ""
        """Whose credential was not shown; one that is declared."""
        self.is_gone = False
