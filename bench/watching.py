"""What is seen of a server from outside: how far everybody is, how soon an event is found."""

from __future__ import annotations

import re
import socket
import threading
import time
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

import msgspec

from bench.server import Client, Server
from deploytrail.clock import SystemClock

_PROBE: Final = re.compile(rb'"unit":"probe-([0-9]+)"')
_BEHIND_US_SECONDS: Final = 5
"""How long ago a probe happened: no clock need agree with ours."""


class _Watching(ABC):
    """Something that is done again and again in a thread, until the block ends."""

    seconds = 0.05

    def __init__(self, server: Server) -> None:
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._client = server.client()
        self._fault: Exception | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._client.close()
        if self._fault is not None:
            raise self._fault

    def end(self) -> None:
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._ending.is_set():
                self._look(self._client)
                self._ending.wait(self.seconds)
        except Exception as error:  # noqa: BLE001 (raised where the block ends)
            self._fault = error

    @abstractmethod
    def _look(self, client: Client) -> None: ...


class Standings(_Watching):
    """How large the log was, and how far its followers, ten times a second."""

    seconds = 0.1

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._seen: list[tuple[float, int, dict[str, int]]] = []
        self._server = server
        self.rss_mb: dict[str, float] = {}
        self.rss_mb_together = 0.0

    def _look(self, client: Client) -> None:
        stats = client.json("/v1/stats")
        cursors = {**stats["followers"], "signed": stats["size_signed"]}
        self._seen.append((time.monotonic(), stats["size"], cursors))
        rss = self._server.rss_mb()
        self.rss_mb = {name: max(mb, self.rss_mb.get(name, 0)) for name, mb in rss.items()}
        self.rss_mb_together = max(self.rss_mb_together, sum(rss.values()))

    def lag_seconds(self, name: str, *, since: float) -> float:
        """For how long, at worst, an entry had been in the log without a follower having it."""
        sizes = [size for _, size, _ in self._seen]
        worst = 0.0
        for moment, size, cursors in self._seen:
            cursor = cursors.get(name, 0)
            if moment >= since and cursor < size:
                # The first look that saw more than that: by then the entry was there.
                worst = max(worst, moment - self._seen[bisect_left(sizes, cursor + 1)][0])
        return worst


class Probes(_Watching):
    """Events that are sent by themselves, five a second; when each was sent, and its index."""

    seconds = 0.2

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._clock = SystemClock()
        self.sent: list[float] = []
        self.ids: list[str] = []
        self.indexes: dict[int, int] = {}

    def _look(self, client: Client) -> None:
        number, id = len(self.sent), self._clock.event_id()
        happened = datetime.now(UTC) - timedelta(seconds=_BEHIND_US_SECONDS)
        event: dict[str, Any] = {
            "id": id,
            "action": "deployment.succeeded",
            "outcome": "success",
            "time": happened,
            "actor": {"type": "user", "id": "github:alice"},
            "source": {"tool": "probe", "instance": "probe"},
            "where": {"unit": f"probe-{number}"},
        }
        body = msgspec.json.encode(event)
        sent = time.monotonic()
        self.ids.append(id)
        self.sent.append(sent)
        answer = msgspec.json.decode(client.post("/v1/events", body))
        self.indexes[number] = answer["receipt"]["index"]


class Seen(_Watching):
    """When each probe was seen first, one after the other."""

    def __init__(self, server: Server, probes: Probes, sees: Callable[[Client, int], bool]) -> None:
        super().__init__(server)
        self._probes = probes
        self._sees = sees
        self.seconds = 0.02
        self.after_seconds: list[float] = []

    def _look(self, client: Client) -> None:
        number = len(self.after_seconds)
        while number in self._probes.indexes and self._sees(client, number):
            self.after_seconds.append(time.monotonic() - self._probes.sent[number])
            number += 1


def found(probes: Probes) -> Callable[[Client, int], bool]:
    """Whether a search finds a probe."""

    def sees(client: Client, number: int) -> bool:
        answer = client.json(f"/v1/events?q=id%3A{probes.ids[number]}&limit=1")
        return bool(answer["items"])

    return sees


def signed(probes: Probes) -> Callable[[Client, int], bool]:
    """Whether a checkpoint covers a probe."""

    def sees(client: Client, number: int) -> bool:
        return int(client.get("/checkpoint").split(b"\n")[1]) > probes.indexes[number]

    return sees


class Tailed(_Watching):
    """When each probe came in a tail of everything."""

    seconds = 0.0

    def __init__(self, server: Server, probes: Probes) -> None:
        super().__init__(server)
        self._probes = probes
        self._stream = tail(server)
        self._stream.settimeout(0.5)
        self._kept = b""
        self._seen: set[int] = set()
        self.after_seconds: list[float] = []

    def _look(self, client: Client) -> None:
        try:
            octets = self._kept + self._stream.recv(1 << 20)
        except TimeoutError:
            return
        now = time.monotonic()
        for found in _PROBE.finditer(octets):
            number = int(found[1])
            if number not in self._seen:
                self._seen.add(number)
                self.after_seconds.append(now - self._probes.sent[number])
        self._kept = octets[-64:]

    def __exit__(self, *raised: object) -> None:
        super().__exit__(*raised)
        self._stream.close()


def tail(server: Server) -> socket.socket:
    """A tail of everything from now on, of which the answer has begun."""
    host, _, port = server.address.rpartition(":")
    stream = socket.create_connection((host, int(port)), timeout=60)
    stream.sendall(
        f"GET /v1/tail HTTP/1.1\r\nHost: {server.address}\r\n"
        f"Authorization: Bearer {server.token}\r\n\r\n".encode()
    )
    begun = stream.recv(65_536)
    if not begun.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"tail: expected 200, found {begun[:200]!r}")
    return stream
