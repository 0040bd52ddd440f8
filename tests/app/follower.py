"""A process that follows the trail of a directory with the view of these tests.

`python -m tests.app.follower HOME STATES VIEW`; it ends as `deploytrail up` would end it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from deploytrail.address import Directory
from deploytrail.app.follow_process import follow_trail
from deploytrail.clock import SystemClock
from tests.follow.counting import CountingStore


def main(home: str, states: str, view: str) -> int:
    return follow_trail(
        Directory(Path(home)),
        clock=SystemClock(),
        environment={"XDG_STATE_HOME": states},
        stream=sys.stderr,
        views=lambda trail: [CountingStore(Path(view), origin=trail.origin)],
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
