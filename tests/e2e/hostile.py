"""A server that is spoken to by hand, and what of it is held against what was promised."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploytrail.app.verifying import verify
from tests.web.running import Running, running

RSS_MB_MAX = 512
SLOW_SECONDS = 25
HEAD = b"Host: localhost\r\n"
SECOND = b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\n"
POST = b"POST /v1/events HTTP/1.1\r\n" + HEAD


@contextmanager
def hostile(home: Path) -> Iterator[Running]:
    """One for all of it, still there at the end; then its log verifies."""
    with running(home) as found:
        yield found
        assert_alive(found)
        assert not [one for one in found.journal() if one["what"] == "fault"]
        assert found.stop() == 0
    states = home.parent / "states"
    report = verify(home, state=states, environment={"XDG_STATE_HOME": str(states)})
    assert (report.exit_code, report.found) == (0, ())


def assert_alive(server: Running) -> None:
    assert server.process.poll() is None
    assert server.ask("GET", "/readyz").status == 200
    assert rss_mb(server) <= RSS_MB_MAX


def rss_mb(server: Running) -> float:
    """The most that the serving process ever had."""
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    match = re.search(r"VmHWM:\s+(\d+) kB", text)
    assert match is not None
    return int(match[1]) / 1024


def connected(server: Running) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=30)


def answered(server: Running, raw: bytes) -> bytes:
    """All that comes back until the server closes, or says nothing for a second."""
    with connected(server) as connection:
        connection.sendall(raw)
        return heard(connection)


def heard(connection: socket.socket, *, quiet_seconds: float = 1) -> bytes:
    connection.settimeout(quiet_seconds)
    found = b""
    try:
        while more := connection.recv(65_536):
            found += more
    except (TimeoutError, ConnectionResetError):
        pass
    return found


def statuses(answers: bytes) -> list[int]:
    return [int(one) for one in re.findall(rb"^HTTP/1\.1 (\d{3}) ", answers, re.MULTILINE)]


def assert_problem(answer: bytes, *expected: int) -> None:
    """One answer, and it is a problem."""
    (status,) = statuses(answer)
    assert status in expected, answer
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head, answer
    assert json.loads(rest)["status"] == status
