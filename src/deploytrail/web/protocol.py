"""One connection: uvicorn's protocol with limits on what a stranger may send, and how slowly."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from deploytrail.errors import DeploytrailError, Malformed, Overloaded
from deploytrail.web import problem
from deploytrail.web.problem import HeadersTooLarge

CONNECTIONS_MAX: Final = 2_000
HEADER_BYTES_MAX: Final = 262_144
HEADER_SECONDS_MAX: Final = 10
DRAINED_BYTES_MAX: Final = 64 * 1024 * 1024
"""Of a body that was answered before it had come: as much is let by, so that the answer arrives."""


class GuardedProtocol(HttpToolsProtocol):
    """As uvicorn's; what is refused here is refused before there is a request."""

    _header_timer: asyncio.TimerHandle | None = None
    _header_bytes = 0
    _drained_bytes = 0
    _is_in_header = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX:
            self._refuse(
                Overloaded(
                    f"server: expected at most {CONNECTIONS_MAX} connections, found more; "
                    "try again a little later"
                )
            )
            return
        # Also who sends nothing at all is not waited for.
        self._await_header()

    def connection_lost(self, exc: Exception | None) -> None:
        self._header_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._is_in_header:
            self._header_bytes += len(data)
        super().data_received(data)
        if not self._is_in_header:
            return
        if self._header_bytes > HEADER_BYTES_MAX:
            self._refuse(
                HeadersTooLarge(
                    f"header: expected at most {HEADER_BYTES_MAX} bytes, found more; send less"
                )
            )
        elif self._header_timer is None:
            self._await_header()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_header = True
        # What came together with the end of the one before is not counted; it was not much.
        self._header_bytes = self._drained_bytes = 0
        state: dict[str, Any] = self.scope["state"]
        state["abort"] = self.transport.abort
        state["is_paused"] = self._is_write_paused

    def on_headers_complete(self) -> None:
        self._is_in_header = False
        self._header_came()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self.cycle.response_complete:
            self._drained_bytes += len(body)
            if self._drained_bytes > DRAINED_BYTES_MAX:
                self.transport.abort()
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        self._refuse(Malformed("request: expected HTTP/1.1, found something else; mend it"))

    def _is_write_paused(self) -> bool:
        return self.flow.write_paused

    def _refuse(self, error: DeploytrailError) -> None:
        found = problem.encoded(problem.problem(error))
        lines = [
            f"content-type: {problem.MEDIA_TYPE}",
            f"content-length: {len(found)}",
            *(f"{name}: {value}" for name, value in problem.headers_of(error).items()),
            "connection: close",
        ]
        head = STATUS_LINE[error.status] + "\r\n".join(lines).encode()
        self.transport.write(head + b"\r\n\r\n" + found)
        self.transport.close()

    def _await_header(self) -> None:
        self._header_timer = self.loop.call_later(HEADER_SECONDS_MAX, self._header_is_late)

    def _header_is_late(self) -> None:
        self._header_timer = None
        self.transport.abort()

    def _header_came(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None
