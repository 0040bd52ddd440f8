"""Load over HTTP: wrk sends what was made before, so that making it costs little meanwhile.

Every body is sent once: a repeat would be answered without a commit. Where the bodies come to an
end before the time does, they are sent once more with other ids. What wrk itself takes of the
processor is told beside each figure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

_SCRIPT: Final = Path(__file__).with_name("load.lua")
_SLACK_SECONDS: Final = 60


class Loaded(Struct, frozen=True, kw_only=True):
    """What wrk found. `refused` were answered with 300 or more, `broken` not at all.

    `rounds` is how often the bodies came to an end. `processor_seconds` are wrk's own.
    """

    answers: int
    seconds: float
    refused: int
    broken: int
    timeouts: int
    rounds: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    processor_seconds: float = 0

    @property
    def accepted_per_second(self) -> float:
        return (self.answers - self.refused) / self.seconds


class Load:
    """One run of wrk, begun at once; `ended` waits for it.

    `per_second` are requests, spread evenly and sent whether others were answered or not, as far
    as there are connections; 0 is as fast as they are answered.
    """

    def __init__(
        self,
        url: str,
        bodies: Path,
        *,
        token: str,
        seconds: int,
        connections: int,
        per_second: float = 0,
    ) -> None:
        if shutil.which("wrk") is None:
            raise RuntimeError("bench: expected wrk, found none (on Debian: apt install wrk)")
        self._seconds = seconds
        command = [
            "wrk", "--script", str(_SCRIPT), "--duration", f"{seconds}s", "--timeout", "30s",
            "--threads", "1", "--connections", str(connections),
            "--header", f"Authorization: Bearer {token}",
            "--header", "Content-Type: application/json",
            url, "--", str(bodies), f"{per_second:g}",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def ended(self) -> Loaded:
        """Raises RuntimeError where wrk says nothing of what it found."""
        stream = self._process.stdout
        assert stream is not None
        said = stream.read()
        _, status, used = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        stream.close()
        for line in said.split("\n"):
            if line.startswith("FOUND "):
                found = msgspec.json.decode(line.removeprefix("FOUND "), type=Loaded)
                spent = used.ru_utime + used.ru_stime
                return msgspec.structs.replace(found, processor_seconds=round(spent, 2))
        raise RuntimeError(f"wrk: {self._process.returncode}: {said[-500:]}")


def write_bodies(path: Path, bodies: Iterable[bytes]) -> None:
    """As the script reads them; in one step, so that what is there is whole."""
    made = path.with_name(f"{path.name}.made")
    with made.open("wb") as file:
        for body in bodies:
            file.write(b"%08d" % len(body))
            file.write(body)
    made.rename(path)
