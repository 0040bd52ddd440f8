"""`deploytrail proof`: that one event is in the log, in one small file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deploytrail.cli.opening import HomeOption, reading
from deploytrail.cli.show import IdArgument
from deploytrail.cli.terminal import tell, write_bytes


def proof(
    id: IdArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Writes the proof there."),
    ] = None,
    entry: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Writes the entry's bytes, which it proves, there."),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Prove that an event is in the log.

    Prints a c2sp.org/tlog-proof under the newest checkpoint, and publishes one where needed.
    """
    from deploytrail.cli.finding import find
    from deploytrail.event import EventId

    with reading(home) as trail:
        shown = find(trail, id)
        proven = trail.proof(EventId(str(shown.event["id"])))
    if entry is not None:
        entry.write_bytes(shown.entry)
        tell(f"wrote the entry to {entry}")
    if output is None:
        write_bytes(proven)
    else:
        output.write_bytes(proven)
        tell(f"wrote the proof to {output}")
