"""`deploytrail backup`: the trail as two files, from which `restore` makes it again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploytrail.cli.opening import HomeOption, JsonOption, StoredUrlOption, opened, stored
from deploytrail.cli.terminal import say_json, tell
from deploytrail.sentence import counted

if TYPE_CHECKING:
    from deploytrail.app.backups.backing_up import Backup

_File = Annotated[
    Path,
    typer.Argument(metavar="FILE", readable=False, help="A file that is not there yet."),
]


def backup(
    file: _File,
    json: JsonOption = False,
    home: HomeOption = None,
    url: StoredUrlOption = None,
) -> None:
    """Write the trail to FILE, and its keys to FILE.keys.

    While others record. Both hold personal data, sealed; the trail's own key is in neither, and
    without it they open nothing. Keep FILE.keys for thirty days at most: whoever was erased
    since is still in it.
    """
    from deploytrail.app.backups.backing_up import backup as back_up
    from deploytrail.app.backups.backing_up import source_of
    from deploytrail.cli.progress import Progress
    from deploytrail.clock import SystemClock

    clock = SystemClock()
    place = stored(home, url, why="a backup holds keys, which it hands out to nobody")
    with opened(place) as trail, Progress("backing up", clock) as progress:
        done = back_up(source_of(trail), file, clock=clock, told=progress)
    if json:
        say_json(done)
    else:
        _tell(done)


def _tell(done: Backup) -> None:
    signed = done.size - done.size_signed
    behind = f", {counted(signed, 'entry')} of them not signed yet" if signed else ""
    tell(f"wrote {counted(done.size, 'entry')}{behind} to {done.file}")
    tell(
        f"wrote the keys of {counted(done.subjects, 'subject')} to {done.keys}; remove it after "
        "thirty days: whoever is erased meanwhile is still in it"
    )
    tell("the trail's own key is in neither; without a copy of it, kept elsewhere, they are noise")
