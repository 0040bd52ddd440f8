"""`deploytrail spool`: what runs keep until a trail takes it."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from deploytrail.cli.opening import (
    HomeOption,
    JsonOption,
    UrlOption,
    kept_aside,
    publish,
    spool_folder,
    to_append,
)
from deploytrail.cli.terminal import say, say_json, tell, warn
from deploytrail.errors import EXIT_INCOMPLETE, EXIT_OK, Conflict, DeploytrailError, NotFound
from deploytrail.printable import printable
from deploytrail.sentence import counted

HELP: Final = "Look after what runs keep until a trail takes it."
_Files = Annotated[
    list[Path], typer.Argument(metavar="FILE...", readable=False, help="What was exported.")
]
_File = Annotated[Path, typer.Argument(metavar="FILE", readable=False, help="A new file.")]


def spool_list(home: HomeOption = None, url: UrlOption = None, json: JsonOption = False) -> None:
    """List the spools that wait, oldest first."""
    rows = [_row(path) for path in _waiting(home, url, with_refused=True)]
    if json:
        say_json(rows)
        return
    for row in rows:
        say(
            f"{row['made']}  {row['state']:<7}  {counted(row['events'], 'event'):>12}  "
            f"{printable(row['path'])}"
        )
    if not rows:
        tell("nothing waits")


def spool_drain(home: HomeOption = None, url: UrlOption = None) -> int:
    """Hand over to the trail whatever waits; each event stands in it once."""
    from deploytrail.wrapper.draining import drain

    trail, aside = to_append(home, url)
    with closing(trail):
        drained = drain(trail, _folder(aside))
        if drained.events:
            publish(trail)
    for gap in drained.gaps:
        warn(f"something is missing in {gap}")
    for path, reason in drained.set_aside:
        warn(f"set aside {path}: {reason}")
    say(f"{counted(drained.events, 'event')} handed over")
    return EXIT_INCOMPLETE if drained.gaps or drained.set_aside else EXIT_OK


def spool_export(file: _File, home: HomeOption = None, url: UrlOption = None) -> None:
    """Copy what waits into one signed file, which 'spool import' takes elsewhere."""
    from deploytrail.wrapper.spool_export import export
    from deploytrail.wrapper.spool_file import is_left

    found = [path for path in _waiting(home, url) if is_left(path)]
    if not found:
        raise NotFound("spool: expected something that waits, found nothing; there is no need")
    try:
        count = export(found, file)
    except FileExistsError:
        raise Conflict(f"{file}: expected a new file, found one; name another") from None
    say(f"{counted(count, 'spool')} in {printable(str(file))}; they wait here, too")


def spool_import(files: _Files, home: HomeOption = None, url: UrlOption = None) -> int:
    """Take exported files into the trail, line by line, each proven by its signature."""
    from deploytrail.wrapper.draining import take_in

    code = EXIT_OK
    trail, _ = to_append(home, url)
    with closing(trail):
        for file in files:
            with file.open("rb") as stream:
                found = take_in(trail, stream)
            for text in found.gaps:
                warn(f"{file}: something is missing in {text}")
            for text in found.refusals:
                warn(f"{file}: not taken: {text}")
            if found.gaps or found.refusals:
                code = EXIT_INCOMPLETE
            say(
                f"{printable(str(file))}: {counted(found.events, 'event')} "
                f"of {counted(found.spools, 'spool')}"
            )
        publish(trail)
    return code


def spool_key(home: HomeOption = None, url: UrlOption = None) -> None:
    """Print the key to which runs elsewhere seal what they keep for this trail.

    They take it as DEPLOYTRAIL_SPOOL_KEY. It seals, and opens nothing.
    """
    trail, _ = to_append(home, url, create=False)
    with closing(trail):
        say(trail.spool_key())


def _folder(aside: Path | None) -> Path:
    if aside is None and not os.environ.get("DEPLOYTRAIL_SPOOL"):
        raise NotFound("spool: expected a home directory, found none; set DEPLOYTRAIL_HOME")
    return spool_folder(aside or Path())


def _waiting(home: Path | None, url: str | None, *, with_refused: bool = False) -> list[Path]:
    from deploytrail.wrapper.spool_file import REFUSED, spools

    folder = _folder(kept_aside(home, url))
    return sorted([*spools(folder), *(folder.glob(f"*{REFUSED}") if with_refused else ())])


def _row(path: Path) -> dict[str, Any]:
    from deploytrail.wrapper.draining import Reading
    from deploytrail.wrapper.spool_file import REFUSED, is_left

    state = "refused" if path.name.endswith(REFUSED) else "waits" if is_left(path) else "running"
    row: dict[str, Any] = {"path": str(path), "state": state, "made": "?", "events": 0}
    try:
        with path.open("rb") as stream:
            reading = Reading(stream)
            header = reading.chain.opened.header
            row |= {"run": header.run, "made": header.made, "sealed_to": header.sealed_to}
            row["events"] = sum(line.of is None for line in reading.lines())
    except (DeploytrailError, OSError):
        row["state"] = "broken"
    return row
