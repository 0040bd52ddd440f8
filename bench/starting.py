"""How soon a server answers: all sources known, ten connections declared, a trail that is there."""

from __future__ import annotations

import http.client
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from bench.figure import Figure
from deploytrail.intake.known import known

_ROUNDS = 5
_CONNECTIONS = 10


def figure(directory: Path) -> Figure:
    """From its start until a delivery over one of the connections is answered."""
    environment = {
        **os.environ,
        "DEPLOYTRAIL_HOME": str(directory / "trail"),
        "XDG_STATE_HOME": str(directory / "state"),
        "BENCH_SECRET": "x" * 40,
    }
    program = [sys.executable, "-m", "deploytrail"]
    subprocess.run([*program, "init"], check=True, capture_output=True, env=environment)
    folder = directory / "trail" / "config"
    folder.mkdir()
    names = list(known().sources)
    stanzas = (
        f'[c-{at}]\nsource = "{names[at % len(names)]}"\nsecrets = ["env:BENCH_SECRET"]\n'
        for at in range(_CONNECTIONS)
    )
    (folder / "connections.toml").write_text("".join(stanzas), encoding="utf-8")
    subprocess.run([*program, "config", "apply"], check=True, capture_output=True, env=environment)
    taken = [
        _once([*program, "up", "--listen", "127.0.0.1:0"], environment) for _ in range(_ROUNDS)
    ]
    note = f"{len(names)} sources, {_CONNECTIONS} connections; slowest {max(taken):.2f}"
    value = round(statistics.median(taken), 2)
    return Figure(name="server.start_s", value=value, unit="s", n=_ROUNDS, note=note)


def _once(command: list[str], environment: dict[str, str]) -> float:
    started = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
    )
    try:
        assert process.stderr is not None
        line = next((one for one in process.stderr if b"serving " in one), None)
        if line is None:
            raise RuntimeError(f"up: expected a server, found exit code {process.wait()}")
        address = urlsplit(line.decode().split(" at ")[-1].strip()).netloc
        connection = http.client.HTTPConnection(address, timeout=60)
        connection.request("POST", "/in/c-0", b"{}")
        answer = connection.getresponse()
        status, said = answer.status, answer.read()
        taken = time.perf_counter() - started
        connection.close()
        # Nothing proved it; that it is refused by this says that the connection is known.
        assert status == 401, said
        return taken
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
