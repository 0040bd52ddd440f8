"""`deploytrail log`: what happened, newest first."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from deploytrail.cli.opening import (
    JsonOption,
    ReadHomeOption,
    UrlOption,
    is_there,
    located,
    reading,
)
from deploytrail.cli.terminal import complain, is_terminal, say, say_json, tell
from deploytrail.errors import EXIT_OK, EXIT_USAGE, Malformed
from deploytrail.sentence import counted

if TYPE_CHECKING:
    from deploytrail.address import Address
    from deploytrail.cli.log_filter import Filter
    from deploytrail.clock import Clock
    from deploytrail.trail import Shown, TrailReader

_BEGIN = """\
Nothing is recorded here yet. To begin:

  deploytrail run -- terraform apply      records a command, and what terraform does
  deploytrail record deployment.succeeded --environment prod --reason 'by hand'
"""


_COUNT: Final = 20
_Count = Annotated[
    int | None,
    typer.Option(
        "-n", "--count", metavar="COUNT", min=1, help=f"How many, at most; default: {_COUNT}."
    ),
]
_Environment = Annotated[
    str | None, typer.Option(metavar="NAME", help="Only what happened there, e.g. prod.")
]
_Unit = Annotated[str | None, typer.Option(metavar="NAME", help="Only what concerns this unit.")]
_Since = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Only what happened or came in since: 2h, 7d, 2026-11-22, 2026-11-22T10:11:12Z.",
    ),
]
_Action = Annotated[
    str | None,
    typer.Option(metavar="PREFIX", help="Only actions whose names begin so, e.g. deployment."),
]
_Outcome = Annotated[
    list[str] | None,
    typer.Option(
        metavar="OUTCOME",
        help="Only what went so: success, failure, denied, pending, partial, unknown; repeatable.",
    ),
]
_Failed = Annotated[
    bool, typer.Option("--failed", help="Only what did not go well: failure, partial or denied.")
]
_FAILED: Final = ("failure", "partial", "denied")


def log(
    count: _Count = None,
    all: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    environment: _Environment = None,
    unit: _Unit = None,
    since: _Since = None,
    action: _Action = None,
    outcome: _Outcome = None,
    failed: _Failed = False,
    json: JsonOption = False,
    home: ReadHomeOption = None,
    url: UrlOption = None,
) -> int:
    """List what happened, newest first, by when it was logged.

    A table on a terminal; elsewhere columns with tabs between them: time, outcome, who, what,
    where, id. With --json, a JSON document per line. An event has to pass every filter.
    """
    if all and count is not None:
        raise Malformed("--all: expected no -n beside it, found both; leave one of them out")
    from deploytrail.cli.log_filter import filter_of
    from deploytrail.clock import SystemClock

    clock = SystemClock()
    wanted = filter_of(
        environment=environment,
        unit=unit,
        since=since,
        action=action,
        outcomes=[*(outcome or ()), *(_FAILED if failed else ())],
        now=clock.now(),
    )
    missing = _missing(located(home, url))
    if missing is not None:
        complain(f"{missing}: expected a trail, found none; --home says where one is")
        _say_begin()
        return EXIT_USAGE
    with reading(home, url) as trail:
        size = trail.size()
        limit = size if all else min(size, count or _COUNT)
        events = _newest(trail, wanted, size=size, limit=limit, clock=clock)
        said = say_events(events, origin=trail.origin, is_json=json)
    if size == 0:
        _say_begin()
    elif said == 0:
        tell(f"none of {counted(size, 'entry')} passes")
    return EXIT_OK


def _missing(place: Address | None) -> Path | None:
    """The directory in which there is no trail."""
    from deploytrail.address import Directory
    from deploytrail.app.home import find

    if not (place is None or isinstance(place, Directory)):
        return None
    home = find(None if place is None else place.path, os.environ)
    return None if is_there(home) else home.directory


def _newest(
    trail: TrailReader, wanted: Filter, *, size: int, limit: int, clock: Clock
) -> Iterator[Shown]:
    """As many as asked for, of those that pass."""
    from deploytrail.cli.log_filter import matching

    if wanted.is_open:
        return trail.newest(count=limit)
    looked_at = _counting(trail.newest(count=size), size, clock)
    return islice(matching(looked_at, wanted), limit)


def _counting(events: Iterator[Shown], size: int, clock: Clock) -> Iterator[Shown]:
    """The same, while whoever waits sees how far it is."""
    from deploytrail.cli.progress import Progress

    with Progress("looking back", clock) as progress:
        for shown in events:
            progress(size - shown.index, size)
            yield shown


def _say_begin() -> None:
    sys.stderr.write(_BEGIN)


def say_events(events: Iterator[Shown], *, origin: str, is_json: bool) -> int:
    """Prints them; returns how many there were."""
    from deploytrail.app.events.document import document
    from deploytrail.cli import log_table

    said = 0

    def each() -> Iterator[Shown]:
        nonlocal said
        for said, shown in enumerate(events, 1):  # noqa: B007 (counted here, returned below)
            yield shown

    if is_json:
        for shown in each():
            say_json(document(shown, origin))
    elif is_terminal(sys.stdout):
        for line in log_table.table(each()):
            say(line)
    else:
        for shown in each():
            say(log_table.columns(shown))
    return said
