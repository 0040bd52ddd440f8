"""Runs one command under the wrapper in a process of its own, with a fake trail.

`python driver.py SPEC -- CMD…`; SPEC is JSON: where the events go, what fails, what was asked.
"""

from __future__ import annotations

import codecs
import json
import os
import resource
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from deploytrail.clock import SystemClock
from deploytrail.errors import DiskFull, SenderError
from deploytrail.event import Event, EventId
from deploytrail.trail import Attachment, Receipt
from deploytrail.wrapper.keeping import Keeping
from deploytrail.wrapper.recording import Surroundings
from deploytrail.wrapper.request import Request
from deploytrail.wrapper.run import run
from tests.fakes import FakeTrail

USER = 64_329
"""A user that nothing else runs as."""


class Panic(BaseException):
    """What an extension may raise: not even an Exception."""


FAILURES: Mapping[str, BaseException] = {
    "disk full": DiskFull("log.db: expected room, found none"),
    "bug": KeyError("a bug"),
    "panic": Panic("a panic"),
    "memory": MemoryError(),
}


class FileTrail(FakeTrail):
    """A fake trail whose events another process can read: one line per call of `record`."""

    def __init__(self, path: Path, failures: list[str]) -> None:
        super().__init__()
        self._path = path
        self._failures = failures
        self._lock = os.open(path.parent / "trail.lock", os.O_RDWR | os.O_CREAT, 0o600)

    def record(
        self,
        events: Sequence[Event],
        *,
        attachments: Mapping[EventId, Sequence[Attachment]] | None = None,
    ) -> list[Receipt | SenderError]:
        if self._failures and (failure := self._failures.pop(0)):
            if failure == "cancelled":
                os.kill(os.getpid(), signal.SIGTERM)
            else:
                raise FAILURES[failure]
        answers = super().record(events, attachments=attachments)
        with self._path.open("ab") as file:
            for event in events:
                file.write(msgspec.json.encode(event) + b"\n")
        for held in (attachments or {}).values():
            self._path.with_suffix(".output").write_bytes(held[0].data)
        return answers

    def close(self) -> None:
        os.close(self._lock)


def limit_processes(more: int) -> None:
    """Leaves room for so many more processes and threads of a user that has no others."""
    os.setgroups([])
    os.setgid(USER)
    os.setuid(USER)
    resource.setrlimit(resource.RLIMIT_NPROC, (1 + more, 1 + more))


def _keeping(spec: dict[str, Any]) -> Keeping | None:
    home = Path(spec["home"]) if "home" in spec else None
    return None if home is None else Keeping(home / "spool", home)


def main() -> int:
    spec: dict[str, Any] = json.loads(sys.argv[1])
    if "processes" in spec:
        # That user may not read where Python lies: what is loaded late is loaded before.
        import deploytrail.wrapper.relay  # noqa: F401

        codecs.lookup("ascii")

        limit_processes(spec["processes"])
    failures: list[str] = spec.get("failures", [])
    around = Surroundings(
        environ=os.environ,
        directory=Path.cwd(),
        clock=SystemClock(),
        open_trail=lambda _: FileTrail(Path(spec["events"]), failures),
        keeping=_keeping(spec),
        tell=lambda text: print(f"deploytrail: {text}", file=sys.stderr, flush=True),
    )
    asked = msgspec.convert(spec.get("request", {}) | {"command": sys.argv[3:]}, Request)
    try:
        return run(asked, around)
    finally:
        # The most memory that was used since this program was loaded: what `wait4` tells counts
        # that of the process which started it too.
        status = Path("/proc/self/status").read_text()
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        Path(spec["events"]).with_suffix(".peak").write_text(peak.split()[1])


if __name__ == "__main__":
    sys.exit(main())
