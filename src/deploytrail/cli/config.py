"""`deploytrail config`: what is declared for a trail, checked, compared and applied."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from deploytrail.cli.opening import HomeOption, JsonOption, StoredUrlOption, publish, stored
from deploytrail.cli.terminal import complain, is_terminal, say, say_json, styled, tell
from deploytrail.errors import EXIT_OK, EXIT_USAGE
from deploytrail.printable import printable
from deploytrail.sentence import counted

if TYPE_CHECKING:
    from deploytrail.app.connections.configuring import Applied
    from deploytrail.app.trails.opening import Place
    from deploytrail.app.trails.stored import StoredTrail
    from deploytrail.clock import Clock
    from deploytrail.event import Actor, Change, Raw
    from deploytrail.intake.declared import Declared

HELP: Final = "Say what is declared for a trail: its connections, and what belongs where."
FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--folder",
        metavar="DIR",
        readable=False,
        help="Where the files are; default: config/ beside deploytrail.toml, else beside the log.",
    ),
]
ReasonOption = Annotated[
    str | None, typer.Option("--reason", metavar="TEXT", envvar="DEPLOYTRAIL_REASON", help="Why.")
]
_PLACES_SHOWN: Final = 20
_SIGNS: Final = {"add": ("+", "green"), "remove": ("-", "red"), "update": ("~", "yellow")}


def config_check(
    folder: FolderOption = None,
    json: JsonOption = False,
    home: HomeOption = None,
    url: StoredUrlOption = None,
) -> int:
    """Check the files: everything that is wrong with them, each with its line.

    Needs no trail. The exit code is 2 where something is wrong.
    """
    from deploytrail.intake.tables import Misdeclared

    where = located(folder, stored(home, url, why=_WHY))
    try:
        found = read(where)
    except Misdeclared as error:
        for fault in error.faults:
            if json:
                say_json({"fault": fault})
            complain(printable(fault))
        return EXIT_USAGE
    environments, connections = len(found.places.environments), len(found.connections)
    rules = len(found.places.rules)
    if json:
        counts = {"environments": environments, "rules": rules, "connections": connections}
        say_json({"folder": str(where), **counts})
    else:
        said = [counted(environments, "environment"), counted(rules, "rule")]
        say(f"{printable(str(where))}: {', '.join(said)}, {counted(connections, 'connection')}")
    return EXIT_OK


def config_diff(
    folder: FolderOption = None,
    json: JsonOption = False,
    home: HomeOption = None,
    url: StoredUrlOption = None,
) -> int:
    """Show what `config apply` would change, value by value."""
    place = stored(home, url, why=_WHY)
    with configured(place) as job:
        new = read(located(folder, place))
        say_changes(job.changes(new), is_json=json)
    return EXIT_OK


def config_apply(
    folder: FolderOption = None,
    reason: ReasonOption = None,
    json: JsonOption = False,
    home: HomeOption = None,
    url: StoredUrlOption = None,
) -> int:
    """Let what the files declare hold from now on.

    The difference stands in the log before it takes effect; a server that runs takes it up within
    two seconds. Where nothing is different, nothing is done.
    """
    place = stored(home, url, why=_WHY)
    with configured(place) as job:
        new = read(located(folder, place))
        say_changes(job.changes(new), is_json=json)
        job.apply(new, reason=reason, is_json=json)
        _keep_modes(job, place)
    return EXIT_OK


def _keep_modes(job: Job, place: Place | None) -> None:
    """Beside a directory's trail, where its runs look before they start: no run opens it first."""
    from deploytrail.address import Database
    from deploytrail.app.home import find
    from deploytrail.wrapper.keeping import keep_modes

    if not isinstance(place, Database):
        home = find(None if place is None else place.path, os.environ).directory
        keep_modes(home, job.trail.modes())


_WHY: Final = "what is declared is set by whoever owns the log"


class Job(NamedTuple):
    """A trail and what is in force for it."""

    trail: StoredTrail
    before: Applied
    clock: Clock

    def changes(self, new: Declared) -> tuple[Change, ...]:
        from deploytrail.intake.declared import changes

        return changes(self.before.declared, new)

    def apply(self, new: Declared, *, reason: str | None, is_json: bool) -> None:
        """Durable with its events; tells the receipt."""
        from deploytrail.app.connections.configuring import apply

        receipts = apply(
            self.trail.recorder, self.before, new, clock=self.clock, by=account(), reason=reason
        )
        if not receipts:
            tell("nothing is different: what the files declare is in force")
            return
        publish(self.trail)
        if is_json:
            say_json(receipts[0])
        else:
            say(f"{styled('applied', 'green')}, entry {receipts[0].index}")


@contextmanager
def configured(place: Place | None) -> Iterator[Job]:
    """A trail that is there, and what is in force for it."""
    from deploytrail.app.connections.configuring import applied
    from deploytrail.app.connections.known_connections import offers
    from deploytrail.app.trails.opening import open_trail
    from deploytrail.clock import SystemClock

    clock = SystemClock()
    with open_trail(place, create=False, clock=clock) as trail:
        yield Job(trail, applied(trail.store.reading, offers()), clock)


def located(given: Path | None, place: Place | None) -> Path:
    """The folder of the files; beside the settings in force, else beside the log."""
    if given is not None:
        return given
    from deploytrail.address import Directory
    from deploytrail.app.connections.folder import folder
    from deploytrail.app.home import find
    from deploytrail.app.settings import Given, settings

    beside = settings(Given(), os.environ).file
    named = place.path if isinstance(place, Directory) else None
    return folder(beside, find(named, os.environ).directory)


def read(where: Path) -> Declared:
    """What the files of a folder declare. Raises Misdeclared."""
    from deploytrail.app.connections.folder import load
    from deploytrail.app.connections.known_connections import offers
    from deploytrail.intake.declared import read as read_files

    return read_files(load(where), offers(), folder=str(where))


def account() -> Actor:
    """Who is at this terminal, or which CI job."""
    from deploytrail.wrapper.account import account as own
    from deploytrail.wrapper.ci import ci_context

    return own(is_ci=ci_context(os.environ) is not None)


def say_changes(some: Sequence[Change], *, is_json: bool) -> None:
    """A line a change; with a sign in front, coloured on terminals."""
    if is_json:
        from msgspec.structs import asdict

        for each in some:
            kept = {
                name: value for name, value in asdict(each).items() if value not in (None, False)
            }
            say_json(kept)
        return
    for each in some:
        sign, colour = _SIGNS[each.op]
        values = " → ".join(value for value in (each.old, each.new) if value is not None)
        line = f"{sign} {each.path} = {printable(values)}"
        say(styled(line, colour) if is_terminal(sys.stdout) else line)
    if not some:
        tell("nothing is different")


def config_unmapped(
    since: Annotated[
        str, typer.Option("--since", metavar="SPAN", help="How far back, e.g. 30d.")
    ] = "30d",
    json: JsonOption = False,
    home: HomeOption = None,
    url: StoredUrlOption = None,
) -> int:
    """Count what no rule places, and propose one that would.

    The proposal is text for config/environments.toml, to be looked at and mended: what places
    share stands in it as it is, what looks like an environment is captured.
    """
    from deploytrail.app.connections.unmapped import unmapped
    from deploytrail.app.local import open_local

    with open_local(stored(home, url, why=_WHY), create=False) as trail:
        found = unmapped(trail, since)
    if json:
        for raw, count in found.places:
            say_json({"events": count, **_said(raw)})
        return EXIT_OK
    if not found.places:
        tell(f"in the last {since} every event that says where it happened was placed by a rule")
        return EXIT_OK
    more = "" if found.is_all else " or more"
    say(f"{counted(found.events, 'event')}{more} of {counted(len(found.places), 'place')}:")
    for raw, count in found.places[:_PLACES_SHOWN]:
        words = [f"{name}:{value}" for name, value in _said(raw).items()]
        say(f"  {count:>8,}  {printable(' '.join(words))}")
    if len(found.places) > _PLACES_SHOWN:
        say(f"  and {len(found.places) - _PLACES_SHOWN:,} more places")
    if found.proposal:
        say()
        say("A rule for config/environments.toml, to be mended:")
        say()
        say(found.proposal.rstrip())
    return EXIT_OK


def _said(raw: Raw) -> dict[str, str]:
    """What a place says."""
    from msgspec.structs import asdict

    return {name: value for name, value in asdict(raw).items() if value is not None}
