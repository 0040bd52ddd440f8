"""Faults in system calls, put there by strace(1) into the real writer.

No path filter, and the interpreter is forked, not executed: a fault hits whatever call comes n-th.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

from deploytrail.trail import Receipt
from tests.conftest import ROOT, missing, tool
from tests.crash.writing import Place, receipt_of

_WRITES: Final = ("fsync", "fdatasync", "pwrite64", "write", "ftruncate")
_NAMES: Final = ("openat", "rename", "unlink", "mkdir")
CALLS: Final = {
    "EIO": (*_WRITES, *_NAMES, "flock", "fcntl", "mmap", "pread64", "read"),
    "ENOSPC": (*_WRITES, "openat", "rename", "mkdir"),
    "EINTR": (*_WRITES, "openat", "flock", "fcntl"),
    "EROFS": _NAMES,
    "KILL": (*_WRITES, *_NAMES, "flock", "mmap"),
}
_WATCHED: Final = "write,pwrite64,ftruncate,fsync,fdatasync,openat,rename,link,unlink,mkdir,writev"
FAULTS: Final = {
    "EIO": "error=EIO",
    "ENOSPC": "error=ENOSPC",
    "EINTR": "error=EINTR",
    "EROFS": "error=EROFS",
    "KILL": "signal=KILL",
}


class Fault(NamedTuple):
    """The n-th call of a kind goes wrong in one way."""

    call: str
    kind: str
    nth: int

    def __str__(self) -> str:
        return f"{self.call} {self.kind} at {self.nth}"


class Ran(NamedTuple):
    """What a run acknowledged, how it ended, and whether its fault fired."""

    receipts: list[Receipt]
    published: list[int]
    origin: str | None
    status: int
    said: list[str]
    has_fired: bool


class Writer:
    """One driver process; runs scenarios one after the other, each with a fault or none."""

    def __init__(self, scratch: Path, *, source: Path | None = None) -> None:
        """`source` is a folder to import our package from, instead of the installed one."""
        self.child: int | None = None
        self._trace = scratch / "trace"
        environment = dict(os.environ)
        if source is not None:
            environment["PYTHONPATH"] = str(source)
        self._driver = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.driver"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=environment,
        )

    @property
    def traced(self) -> list[str]:
        """The lines of the last trace."""
        return self._trace.read_text(errors="replace").split("\n")

    def run(
        self, scenario: str, place: Place, fault: Fault | None = None, *, watch: bool = False
    ) -> Ran:
        """One run of a scenario, with one fault, or only watched."""
        self._order(json.dumps({"scenario": scenario, "place": str(place.base)}))
        self.child = child = int(self._line().removeprefix("child "))
        tracer: subprocess.Popen[bytes] | None = None
        if fault is not None:
            inject = f"inject={fault.call}:{FAULTS[fault.kind]}:when={fault.nth}"
            tracer = self._attached(child, "-e", f"trace={fault.call}", "-e", inject)
        elif watch:
            tracer = self._attached(child, "-y", "-e", f"trace={_WATCHED}")
        self._order("go")
        said = []
        while not (line := self._line()).startswith("done "):
            said.append(line)
        self.child = None
        if tracer is not None:
            tracer.communicate()
        status = int(line.removeprefix("done "))
        return _ran(said, status, self._has_fired(fault, status))

    def close(self) -> None:
        assert self._driver.stdin is not None
        self._driver.communicate()

    def _order(self, line: str) -> None:
        assert self._driver.stdin is not None
        self._driver.stdin.write(line.encode() + b"\n")
        self._driver.stdin.flush()

    def _line(self) -> str:
        assert self._driver.stdout is not None
        line = self._driver.stdout.readline()
        if not line:
            raise RuntimeError(f"the driver ended with {self._driver.wait()}")
        return line.decode().removesuffix("\n")

    def _attached(self, child: int, *what: str) -> subprocess.Popen[bytes]:
        tracer = subprocess.Popen(
            [tool("strace"), "-f", "-p", str(child), "-o", str(self._trace), *what],
            stderr=subprocess.PIPE,
        )
        assert tracer.stderr is not None
        first = tracer.stderr.readline()
        if b"attached" not in first:
            self._order("go")
            missing(f"strace may not attach here: {first.decode().strip()}")
        return tracer

    def _has_fired(self, fault: Fault | None, status: int) -> bool:
        if fault is None:
            return False
        if fault.kind == "KILL":
            # Of a call that never returned, strace writes no result; nobody else kills the child.
            return status == -signal.SIGKILL
        return any("(INJECTED)" in line for line in self.traced)


def _ran(said: list[str], status: int, has_fired: bool) -> Ran:
    acknowledged = [line.split(" ", 2)[1:] for line in said if line.startswith("ack ")]
    of = {
        kind: [text for one, text in acknowledged if one == kind]
        for kind in ("receipt", "published", "origin")
    }
    return Ran(
        receipts=[receipt_of(text.encode()) for text in of["receipt"]],
        published=[int(text) for text in of["published"]],
        origin=of["origin"][0] if of["origin"] else None,
        status=status,
        said=[line for line in said if not line.startswith("ack ")],
        has_fired=has_fired,
    )
