"""`deploytrail backup`: the trail as two files, from which `restore` makes it again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploytrail.cli.opening import HomeOption, JsonOption, UrlOption, located, opened, remote
from deploytrail.cli.terminal import say_json, tell
from deploytrail.sentence import counted

if TYPE_CHECKING:
    from deploytrail.address import Server
    from deploytrail.app.trails.opening import Place
    from deploytrail.clock import Clock
    from deploytrail.trail import Backup

_File = Annotated[
    Path,
    typer.Argument(metavar="FILE", readable=False, help="A file that is not there yet."),
]


def backup(
    file: _File,
    json: JsonOption = False,
    home: HomeOption = None,
    url: UrlOption = None,
) -> None:
    """Write the trail to FILE, and its keys to FILE.keys.

    While others record. Both hold personal data, sealed; the trail's own key is in neither, and
    without it they open nothing. Keep FILE.keys for thirty days at most: whoever was erased
    since is still in it.
    """
    from deploytrail.address import Server
    from deploytrail.clock import SystemClock

    place, clock = located(home, url), SystemClock()
    if isinstance(place, Server):
        done = _received(place, file, clock)
    else:
        done = _written(place, file, clock)
    if json:
        say_json(done)
    else:
        _tell(done)


def _written(place: Place | None, file: Path, clock: Clock) -> Backup:
    from deploytrail.app.backups.backing_up import backup as back_up
    from deploytrail.app.backups.backing_up import source_of
    from deploytrail.cli.progress import Progress

    with opened(place) as trail, Progress("backing up", clock) as progress:
        return back_up(source_of(trail), file, clock=clock, told=progress)


def _received(place: Server, file: Path, clock: Clock) -> Backup:
    from functools import partial

    from deploytrail.app.backups.keeping import keep_backup
    from deploytrail.cli.progress import Progress

    with (
        remote(place) as server,
        Progress("backing up", clock) as making,
        Progress("receiving", clock, unit="byte") as receiving,
    ):
        return keep_backup(partial(server.backup, making=making, receiving=receiving), file)


def _tell(done: Backup) -> None:
    signed = done.size - done.size_signed
    behind = f", {counted(signed, 'entry')} of them not signed yet" if signed else ""
    tell(f"wrote {counted(done.size, 'entry')}{behind} to {done.file}")
    tell(
        f"wrote the keys of {counted(done.subjects, 'subject')} to {done.keys}; remove it after "
        "thirty days: whoever is erased meanwhile is still in it"
    )
    tell("the trail's own key is in neither; without a copy of it, kept elsewhere, they are noise")
