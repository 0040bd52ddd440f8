"""A server as a user starts it: `deploytrail up` over a fresh directory, in its own processes."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

_SECONDS_MAX: Final = 60
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE_MB: Final = os.sysconf("SC_PAGE_SIZE") / 2**20


class Client:
    """One connection that is kept. Belongs to one thread."""

    def __init__(self, address: str, token: str) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=_SECONDS_MAX)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def get(self, path: str) -> bytes:
        return self._asked("GET", path)

    def post(self, path: str, body: bytes) -> bytes:
        return self._asked("POST", path, body)

    def json(self, path: str) -> Any:
        return msgspec.json.decode(self.get(path))

    def _asked(self, method: str, path: str, body: bytes | None = None) -> bytes:
        self._connection.request(method, path, body, self._headers)
        answer = self._connection.getresponse()
        octets = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status}: {octets[:300]!r}")
        return octets

    def close(self) -> None:
        self._connection.close()


class Server:
    """Two processes: the one that serves, and the one that follows."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, token: str) -> None:
        self.url = url
        self.token = token
        self.address = urlsplit(url).netloc
        self._pid = process.pid

    def client(self) -> Client:
        return Client(self.address, self.token)

    def processes(self) -> dict[str, int]:
        """Their numbers, by what they do; the other one is there a moment later."""
        found = {"serve": self._pid}
        for thread in Path(f"/proc/{self._pid}/task").iterdir():
            # A thread may have ended since it was listed.
            with suppress(FileNotFoundError, ProcessLookupError):
                for child in (thread / "children").read_text(encoding="ascii").split():
                    found["follow"] = int(child)
        return found

    def rss_mb(self) -> dict[str, float]:
        found = {}
        for name, pid in self.processes().items():
            pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
            found[name] = int(pages) * _PAGE_MB
        return found

    def processor_seconds(self) -> dict[str, float]:
        found = {}
        for name, pid in self.processes().items():
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2]
            user, system = fields.split()[11:13]
            found[name] = (int(user) + int(system)) / _TICKS
        return found


@contextmanager
def running(directory: Path) -> Iterator[Server]:
    """Over a new directory below this one, until the block ends; then it is stopped in order."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory) as made:
        home = Path(made).resolve() / "trail"
        environment = {**os.environ, "XDG_STATE_HOME": str(home.with_name("state"))}
        process = subprocess.Popen(
            [sys.executable, "-m", "deploytrail", "up", "--home", str(home),
             "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
        )  # fmt: skip
        try:
            server = _started(process)
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()


def _started(process: subprocess.Popen[bytes]) -> Server:
    assert process.stderr is not None
    assert process.stdout is not None
    for line in process.stderr:
        if b"serving " in line:
            url = line.decode().split(" at ")[-1].strip()
            token = process.stdout.readline().decode().strip()
            break
    else:
        raise RuntimeError(f"up: expected a server, found exit code {process.wait()}")
    # What it says further is of no use here, and must not keep it waiting.
    threading.Thread(target=process.stderr.read, daemon=True).start()
    server = Server(process, url, token)
    client = server.client()
    until = time.monotonic() + _SECONDS_MAX
    while "index" not in client.json("/v1/stats")["followers"]:
        if time.monotonic() > until:
            raise RuntimeError("up: expected a follower, found none")
        time.sleep(0.05)
    client.close()
    return server
