"""Who answers a question: a server that is named or runs over the directory; else its files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploytrail.cli.faced import face_of
from deploytrail.cli.opening import located, remote
from deploytrail.cli.taking_back import as_typed
from deploytrail.cli.terminal import tell
from deploytrail.errors import NotFound
from deploytrail.sentence import counted

if TYPE_CHECKING:
    from deploytrail.trail import OpenTrail, Page

QueryArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="QUERY", help='E.g. env:prod outcome:failure since:7d "read replica".'),
]


def query_of(words: list[str] | None) -> str:
    """The words of a command line as one query.

    A shell took the quotes of a phrase away: a word with blanks in it gets them back.
    """
    return " ".join(_quoted(as_typed(word)) for word in words or ())


def _quoted(word: str) -> str:
    if len(word.split()) < 2 or '"' in word or ":" in word or "(" in word:
        return word
    return f'"{word}"'


@contextmanager
def asking(home: Path | None, url: str | None) -> Iterator[OpenTrail]:
    """A trail that can be searched."""
    from deploytrail.address import Database, Directory, Server
    from deploytrail.app.home import find
    from deploytrail.clock import SystemClock

    found = located(home, url)
    if isinstance(found, Server):
        with remote(found) as server:
            yield server
        return
    if not isinstance(found, Database):
        found = Directory(find(None if found is None else found.path, os.environ).directory)
        running = face_of(found.path)
        if running is not None:
            with running as server:
                yield server
            return
    from deploytrail.app.local import open_local
    from deploytrail.cli.progress import Progress

    clock = SystemClock()
    telling = partial(Progress, "indexing", clock)
    with open_local(found, create=False, clock=clock, telling=telling) as local:
        yield local


def newest(trail: OpenTrail) -> int | None:
    """The index of the last entry: what this person recorded a moment ago is to be found."""
    size = trail.size()
    return size - 1 if size else None


def say_pages(
    trail: OpenTrail, first: Page, following: Iterator[Page], *, limit: int, is_json: bool
) -> int:
    """Print up to `limit` of the events; returns how many."""
    from itertools import chain, islice

    from deploytrail.cli.log import say_events

    events = (one for page in chain([first], following) for one in page.items)
    said = say_events(islice(events, limit), origin=trail.origin, is_json=is_json)
    if first.indexed < first.size:
        behind = counted(first.size - first.indexed, "entry")
        tell(f"{behind} came later than what was searched; ask again in a moment")
    if not said:
        tell(f"none of {counted(first.size, 'entry')} matches" if first.size else "nothing yet")
    return said


def refuse_export(home: Path | None) -> None:
    """Raise NotFound for an export: it has no index."""
    if home is not None and home.is_file():
        raise NotFound(
            f"{home}: expected the directory of a trail, found a file; 'deploytrail log --home "
            f"{home}' lists what an export holds"
        )
