"""`deploytrail log`: what happened, newest first."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from deploytrail.cli.opening import HomeOption, JsonOption, reading
from deploytrail.cli.terminal import complain, is_terminal, say, say_json
from deploytrail.errors import EXIT_OK, EXIT_USAGE

if TYPE_CHECKING:
    from deploytrail.trail import Shown

_BEGIN = """\
Nothing is recorded here yet. To begin:

  deploytrail run -- terraform apply      records a command, and what terraform does
  deploytrail record deployment.succeeded --environment prod --reason 'by hand'
"""


def log(
    count: Annotated[
        int, typer.Option("-n", "--count", metavar="COUNT", min=1, help="How many, at most.")
    ] = 20,
    all: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    json: JsonOption = False,
    home: HomeOption = None,
) -> int:
    """List what happened, newest first.

    A table on a terminal; elsewhere columns with tabs between them: time, outcome, who, what,
    where, id. With --json, a JSON document per line.
    """
    from deploytrail.app.home import find

    place = find(home, os.environ)
    if not place.exists:
        complain(f"{place.directory}: expected a trail, found none; --home says where one is")
        _say_begin()
        return EXIT_USAGE
    with reading(home) as trail:
        size = trail.size()
        if size == 0:
            _say_begin()
        _say_events(trail.newest(count=size if all else count), origin=trail.origin, is_json=json)
    return EXIT_OK


def _say_begin() -> None:
    sys.stderr.write(_BEGIN)


def _say_events(events: Iterable[Shown], *, origin: str, is_json: bool) -> None:
    from deploytrail.cli import log_table, shown_event

    if is_json:
        for shown in events:
            say_json(shown_event.document(shown, origin))
    elif is_terminal(sys.stdout):
        for line in log_table.table(events):
            say(line)
    else:
        for shown in events:
            say(log_table.columns(shown))
