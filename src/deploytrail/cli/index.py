"""`deploytrail index rebuild`: the search index made anew from the log."""

from __future__ import annotations

from typing import Final

from deploytrail.cli.opening import HomeOption, StoredUrlOption, stored
from deploytrail.cli.terminal import tell
from deploytrail.errors import EXIT_OK
from deploytrail.sentence import counted

HELP: Final = "Look after the search index."


def index_rebuild(home: HomeOption = None, url: StoredUrlOption = None) -> int:
    """Build the search index anew from the log.

    What stood before answers until the new one has caught up, then that takes its place. It says
    the same: an index holds nothing that the log and the vault don't.
    """
    from deploytrail.app.local import open_local
    from deploytrail.cli.progress import Progress
    from deploytrail.clock import SystemClock

    clock = SystemClock()
    place = stored(home, url, why="its follow process keeps the index")
    with open_local(place, create=False, clock=clock) as trail:
        with Progress("rebuilding", clock) as progress:
            trail.rebuild(progress)
        tell(f"rebuilt the index of {counted(trail.size(), 'entry')}")
    return EXIT_OK
