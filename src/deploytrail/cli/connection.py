"""`deploytrail connection`: which tools may deliver to a trail, set up, tried and looked after."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from deploytrail.cli.config import FolderOption, ReasonOption, configured, located, read
from deploytrail.cli.connection_setup import Setup
from deploytrail.cli.opening import HomeOption, JsonOption, StoredUrlOption, answering, stored
from deploytrail.cli.terminal import is_terminal, say, say_json, styled, tell
from deploytrail.errors import EXIT_OK, EXIT_UNDECIDED, Malformed, Misconfigured, NotFound
from deploytrail.printable import printable

if TYPE_CHECKING:
    from deploytrail.app.connections.connection_rows import Row
    from deploytrail.app.trails.opening import Place
    from deploytrail.cli.config import Job
    from deploytrail.clock import Clock
    from deploytrail.intake.connections import Stanza
    from deploytrail.intake.declared import Declared
    from deploytrail.kit.credential import Scheme
    from deploytrail.kit.source import Source

HELP: Final = "Say which tools may deliver to a trail, and how they prove it."
_WHY: Final = "connections are declared by whoever owns the log"
_FILE: Final = "connections.toml"
_LIMITS: Final = (63, 20, 20, 20, 19, 24, 16)

_Source = Annotated[
    str, typer.Argument(metavar="SOURCE", help="Which tool, e.g. github; docs/coverage.md has all.")
]
_NewName = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="Of the connection; default: the source's.")
]
_Name = Annotated[str, typer.Argument(metavar="NAME", help="Of the connection.")]
_Credential = Annotated[
    str | None,
    typer.Option(
        metavar="SCHEME", help="How the tool proves itself, where there are several ways."
    ),
]
_Secret = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        metavar="WHERE",
        help="Where its secret is: env:NAME, file:/PATH or command:COMMAND; else one is made.",
    ),
]
_Token = Annotated[
    str | None,
    typer.Option(metavar="WHERE", help="Where the token is by which the tool is asked."),
]
_Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting of the source; repeatable."),
]
_Server = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="Where the tool reaches this server; default: where it listens."
    ),
]


def connection_add(
    source: _Source,
    name: _NewName = None,
    credential: _Credential = None,
    secret: _Secret = None,
    token: _Token = None,
    setting: _Set = None,
    server: _Server = None,
    reason: ReasonOption = None,
    folder: FolderOption = None,
    json: JsonOption = False,
    home: HomeOption = None,
    url: StoredUrlOption = None,
) -> int:
    """Let a tool deliver, and print what to paste where.

    Writes a stanza to config/connections.toml and applies it. Where no secret is named, one is
    made, kept in a file beside, and printed once.
    """
    from msgspec import structs

    from deploytrail.app.connections.folder import changed, with_stanza
    from deploytrail.app.connections.issuing import issued
    from deploytrail.intake.connections import Stanza, written
    from deploytrail.intake.known import known

    place = stored(home, url, why=_WHY)
    which = known().source(source)
    own = name or source
    where = located(folder, place)
    with configured(place) as job:
        _refuse_taken(own, read(where))
        by = _scheme(which, credential)
        stanza = Stanza(
            source=source,
            credential=by.name,
            secrets=tuple(secret or ()) or _to_be_issued(by),
            token=token,
            settings=_settings(setting or ()),
        )
        _refuse_faulty(written(own, stanza))
        made: str | None = None
        if not secret and by.evidence is not None:
            made, reference = issued(by, where, own, job.clock)
            stanza = structs.replace(stanza, secrets=(reference,))
        text = written(own, stanza)
        changed(where / _FILE, lambda before: with_stanza(before, text))
        job.apply(read(where), reason=reason, is_json=json)
    Setup(which, own, stanza, made, _reached(server), where).done(is_json=json)
    return EXIT_OK


def _refuse_taken(name: str, declared: Declared) -> None:
    from deploytrail.intake.connections import NAME

    if re.fullmatch(NAME, name) is None:
        raise Malformed(
            "NAME: expected the name of a connection of at most 63 of a-z, 0-9 and '-', such as "
            f"github-acme, found {name[:63]!a}"
        )
    if name in declared.connections:
        raise Malformed(
            f"NAME: expected one that no connection has, found {name}; name another, such as "
            f"{name}-2"
        )


def _scheme(source: Source, named: str | None) -> Scheme:
    known = {one.name: one for one in source.schemes}
    if named is None:
        return source.schemes[0]
    if named not in known:
        raise Malformed(
            f"--credential: expected a scheme of {source.name} ({', '.join(known)}), found "
            f"{named[:40]!a}"
        )
    return known[named]


def _to_be_issued(by: Scheme) -> tuple[str, ...]:
    """What stands for a secret that is made once everything else is right."""
    return () if by.evidence is None else ("file:/to/be/issued",)


def _refuse_faulty(text: str) -> None:
    """Before it is written: what was given on the command line may be no name, or no reference."""
    from deploytrail.app.connections.known_connections import offers
    from deploytrail.intake.declared import read as read_files

    read_files({_FILE: text.encode()}, offers(), folder="new")


def _settings(given: Sequence[str]) -> dict[str, str]:
    found = {}
    for each in given:
        name, is_there, value = each.partition("=")
        if not is_there:
            raise Malformed(f"--set: expected NAME=VALUE, found {each[:40]!a}")
        found[name] = value
    return found


def _reached(server: str | None) -> str:
    """Where tools reach the server: what was given, else where it listens."""
    from deploytrail.app.settings import Given, settings

    if server is not None:
        return server.rstrip("/")
    found = settings(Given(), os.environ)
    return f"{'https' if found.tls else 'http'}://{found.listen}"


def connection_list(
    json: JsonOption = False,
    folder: FolderOption = None,
    home: HomeOption = None,
    url: StoredUrlOption = None,
) -> int:
    """List the connections, and how they do.

    Columns: name, source, credential, state, when the last delivery came, and how many were
    refused since the server started; what is declared and not applied yet is told. With --json, a
    JSON document per line.
    """
    from deploytrail.app.connections.connection_rows import HEADS, rows

    place = stored(home, url, why=_WHY)
    with configured(place) as job:
        some = rows(job.before.declared, _heard(place), _last(job))
        pending = job.changes(read(located(folder, place)))
    _say_rows(some, HEADS, is_json=json)
    if not some:
        tell("there is no connection yet; 'deploytrail connection add SOURCE' makes one")
    if pending:
        tell("what the files declare is not applied yet: 'deploytrail config diff' shows it")
    return EXIT_OK


def _last(job: Job) -> Callable[[str], str | None]:
    """When the newest event of a connection was logged; the index is brought up to date for it."""
    from deploytrail.app.local import LocalTrail

    asking = LocalTrail(job.trail, job.clock)

    def last(name: str) -> str | None:
        page = asking.search(f"connection:{name}", limit=1)
        return str(page.items[0].event["logged"]) if page.items else None

    return last


def _heard(place: Place | None) -> dict[str, dict[str, Any]]:
    """What a server that runs over the directory has heard, by name."""
    from deploytrail.address import Directory

    if place is not None and not isinstance(place, Directory):
        return {}
    running = answering(None if place is None else place.path)
    if running is None:
        return {}
    with running:
        return running.connections()


def _say_rows(some: Sequence[Row], heads: Sequence[str], *, is_json: bool) -> None:
    from deploytrail.cli.columns import GAP, clipped, padded, widths
    from deploytrail.cli.terminal import width

    if is_json:
        for row in some:
            say_json(row.document())
        return
    shown = [[printable(text) for text in row.texts()] for row in some]
    if not is_terminal(sys.stdout):
        for texts in shown:
            say("\t".join(texts))
        return
    if shown:
        table = [list(heads), *shown]
        wide = widths(table, limits=_LIMITS, flexible=0, total=width())
        for texts in table:
            pairs = zip(texts, wide, strict=True)
            cells = [padded(clipped(text, each), each) for text, each in pairs if each]
            say((" " * GAP).join(cells).rstrip())


def connection_test(
    name: _Name,
    server: _Server = None,
    json: JsonOption = False,
    home: HomeOption = None,
    url: StoredUrlOption = None,
) -> int:
    """Deliver something over a connection, as its tool would, and say what became of it.

    It goes to the server as the tool's deliveries do, with each secret of the connection; what
    arrives stands in the log as integration.connection.tested.
    """
    from deploytrail.app.connections.trying import tried
    from deploytrail.kit.http import Http

    place = stored(home, url, why=_WHY)
    address = _reached(server)
    with configured(place) as job, Http() as http:
        stanza = job.before.declared.connections.get(name)
        if stanza is None:
            raise NotFound(
                f"NAME: expected a connection that is applied, found {name[:63]!a}; "
                "'deploytrail connection list' shows them"
            )
        results = tried(stanza, f"{address}/in/{name}", http, job.clock, os.environ)
    code = EXIT_OK
    for one in results:
        if json:
            say_json({"secret": one.reference, "ok": one.is_taken, "why": one.why})
        else:
            word = styled("taken", "green") if one.is_taken else styled("refused", "red")
            say(f"{word} {printable(one.reference)}: {printable(one.why)}")
        code = code if one.is_taken else EXIT_UNDECIDED
    return code


def connection_rotate(
    name: _Name,
    secret: _Secret = None,
    finish: Annotated[
        bool, typer.Option("--finish", help="Leaves only the newest secret: no other opens.")
    ] = False,
    server: _Server = None,
    reason: ReasonOption = None,
    folder: FolderOption = None,
    json: JsonOption = False,
    home: HomeOption = None,
    url: StoredUrlOption = None,
) -> int:
    """Give a connection a new secret beside the old one, and print what to paste where.

    Both prove the tool until 'connection rotate NAME --finish' leaves only the new one; 'connection
    list' says which of them proved the last delivery, so that none is lost between.
    """
    from deploytrail.app.connections.folder import changed
    from deploytrail.intake.connections import quoted
    from deploytrail.intake.edited import edited
    from deploytrail.intake.known import known

    if finish and secret:
        raise Malformed("--secret: expected none beside --finish, which leaves the newest one")
    place = stored(home, url, why=_WHY)
    where = located(folder, place)
    with configured(place) as job:
        stanza = _declared(name, read(where))
        made: str | None = None
        new: tuple[str, ...] = ()
        references = stanza.secrets[:1]
        if not finish:
            made, new = _new_secret(stanza, where, name, secret, job.clock)
            references = (*new, *stanza.secrets)
        value = "[" + ", ".join(map(quoted, references)) + "]"
        changed(where / _FILE, lambda text: edited(text, (name, "secrets"), value))
        job.apply(read(where), reason=reason, is_json=json)
    if not finish:
        new_stanza = type(stanza)(source=stanza.source, credential=stanza.credential, secrets=new)
        source = known().source(stanza.source)
        Setup(source, name, new_stanza, made, _reached(server), where).say(is_json=json)
        tell(f"once it delivers with the new one: deploytrail connection rotate {name} --finish")
    return EXIT_OK


def _new_secret(
    stanza: Stanza, where: Path, name: str, given: list[str] | None, clock: Clock
) -> tuple[str | None, tuple[str, ...]]:
    from msgspec import structs

    from deploytrail.app.connections.issuing import issued
    from deploytrail.intake.connections import written
    from deploytrail.kit.schemes import scheme

    new = tuple(given or ()) or ("file:/to/be/issued",)
    # Before anything is made or written: of too many the oldest may be what the tool still uses.
    _refuse_faulty(written(name, structs.replace(stanza, secrets=(*new, *stanza.secrets))))
    if given:
        return None, new
    made, reference = issued(scheme(stanza.credential), where, name, clock)
    return made, (reference,)


def _declared(name: str, declared: Declared) -> Stanza:
    stanza = declared.connections.get(name)
    if stanza is None:
        raise NotFound(f"NAME: expected a connection of {_FILE}, found {name[:63]!a}")
    if not stanza.secrets:
        raise Misconfigured(f"{name}: expected a connection that has a secret, found none")
    return stanza
