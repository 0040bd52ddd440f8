"""The trail of a verb: opened, kept up with what earlier runs left behind, published.

Every verb that appends publishes before it ends; without a server, nobody else would.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploytrail.cli.terminal import tell, warn
from deploytrail.sentence import counted

if TYPE_CHECKING:
    from deploytrail.app.directory import DirectoryTrail
    from deploytrail.trail import Trail

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", envvar="DEPLOYTRAIL_HOME", help="Where the trail is."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Prints JSON, for programs.")]


def reading(home: Path | None) -> DirectoryTrail:
    """A trail that is there already, to be read; raises NotFound where there is none."""
    from deploytrail.app import open_directory

    return open_directory(home, create=False)


@contextmanager
def appending(home: Path | None) -> Iterator[Trail]:
    """A trail to append to, made where there is none; published when the block has ended.

    What was appended is durable before that: a publisher who is busy is only told, and so is a
    checkpoint that can't be kept outside of the log.
    """
    from deploytrail.app import open_directory
    from deploytrail.app.home import find
    from deploytrail.errors import Busy, Misconfigured
    from deploytrail.wrapper.unrecorded import append_unrecorded

    place = find(home, os.environ)
    if not (place.exists or place.has_lost_its_log):
        tell(f"{place.directory}: no trail yet, so one is made; 'deploytrail init' explains it")
    with open_directory(home) as trail:
        appended = append_unrecorded(trail, place.directory)
        for path, reason in appended.set_aside:
            warn(f"set aside {path}: {reason}")
        if appended.events:
            tell(f"appended {counted(appended.events, 'event')} that earlier runs could not record")
        yield trail
        try:
            trail.publish()
        except Busy as error:
            warn(f"recorded, but not published yet: {error}; the next command publishes it")
        except Misconfigured as error:
            warn(f"recorded, but nobody outside of the log knows: {error}")
