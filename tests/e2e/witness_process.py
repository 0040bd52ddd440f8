"""A witness as its operator starts it: a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import ROOT


class WitnessProcess:
    """`deploytrail witness` with a home of its own, up or not."""

    def __init__(self, folder: Path, name: str = "witness.test/bob") -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.home = folder / "witness"
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": str(ROOT / "src"),
        }
        self.name = name
        self.vkey = self("init", "--name", name, "--json").json()["vkey"]
        self.port = 0
        self._running: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __call__(self, *words: str) -> Answered:
        done = subprocess.run(
            self._command(*words),
            env=self.environ,
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        return Answered(done)

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "deploytrail", "witness", *words, "--home", str(self.home)]

    @contextmanager
    def up(self, *words: str) -> Iterator[WitnessProcess]:
        """Running for the length of a block, on the port that it had before if it had one."""
        self.start(*words)
        try:
            yield self
        finally:
            self.stop()

    def start(self, *words: str) -> None:
        with (self.folder / "refusals").open("a") as errors:
            self._running = subprocess.Popen(
                self._command("up", "--listen", f"127.0.0.1:{self.port}", *words),
                env=self.environ,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                stdin=subprocess.DEVNULL,
            )
        assert self._running.stdout is not None
        said = [self._running.stdout.readline() for _ in range(3)]
        assert said[1].startswith("url "), (said, self.told())
        self.port = int(said[1].rstrip("\n").rpartition(":")[2])

    def kill(self) -> None:
        """At once, as a power loss would."""
        self.stop(signal.SIGKILL)

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self._running is None:
            return 0
        running, self._running = self._running, None
        running.send_signal(number)
        with running:
            return running.wait(30)

    def told(self) -> str:
        return (self.folder / "refusals").read_text()

    def refusals(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.told().splitlines() if line.startswith("{")]


class Answered:
    """What a command printed, and with which code."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr

    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)
