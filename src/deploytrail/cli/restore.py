"""`deploytrail restore`: a backup made into a trail again, and whether it is what was signed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from deploytrail.cli.opening import HomeOption, JsonOption, StoredUrlOption, stored
from deploytrail.cli.terminal import say, say_json, warn
from deploytrail.errors import EXIT_INCOMPLETE, EXIT_OK
from deploytrail.printable import printable
from deploytrail.sentence import counted

if TYPE_CHECKING:
    from deploytrail.app.backups.refilling import Refilled
    from deploytrail.app.backups.restoring import Restored

_File = Annotated[
    Path,
    typer.Argument(metavar="FILE", readable=False, help="What 'deploytrail backup' wrote."),
]
_Keys = Annotated[
    Path | None,
    typer.Option(
        "--keys", metavar="FILE", readable=False, help="The backup of its keys; default: FILE.keys."
    ),
]
_Key = Annotated[
    Path | None,
    typer.Option(
        "--key",
        metavar="FILE",
        readable=False,
        help="A copy of the trail's own key, to be put where the trail looks for it; default: "
        "DEPLOYTRAIL_KEY, or the key that is there.",
    ),
]


_WHY: Final = "it has a trail, which nothing may replace under it"
_INSTEAD: Final = (
    "restore into an empty directory (--home) or database (--url), then 'deploytrail up' serves it"
)


def restore(
    file: _File,
    keys: _Keys = None,
    key: _Key = None,
    json: JsonOption = False,
    home: HomeOption = None,
    url: StoredUrlOption = None,
) -> int:
    """Make a trail of a backup, in a directory or database that has none, and verify it.

    Whoever a signed entry says was erased stays erased. Exit codes: those of verify; 3 also where
    a newer state of this log was seen here.
    """
    from deploytrail.address import Database
    from deploytrail.cli.progress import Progress
    from deploytrail.clock import SystemClock

    clock = SystemClock()
    place = stored(home, url, why=_WHY, instead=_INSTEAD)
    with Progress("restoring", clock) as told, Progress("verifying", clock) as verifying:
        if isinstance(place, Database):
            from deploytrail.app.trails.opening import refuse_without_driver

            refuse_without_driver()
            from deploytrail.app.backups.restoring_database import restore_database

            done = restore_database(
                file, place.url, keys_file=keys, key=key, clock=clock,
                told=told, verifying=verifying,
            )  # fmt: skip
        else:
            from deploytrail.app.backups.restoring import restore as restore_directory

            directory = None if place is None else place.path
            done = restore_directory(
                file, directory, keys_file=keys, key=key, clock=clock,
                told=told, verifying=verifying,
            )  # fmt: skip
    if json:
        say_json(done)
    else:
        _say(done)
    return done.report.exit_code or (EXIT_INCOMPLETE if done.older else EXIT_OK)


def _say(done: Restored) -> None:
    from deploytrail.cli.verify import say_report

    refilled = done.refilled
    say(
        f"restored {counted(refilled.size, 'entry')} as of {refilled.made} to "
        f"{printable(done.home)}"
    )
    for text in _losses(refilled):
        say(f"  {text}")
    say()
    say_report(done.report)
    if done.older:
        say()
        warn(done.older)


def _losses(refilled: Refilled) -> list[str]:
    """What did not come back, and why."""
    told = []
    if refilled.erased:
        rows = counted(refilled.erased, "row")
        told.append(f"{rows} stayed away: the log says that their person was erased")
    if refilled.unreadable:
        told.append(
            f"{counted(refilled.unreadable, 'subject')} can't be read: the keys are of "
            f"{refilled.keys_made} and don't have theirs"
        )
    return told
