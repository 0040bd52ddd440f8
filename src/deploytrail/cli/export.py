"""`deploytrail export`: the log as a file, for programs or for others to verify."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploytrail.cli.opening import (
    HomeOption,
    JsonOption,
    UrlOption,
    answering,
    located,
    opened,
    remote,
)
from deploytrail.cli.terminal import say_json, tell
from deploytrail.errors import Malformed
from deploytrail.sentence import counted

if TYPE_CHECKING:
    from deploytrail.address import Address
    from deploytrail.app.trails.stored import StoredTrail
    from deploytrail.cli.progress import Progress
    from deploytrail.remote import RemoteTrail
    from deploytrail.trail import Shown


_File = Annotated[
    Path,
    typer.Argument(metavar="FILE", readable=False, help="A file that is not there yet."),
]


def export(
    file: _File,
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
    url: UrlOption = None,
) -> None:
    """Write the log to a file, for programs or for others to verify.

    Events as JSON lines, oldest first; with --proofs a file that 'deploytrail verify' takes.
    """
    if concealed and not proofs:
        raise Malformed("--concealed: expected --proofs beside it, found it alone; add --proofs")
    if str(file) == "-":
        raise Malformed(
            "FILE: expected the name of a file, found -; 'deploytrail log --all --json' prints "
            "events, and ./- is a file of that name"
        )
    size = _exported(located(home, url), file, is_proving=proofs, is_concealed=concealed)
    if json:
        say_json({"file": str(file), "entries": size, "proofs": proofs})
    else:
        tell(_done(file, size, is_proving=proofs, is_concealed=concealed))


def _exported(place: Address | None, file: Path, *, is_proving: bool, is_concealed: bool) -> int:
    """How many entries; from a server, or from the files."""
    from deploytrail.address import Database, Server
    from deploytrail.cli.progress import Progress
    from deploytrail.clock import SystemClock

    with ExitStack() as stack:
        told = stack.enter_context(Progress("writing", SystemClock()))
        if isinstance(place, Server):
            server: RemoteTrail | None = remote(place)
        elif is_proving or isinstance(place, Database):
            # What proves is read from the files: it is they that are believed, and no server.
            server = None
        else:
            server = answering(None if place is None else place.path)
        if server is not None:
            stack.enter_context(server)
            return _received(
                server, file, is_proving=is_proving, is_concealed=is_concealed, told=told
            )
        assert not isinstance(place, Server)
        trail = stack.enter_context(opened(place))
        return _written(trail, file, is_proving=is_proving, is_concealed=is_concealed, told=told)


def _written(
    trail: StoredTrail, file: Path, *, is_proving: bool, is_concealed: bool, told: Progress
) -> int:
    from deploytrail.app.exporting import export, export_events

    if is_proving:
        return export(trail, file, disclosures=not is_concealed, told=told)
    return export_events(trail, file, partial(_line, trail.origin), told=told)


def _received(
    server: RemoteTrail, file: Path, *, is_proving: bool, is_concealed: bool, told: Progress
) -> int:
    from deploytrail.app.exporting import export_events, keep_export

    if not is_proving:
        return export_events(server, file, partial(_line, server.origin), told=told)
    return keep_export(partial(server.export_proofs, is_concealed=is_concealed), file)


def _done(file: Path, size: int, *, is_proving: bool, is_concealed: bool) -> str:
    if not is_proving:
        events = counted(size, "event")
        return f"wrote {events} to {file} as JSON lines; --proofs writes one that verifies"
    names = "left out" if is_concealed else "included"
    return (
        f"wrote {counted(size, 'entry')} to {file}, names and reasons {names}; anybody can check "
        f"it: deploytrail verify {file}"
    )


def _line(origin: str, shown: Shown) -> bytes:
    """An event as `log --json` says it."""
    import msgspec

    from deploytrail.app.events.document import document

    return msgspec.json.encode(document(shown, origin))
