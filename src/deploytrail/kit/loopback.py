"""Requests to a server on this machine, without TLS and over one connection each.

For whoever waits for each import: what `http` brings along for the rest of the world takes as long
to load as everything else together.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

from deploytrail.clock import Clock
from deploytrail.errors import Malformed, Unreachable
from deploytrail.kit.answer import LIMITS, Limits, NotSent, Request, Response, Streamed

_READ_BYTES: Final = 65_536
_HEAD_BYTES_MAX: Final = 65_536
_status = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2})(?: |$)").match
_is_length = re.compile(r"0|[1-9][0-9]{0,12}").fullmatch


class Loopback:
    """`answer.Asks` of a server that gives each answer its length."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def request(self, asked: Request) -> Response:
        """The whole answer; raises as `http.Http.request`."""
        limits = LIMITS if asked.limits is None else asked.limits
        whom, body = urlsplit(asked.url), asked.body
        if whom.scheme != "http" or whom.hostname is None:
            raise Malformed("URL: expected http:// and this machine, found another")
        name = f"http://{whom.netloc}"
        target = f"{whom.path or '/'}{'?' if whom.query else ''}{whom.query}"
        sent = {"host": whom.netloc, "accept-encoding": "identity", "connection": "close"}
        sent |= {"content-length": str(len(body))} if body is not None else {}
        sent |= {key.lower(): value for key, value in asked.headers.items()}
        head = "".join(f"{key}: {value}\r\n" for key, value in sent.items())
        octets = f"{asked.method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + (body or b"")
        try:
            address = (whom.hostname, whom.port or 80)
            link = socket.create_connection(address, limits.connect_seconds)
        except OSError as error:
            raise NotSent(f"{name}: expected a server there, found none ({error})") from None
        with link:
            return _answer(self._exchanged(link, octets, limits, name), name)

    @contextmanager
    def stream(self, asked: Request) -> Iterator[Streamed]:
        """As `request`: all of it has come before its first piece is handed out."""
        found = self.request(asked)
        yield Streamed(found.status, found.headers, iter([found.body]))

    def close(self) -> None:
        """Nothing is kept open."""

    def _exchanged(self, link: socket.socket, octets: bytes, limits: Limits, name: str) -> bytes:
        """All that comes back; the server closes behind it."""
        total = limits.total_seconds
        until = None if total is None else self._clock.monotonic() + total
        found = bytearray()
        try:
            link.settimeout(limits.read_seconds)
            link.sendall(octets)
            while piece := link.recv(_READ_BYTES):
                found += piece
                if len(found) > limits.bytes_max + _HEAD_BYTES_MAX:
                    raise Malformed(
                        f"{name}: expected at most {limits.bytes_max} bytes, found more"
                    )
                if until is not None and self._clock.monotonic() > until:
                    raise TimeoutError(f"not within {total:g} s")
        except OSError as error:
            raise Unreachable(f"{name}: expected an answer, found none ({error})") from None
        return bytes(found)


def _answer(octets: bytes, name: str) -> Response:
    head, _, body = octets.partition(b"\r\n\r\n")
    line, *rest = head.split(b"\r\n")
    status = _status(line)
    if status is None:
        raise Unreachable(f"{name}: expected an answer of HTTP, found none that is whole")
    pairs = (each.decode("latin-1").partition(":") for each in rest)
    headers = {key.strip().lower(): value.strip() for key, _, value in pairs}
    length = headers.get("content-length", "")
    if not _is_length(length) or int(length) != len(body):
        raise Unreachable(f"{name}: expected an answer of {length or 'a told'} bytes, found a part")
    return Response(int(status[1]), headers, body)
