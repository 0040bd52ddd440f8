"""The real server: a process of its own on a port of loopback, over a directory of its own."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from deploytrail.app.face import server_of

PROGRAM = [sys.executable, "-m", "deploytrail"]
STARTS_WITHIN_SECONDS = 60
ENDS_WITHIN_SECONDS = 30


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Running:
    """A server that was started: over a directory, or over the database of `environment`."""

    def __init__(self, process: subprocess.Popen[str], url: str, token: str, told: Path) -> None:
        self.process = process
        self.url = url
        self.token = token
        self.told = told
        host, _, port = url.rpartition("//")[2].rpartition(":")
        self.host, self.port = host, int(port)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=30)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        """By the owner of the files; headers are named with `_` for `-`."""
        connection = self.connect()
        try:
            given = {"Authorization": f"Bearer {self.token}"}
            given |= {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, given)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, found, answer.read())
        finally:
            connection.close()

    def record(self, body: bytes, path: str = "/v1/events") -> Reply:
        return self.ask("POST", path, body, Content_Type="application/json")

    def journal(self) -> list[dict[str, Any]]:
        """What it told so far, of what is JSON."""
        lines = self.told.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(ENDS_WITHIN_SECONDS)


def started(
    home: Path,
    *words: str,
    listen: str = "127.0.0.1:0",
    environment: Mapping[str, str] | None = None,
) -> Running:
    """A server over that directory; the caller stops it."""
    told = home.parent / f"{home.name}.told"
    variables = {
        **os.environ,
        "DEPLOYTRAIL_HOME": str(home),
        "XDG_STATE_HOME": str(home.parent / "state"),
        "XDG_CONFIG_HOME": str(home.parent / "config"),
        **(environment or {}),
    }
    with told.open("a", encoding="utf-8") as stream:
        process = subprocess.Popen(
            [*PROGRAM, "up", "--listen", listen, *words],
            env=variables, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, text=True,
        )  # fmt: skip
    is_in_directory = "DEPLOYTRAIL_URL" not in (environment or {})
    deadline = time.monotonic() + STARTS_WITHIN_SECONDS
    while time.monotonic() < deadline:
        found = server_of(home) if is_in_directory else _told(told)
        if found is not None:
            return Running(process, *found, told)
        if process.poll() is not None:
            break
        time.sleep(0.05)
    process.kill()
    process.wait()
    raise AssertionError(told.read_text(encoding="utf-8"))


def _told(told: Path) -> tuple[str, str] | None:
    """Where it listens, as it says once it does; and the token of the first start, if it made one.

    A server over a database has no lock that says so.
    """
    text = told.read_text(encoding="utf-8")
    at = re.findall(r"^serving \S+ at (\S+)$", text, re.MULTILINE)
    made = re.findall(r"^dt_\S+$", text, re.MULTILINE)
    return (at[-1], made[0] if made else "") if at else None


@contextmanager
def running(home: Path, *words: str, **options: Any) -> Iterator[Running]:
    """A server while the block lasts."""
    server = started(home, *words, **options)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()
