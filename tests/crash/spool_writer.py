"""One run under the wrapper that is killed at a line of ours: `python spool_writer.py SPEC`.

SPEC is JSON: the home, whether its trail is there, the file that the command makes, and at which
executed line of the wrapper's own modules the process is killed (0: never; how many there were is
printed).
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from deploytrail.clock import SystemClock
from deploytrail.errors import Unreachable
from deploytrail.trail import Patience, TrailProducer
from deploytrail.wrapper.keeping import Keeping
from deploytrail.wrapper.recording import Surroundings
from deploytrail.wrapper.request import Request
from deploytrail.wrapper.run import run

OURS = ("wrapper/spool_file.py", "wrapper/recorder.py", "wrapper/recording.py", "wrapper/run.py")


class Killer:
    """Counts the lines of ours that this process executes, and ends it at one of them."""

    def __init__(self, at: int) -> None:
        self._at = at
        self._process = os.getpid()
        self.lines = 0

    def __call__(self, frame: FrameType, event: str, _: Any) -> Killer | None:
        if not frame.f_code.co_filename.endswith(OURS):
            return None
        if event == "line" and os.getpid() == self._process:
            self.lines += 1
            if self.lines == self._at:
                os.kill(self._process, signal.SIGKILL)
        return self


def main() -> int:
    spec = json.loads(sys.argv[1])
    home = Path(spec["home"])

    def open_trail(patience: Patience) -> TrailProducer:
        if not spec["is_there"]:
            raise Unreachable("server: expected an answer, found none")
        from deploytrail.app import open_directory

        return open_directory(home, patience=patience)

    around = Surroundings(
        environ=os.environ,
        directory=Path.cwd(),
        clock=SystemClock(),
        open_trail=open_trail,
        keeping=Keeping(home / "spool", home),
        tell=lambda _: None,
    )
    killer = Killer(spec["at"])
    sys.settrace(killer)
    status = run(Request(command=("touch", spec["touched"])), around)
    sys.settrace(None)
    print(killer.lines)
    return status


if __name__ == "__main__":
    sys.exit(main())
