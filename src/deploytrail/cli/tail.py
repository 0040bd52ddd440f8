"""`deploytrail tail`: events while they happen."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from deploytrail.cli.asking import QueryArgument, asking, query_of, refuse_export
from deploytrail.cli.opening import HomeOption, JsonOption, UrlOption
from deploytrail.cli.terminal import is_terminal, say, say_json, tell
from deploytrail.errors import EXIT_OK


def tail(
    query: QueryArgument = None,
    after: Annotated[
        int | None,
        typer.Option(metavar="INDEX", min=0, help="Begins behind the entry of that index."),
    ] = None,
    json: JsonOption = False,
    home: HomeOption = None,
    url: UrlOption = None,
) -> int:
    """Show events as they are logged, until it is interrupted.

    None is left out and none comes twice, also where the server is stopped and started meanwhile.
    """
    from deploytrail.app.events.document import document
    from deploytrail.cli import log_table

    refuse_export(home)
    with asking(home, url) as trail:
        origin = trail.origin
        if is_terminal(sys.stderr):
            tell("waiting for events; Ctrl-C ends it")
        for shown in trail.tail(query_of(query), after=after):
            if json:
                say_json(document(shown, origin))
            elif is_terminal(sys.stdout):
                for line in log_table.table([shown]):
                    say(line)
            else:
                say(log_table.columns(shown))
            sys.stdout.flush()
    return EXIT_OK
