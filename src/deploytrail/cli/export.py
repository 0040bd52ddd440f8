"""`deploytrail export`: the log as a file, for programs or for others to verify."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploytrail.cli.opening import HomeOption, JsonOption, reading
from deploytrail.cli.terminal import say_json, tell
from deploytrail.errors import Malformed
from deploytrail.sentence import counted

if TYPE_CHECKING:
    from deploytrail.app.directory import DirectoryTrail
    from deploytrail.cli.progress import Progress


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that is not there yet.")],
    proofs: Annotated[
        bool,
        typer.Option(
            "--proofs", help="Entries, hashes, checkpoint and policy in one file that verifies."
        ),
    ] = False,
    concealed: Annotated[
        bool,
        typer.Option(
            "--concealed", help="With --proofs: leaves out names, reasons and values; it verifies."
        ),
    ] = False,
    json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Write the log to a file, for programs or for others to verify.

    Events as JSON lines, oldest first; with --proofs a file that 'deploytrail verify' takes.
    """
    from deploytrail.cli.progress import Progress
    from deploytrail.clock import SystemClock

    if concealed and not proofs:
        raise Malformed("--concealed: expected --proofs beside it, found it alone; add --proofs")
    if str(file) == "-":
        raise Malformed(
            "FILE: expected the name of a file, found -; 'deploytrail log --all --json' prints "
            "events, and ./- is a file of that name"
        )
    with reading(home) as trail, Progress("writing", SystemClock()) as progress:
        if proofs:
            from deploytrail.app.exporting import export as export_proofs

            size = export_proofs(trail, file, disclosures=not concealed, told=progress)
        else:
            size = _write_events(trail, file, progress)
    if json:
        say_json({"file": str(file), "entries": size, "proofs": proofs})
    elif proofs:
        entries = counted(size, "entry")
        tell(f"wrote {entries} to {file}; anybody can check it: deploytrail verify {file}")
    else:
        events = counted(size, "event")
        tell(f"wrote {events} to {file} as JSON lines; --proofs writes one that verifies")


def _write_events(trail: DirectoryTrail, file: Path, progress: Progress) -> int:
    """Every event as `log --json` says it, oldest first; replaces no file."""
    import msgspec

    from deploytrail.cli.shown_event import document

    size = trail.size()
    with file.open("xb") as lines:
        for shown in trail.entries(until=size):
            lines.write(msgspec.json.encode(document(shown, trail.origin)) + b"\n")
            progress(shown.index + 1, size)
    return size
