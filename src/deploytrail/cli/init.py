"""`deploytrail init`: makes a trail, and says what its owner has to know."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from deploytrail.cli.opening import HomeOption, JsonOption, StoredUrlOption, reading, stored
from deploytrail.cli.terminal import say, say_json, say_wrapped, styled
from deploytrail.errors import Malformed
from deploytrail.printable import printable

if TYPE_CHECKING:
    from deploytrail.app.home import Home

_ADVICE: Final = (
    (
        "key",
        "{key}",
        "Opens the names, reasons and values of this trail, which are kept encrypted beside the "
        "log. Copy it to a safe place elsewhere. Without it the log still verifies, but nobody "
        "can read those any more.",
    ),
    (
        "backup",
        "deploytrail backup FILE",
        "Also while others record; 'deploytrail restore FILE' makes a trail of it again. The key "
        "is not in it: keep your copy of that apart.",
    ),
    (
        "auditors",
        "deploytrail export --proofs FILE, and {directory}/policy",
        "Give them both, by two ways: the file is the log, the policy has the key by which they "
        "verify it. Names and reasons are in the file, unless you add --concealed.",
    ),
    (
        "UNANCHORED",
        "is what 'deploytrail verify' says at first",
        "Any change of an entry is found. But whoever owns this machine could rewrite the whole "
        "log, keys and all, as long as nobody else holds a part of it. A receipt, a proof, an "
        "export or a checkpoint that is kept elsewhere would give that away; so does a witness on "
        "another machine, which 'deploytrail witness add' names and 'deploytrail up' asks.",
    ),
)
_DATABASE_ADVICE: Final = (
    (
        "key",
        "{key}",
        "Opens the names, reasons and values of this trail, which are kept encrypted in the "
        "database; it never goes there itself. Everybody who records into this trail needs it, by "
        "DEPLOYTRAIL_KEY. Copy it to a safe place elsewhere.",
    ),
    (
        "backup",
        "pg_basebackup, or pg_dump of deploytrail_log and deploytrail_keys together",
        "Keep the key apart from it. docs/postgres.md says what a restore or a failover means.",
    ),
    *_ADVICE[3:],
)

_OPEN: Final = "Its files are yours alone, but the directory was there before, with wider rights."


_WHY: Final = "it has a trail already"
_INSTEAD: Final = "record there, or leave --url out to make one in a directory of yours"


def init(
    origin: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The log's own name; default: a random one, for ever."),
    ] = None,
    continue_: Annotated[
        Path | None,
        typer.Option(
            "--continue",
            metavar="NOTE",
            readable=False,
            help="Goes on after a log that was lost or set back, by its newest checkpoint.",
        ),
    ] = None,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Why it goes on after another one.")
    ] = None,
    home: HomeOption = None,
    url: StoredUrlOption = None,
    json: JsonOption = False,
) -> None:
    """Make a trail, and say what its owner has to know.

    Where there is one already, only the latter.
    """
    from deploytrail.address import Database
    from deploytrail.app.home import find

    found = stored(home, url, why=_WHY, instead=_INSTEAD)
    if isinstance(found, Database):
        _init_database(found.url, origin, is_continued=continue_ is not None, is_json=json)
        return
    place = find(None if found is None else found.path, os.environ)
    is_known = place.exists and origin is None and continue_ is None
    name = _origin(place) if is_known else _created(place, origin, continue_, reason)
    key = os.environ.get("DEPLOYTRAIL_KEY") or f"file:{place.key.absolute()}"
    directory = place.directory.absolute()
    if json:
        say_json({"origin": name, "home": str(directory), "key": key})
        return
    done = "this is a trail" if is_known else "made a trail"
    say(f"{styled(done, 'bold')} in {printable(str(directory))}")
    say(f"{styled('origin', 'bold')}  {printable(name)}")
    _say_advice(directory, key.removeprefix("file:"))


def _init_database(url: str, origin: str | None, *, is_continued: bool, is_json: bool) -> None:
    from deploytrail.app.trails.opening import refuse_without_driver

    refuse_without_driver()
    from deploytrail.app.trails.database import create_database, key_home, shown
    from deploytrail.clock import SystemClock
    from deploytrail.errors import Conflict

    if is_continued:
        raise Malformed("--continue: expected a directory, found a database; use --home DIRECTORY")
    done = "made a trail"
    try:
        name = create_database(url, clock=SystemClock(), environment=os.environ, origin=origin)
    except Conflict:
        if origin is not None:
            raise
        done = "this is a trail"
        with reading(None, url) as trail:
            name = trail.origin
    place = shown(url)
    key = os.environ.get("DEPLOYTRAIL_KEY") or f"file:{key_home(os.environ).key.absolute()}"
    if is_json:
        say_json({"origin": name, "url": place, "key": key})
        return
    say(f"{styled(done, 'bold')} in {printable(place)}")
    say(f"{styled('origin', 'bold')}  {printable(name)}")
    for topic, fact, text in _DATABASE_ADVICE:
        say()
        say(f"{styled(topic, 'bold')}  {printable(fact.format(key=key.removeprefix('file:')))}")
        say_wrapped(text)
    say()
    say("Next: deploytrail run -- terraform apply, with DEPLOYTRAIL_URL set")


def _say_advice(directory: Path, key: str) -> None:
    advice = [
        (topic, fact.format(key=key, directory=directory), text) for topic, fact, text in _ADVICE
    ]
    if directory.stat().st_mode & 0o077:
        advice.append(("open to others", f"chmod go= {directory}", _OPEN))
    for topic, fact, text in advice:
        say()
        say(f"{styled(topic, 'bold')}  {printable(fact)}")
        say_wrapped(text)
    say()
    say("Next: deploytrail run -- terraform apply")


def _origin(place: Home) -> str:
    """The name of the log that is there, as whoever opens it finds it."""
    with reading(place.directory) as trail:
        return trail.origin


def _created(place: Home, origin: str | None, old: Path | None, reason: str | None) -> str:
    from deploytrail.app.home import create
    from deploytrail.clock import SystemClock

    if old is None:
        return create(place, clock=SystemClock(), environment=os.environ, origin=origin)
    from deploytrail.app.backups.continuing import continue_after
    from deploytrail.redact import mask
    from deploytrail.wrapper.account import account
    from deploytrail.wrapper.ci import ci_context

    actor = account(is_ci=ci_context(os.environ) is not None)
    stated = mask(reason) if reason else None
    trail, _ = continue_after(old, place.directory, actor=actor, reason=stated, origin=origin)
    with trail:
        return trail.origin
