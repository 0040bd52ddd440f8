"""Servers on the loopback that answer as they are told, honest or not."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

Handler = Callable[[socket.socket, bytes], None]
"""Given a connection and a request's head and body so far, answers; the connection then closes."""


class Server(NamedTuple):
    """Where it listens, and what it was sent, by connection."""

    port: int
    requests: list[bytes]

    def url(self, path: str = "/", *, scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


def answer(status: str = "200 OK", body: bytes = b"", *headers: str) -> bytes:
    lines = (f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers, "", "")
    return "\r\n".join(lines).encode() + body


def says(octets: bytes) -> Handler:
    """Always the same bytes."""

    def handle(connection: socket.socket, _: bytes) -> None:
        connection.sendall(octets)

    return handle


@contextmanager
def serving(
    handle: Handler, *, tls: ssl.SSLContext | None = None, is_kept: bool = False
) -> Iterator[Server]:
    """A server for the length of a block. `is_kept`: connections stay open for further requests."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(listener.getsockname()[1], [])
    is_over = threading.Event()
    threads: list[threading.Thread] = []
    connections: list[socket.socket] = []

    def converse(connection: socket.socket) -> None:
        with suppress(OSError, ssl.SSLError):
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
                connections.append(connection)
            while (request := _request(connection)) and not is_over.is_set():
                server.requests.append(request)
                handle(connection, request)
                if not is_kept:
                    break
        connection.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            threads.append(threading.Thread(target=converse, args=(connection,), daemon=True))
            threads[-1].start()

    threads.append(threading.Thread(target=accept, daemon=True))
    threads[0].start()
    try:
        yield server
    finally:
        is_over.set()
        for each in (listener, *connections):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in threads:
            thread.join(10)


def _request(connection: socket.socket) -> bytes:
    """One request, with its body where its length was told."""
    octets = b""
    while b"\r\n\r\n" not in octets:
        more = connection.recv(65_536)
        if not more:
            return b""
        octets += more
    head, _, body = octets.partition(b"\r\n\r\n")
    lengths = [
        int(line.split(b":")[1])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    ]
    while len(body) < sum(lengths):
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body
