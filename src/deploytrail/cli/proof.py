"""`deploytrail proof`: that one event is in the log, in one small file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deploytrail.cli.opening import JsonOption, ReadHomeOption, UrlOption, reading
from deploytrail.cli.show import IdArgument, IndexOption
from deploytrail.cli.terminal import say_json, tell, write_bytes


def proof(
    id: IdArgument = None,
    index: IndexOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", readable=False, help="Writes the proof there."
        ),
    ] = None,
    entry: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", readable=False, help="Writes the entry's bytes, which it proves, there."
        ),
    ] = None,
    json: JsonOption = False,
    home: ReadHomeOption = None,
    url: UrlOption = None,
) -> None:
    """Prove that an event is in the log.

    Prints a c2sp.org/tlog-proof under the newest checkpoint, and publishes one where needed.
    'deploytrail verify PROOF --entry ENTRY --policy POLICY' checks it anywhere, without the log.
    """
    from deploytrail.app.events.document import receipt_of
    from deploytrail.cli.finding import asked, find

    wanted = asked(id, index)

    with reading(home, url, is_proving=True) as trail:
        shown = find(trail, wanted)
        proven = trail.proof(shown.index)
        receipt = receipt_of(shown, trail.origin)
    for what, path, octets in (("entry", entry, shown.entry), ("proof", output, proven)):
        if path is not None:
            path.write_bytes(octets)
            tell(f"wrote the {what} to {path}")
    if json:
        document = {"proof": proven.decode(), "entry": shown.entry.decode(), "receipt": receipt}
        say_json(document)
    elif output is None:
        write_bytes(proven)
