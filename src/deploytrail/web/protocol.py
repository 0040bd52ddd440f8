"""One connection: uvicorn's protocol with limits on what a stranger may send, and how slowly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, Final, cast

from uvicorn.protocols.http.httptools_impl import (
    HEADER_VALUE_RE,
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from deploytrail.errors import DeploytrailError, Malformed, Overloaded
from deploytrail.web import problem
from deploytrail.web.asking import ADDRESS_BYTES_MAX, too_long
from deploytrail.web.exchange import HEADERS, UNKEPT
from deploytrail.web.problem import HeadersTooLarge

CONNECTIONS_MAX: Final = 2_000
HEADER_BYTES_MAX: Final = 262_144
HEADERS_BYTES_MAX: Final = 32 * 1024 * 1024
"""Of headers that are still coming, on all connections together."""
HEADER_SECONDS_MAX: Final = 10
_LINE_BYTES: Final = len(": \r\n")
DRAINED_BYTES_MAX: Final = 64 * 1024 * 1024
"""Of a body that was answered before it had come: as much is let by, so that the answer arrives."""
DRAIN_SECONDS_MAX: Final = 10
"""For as long at most: who was answered may not hold a connection by what it goes on sending."""


class GuardedProtocol(HttpToolsProtocol):
    """As uvicorn's; what is refused here is refused before there is a request, and is told."""

    headers_bytes: ClassVar[int] = 0
    """Of all connections; a process has one event loop."""
    _header_timer: asyncio.TimerHandle | None = None
    _drain_timer: asyncio.TimerHandle | None = None
    _header_bytes = 0
    _drained_bytes = 0
    _body_bytes = 0
    _body_bytes_now = 0
    """Of what is being read; another request may have begun with it."""
    _framing_bytes = 0
    """Of what came behind the header and is no body: lengths of chunks, trailers."""
    _is_in_header = False
    _is_whole = True
    """Whether all of the last request has come."""
    _oversized: DeploytrailError | None = None
    """What is said of a request whose header came, and is larger than is read."""

    def __init__(
        self, *given: Any, refused: Callable[[DeploytrailError], None], **named: Any
    ) -> None:
        super().__init__(*given, **named)
        self._refused = refused

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
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
        self._drained()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._body_bytes_now = 0
        if self._is_in_header:
            self._count_header(len(data))
        elif not self._is_whole:
            self._framing_bytes += len(data)
        super().data_received(data)
        self._framing_bytes -= min(self._framing_bytes, self._body_bytes_now)
        if self.transport.is_closing():
            return
        if self._is_in_header:
            self._guard_header()
        elif not self._is_whole:
            self._guard_body()
        elif self._is_answered():
            # What came was no request, and nothing else counts how long we wait for one.
            self._guard_header()

    def _guard_header(self) -> None:
        if self._header_bytes > HEADER_BYTES_MAX:
            self._refuse(self._oversize() or _too_much_header())
        elif GuardedProtocol.headers_bytes > HEADERS_BYTES_MAX:
            self._refuse(
                Overloaded(
                    f"server: expected at most {HEADERS_BYTES_MAX} bytes of headers at once, found "
                    "more; send the same again a little later"
                )
            )
        elif self._header_timer is None:
            self._await_header()

    def _guard_body(self) -> None:
        if self._framing_bytes > HEADER_BYTES_MAX + self._body_bytes:
            self._refuse(
                Malformed(
                    "body: expected chunks of some length and short trailers, found little body "
                    "between them; send larger chunks"
                )
            )
        elif self._is_answered() and self._drain_timer is None:
            self._drain_timer = self.loop.call_later(DRAIN_SECONDS_MAX, self.transport.abort)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_header = True
        # What came together with the end of the one before is not counted; it was not much.
        self._drained_bytes = self._body_bytes = self._framing_bytes = 0
        self._is_whole = False
        state: dict[str, Any] = self.scope["state"]
        state["abort"] = self.transport.abort
        state["is_paused"] = self._is_write_paused

    def on_header(self, name: bytes, value: bytes) -> None:
        # A trailer is no header: whoever read the header has judged by what it said.
        if self._is_in_header:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._oversized = self._oversize()
        if self._oversized is not None:
            # The parser stops, and `send_400_response` says why.
            raise self._oversized
        self._is_in_header = False
        self._header_came()
        super().on_headers_complete()
        state: dict[str, Any] = self.scope["state"]
        state["whole"] = partial(self._send_whole, self.cycle)
        state["has_come"] = partial(_has_come, self.cycle)

    def on_message_complete(self) -> None:
        self._is_whole = True
        self._drained()
        super().on_message_complete()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        self._body_bytes_now += len(body)
        if self.cycle.response_complete:
            self._drained_bytes += len(body)
            if self._drained_bytes > DRAINED_BYTES_MAX:
                self.transport.abort()
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        malformed = Malformed("request: expected HTTP/1.1, found something else; mend it")
        self._refuse(self._oversized or malformed)

    def _oversize(self) -> DeploytrailError | None:
        """What is too large of the header that came so far, if something is.

        What came in a chunk with the begin of a header, or with its end, is counted only here.
        """
        if len(self.url) > ADDRESS_BYTES_MAX:
            return too_long(len(self.url))
        lines = sum([len(name) + len(value) + _LINE_BYTES for name, value in self.headers])
        return _too_much_header() if len(self.url) + lines > HEADER_BYTES_MAX else None

    def _is_write_paused(self) -> bool:
        return self.flow.write_paused

    def _send_whole(
        self,
        cycle: RequestResponseCycle,
        status: int,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
    ) -> None:
        """As the cycle sends header and body one after the other, in one write.

        Each write is a call of the system, and wakes whoever reads.
        """
        if cycle.disconnected:
            return
        if HEADER_VALUE_RE.search(b"".join([value for _, value in headers])):
            raise RuntimeError("header: expected values of one line, found another")
        lines = [STATUS_LINE[status]]
        for name, value in headers:
            lines += (name, b": ", value, b"\r\n")
        if not cycle.keep_alive:
            lines.append(b"connection: close\r\n")
        lines += (b"\r\n", body)
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        self.transport.write(b"".join(lines))
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()

    def _refuse(self, error: DeploytrailError) -> None:
        found = problem.encoded(problem.problem(error))
        lines = [
            f"content-type: {problem.MEDIA_TYPE}",
            f"content-length: {len(found)}",
            *(f"{name}: {value}" for name, value in problem.headers_of(error).items()),
            *(f"{name.decode()}: {value.decode()}" for name, value in (*HEADERS, UNKEPT)),
            "connection: close",
        ]
        head = STATUS_LINE[error.status] + "\r\n".join(lines).encode()
        self.transport.write(head + b"\r\n\r\n" + found)
        self.transport.close()
        self._refused(error)

    def _await_header(self) -> None:
        self._header_timer = self.loop.call_later(HEADER_SECONDS_MAX, self._header_is_late)

    def _header_is_late(self) -> None:
        self._header_timer = None
        self.transport.abort()

    def _count_header(self, count: int) -> None:
        self._header_bytes += count
        GuardedProtocol.headers_bytes += count

    def _is_answered(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _drained(self) -> None:
        if self._drain_timer is not None:
            self._drain_timer.cancel()
            self._drain_timer = None

    def _header_came(self) -> None:
        GuardedProtocol.headers_bytes -= self._header_bytes
        self._header_bytes = 0
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None


def _too_much_header() -> HeadersTooLarge:
    return HeadersTooLarge(
        f"header: expected at most {HEADER_BYTES_MAX} bytes, found more; send less"
    )


def _has_come(cycle: RequestResponseCycle) -> bool:
    """Whether all of its body has."""
    return not cycle.more_body
