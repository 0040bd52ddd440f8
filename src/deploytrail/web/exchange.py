"""One request and its answer on the wire: what every answer carries, and what is told of it.

Whoever does not take what it is sent is cut off: nothing waits for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from deploytrail.web.header import NO_STORE

SEND_SECONDS_MAX: Final = 30
WHOLE_BYTES_MAX: Final = 64 * 1024
"""Of an answer that is copied behind its header, to be sent with it."""
HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
UNKEPT: Final = (b"cache-control", NO_STORE.value.encode())
_HSTS: Final = (b"strict-transport-security", b"max-age=31536000")


class Exchange:
    """`send` with the headers of the house, a time limit, and a memory of what went out."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, *, id: str, is_secure: bool
    ) -> None:
        self.scope = scope
        self.receive = receive
        self._send = send
        self.id = id
        self._is_secure = is_secure
        self.status = 0
        self.sent_bytes = 0
        self.has_begun = False

    async def answer(self, response: Response) -> None:
        """Raises ClientDisconnect where the other side takes nothing for too long."""
        whole = self._whole(response)
        if whole is None:
            await response(self.scope, self.receive, self.send)
            return
        self.has_begun = True
        self.status = response.status_code
        self.sent_bytes = len(response.body)
        whole(response.status_code, self._headers(response.raw_headers), response.body)

    def _whole(self, response: Response) -> Callable[..., None] | None:
        """What sends header and body at once; None where one has to come after the other."""
        if (
            type(response) is not Response
            or self.scope["method"] == "HEAD"
            or not 0 < len(response.body) <= WHOLE_BYTES_MAX
            or self._is_awaited()
        ):
            return None
        state: dict[str, Any] = self.scope.get("state", {})
        return state.get("whole")

    async def send(self, message: Message) -> None:
        """Raises ClientDisconnect where the other side takes nothing for too long."""
        if message["type"] == "http.response.start":
            self.has_begun = True
            self.status = message["status"]
            message["headers"] = self._headers(message.get("headers", ()))
        else:
            self.sent_bytes += len(message.get("body", b""))
        if not self._is_awaited():
            await self._send(message)
            return
        try:
            async with asyncio.timeout(SEND_SECONDS_MAX):
                await self._send(message)
        except TimeoutError:
            self.abort()
            raise ClientDisconnect from None

    def _is_awaited(self) -> bool:
        """Whether the other side has still to take what was sent before."""
        state: dict[str, Any] = self.scope.get("state", {})
        is_paused: Callable[[], bool] | None = state.get("is_paused")
        return is_paused is None or is_paused()

    def abort(self) -> None:
        """Ends the connection at once, without waiting until what was sent is taken."""
        state: dict[str, Any] = self.scope.get("state", {})
        abort: Callable[[], None] | None = state.get("abort")
        if abort is not None:
            abort()

    def _headers(self, given: Any) -> list[tuple[bytes, bytes]]:
        found = [*given, *HEADERS, (b"x-request-id", self.id.encode())]
        if not any(name == b"cache-control" for name, _ in found):
            found.append(UNKEPT)
        if self._is_secure:
            found.append(_HSTS)
        return found
