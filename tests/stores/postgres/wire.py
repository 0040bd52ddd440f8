"""The wire between us and PostgreSQL, with somebody who cuts it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

_COMMIT: Final = b"COMMIT\x00"


class Cut(NamedTuple):
    """What becomes of a COMMIT, and what happens before anybody gets through again."""

    arrives: bool
    then: Callable[[], object] = lambda: None
    is_down: bool = False
    """Whether nobody gets through afterwards, either."""


class Wire:
    """Passes bytes on between clients on loopback and the server's socket.

    While `cut` is set, it decides of the next COMMIT in clear text, once; while `is_down`, nobody
    gets through. psycopg prepares a statement that it has sent five times: use fresh stores.
    """

    def __init__(self, server: Path) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cut: Cut | None = None
        self.is_down = False
        self.cuts = 0
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}?sslmode=disable"

    def close(self) -> None:
        # Without it, the thread that accepts would hold the socket open.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._ends:
            end.close()

    def break_all(self) -> None:
        """Every connection that stands, at once."""
        for end in self._ends:
            _shut(end)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.is_down:
                    client.close()
                    continue
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._server))
                self._ends += [client, server]
                for pump in (self._to_server, self._to_client):
                    threading.Thread(target=pump, args=(client, server), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while octets := client.recv(65_536):
                cut = self.cut
                if cut is not None and _COMMIT in octets:
                    self.cut = None
                    self.cuts += 1
                    self._carry_out(cut, octets, client, server)
                    break
                server.sendall(octets)
        _shut(client)
        _shut(server)

    def _carry_out(
        self, cut: Cut, octets: bytes, client: socket.socket, server: socket.socket
    ) -> None:
        self.is_down = True
        # From here on nothing comes back.
        _shut(client)
        if cut.arrives:
            server.sendall(octets)
        _shut(server)
        cut.then()
        self.is_down = cut.is_down

    def _to_client(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while octets := server.recv(65_536):
                client.sendall(octets)
        _shut(client)


def _shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
