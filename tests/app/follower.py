"""A process that follows the trail of a directory with the view of these tests.

`python -m tests.app.follower HOME STATES VIEW`; it ends as `deploytrail up` would end it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from deploytrail.app.follow_process import follow_directory
from deploytrail.clock import SystemClock
from tests.follow.counting import CountingStore


def main(home: str, states: str, view: str) -> int:
    return follow_directory(
        Path(home),
        clock=SystemClock(),
        environment={"XDG_STATE_HOME": states},
        stream=sys.stderr,
        views=lambda _, origin: [CountingStore(Path(view), origin=origin)],
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
