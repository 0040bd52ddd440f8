"""The trail of a verb: opened, kept up with what earlier runs left behind, published.

Every verb that appends publishes before it ends; without a server, nobody else would.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from deploytrail.cli.terminal import tell, warn
from deploytrail.errors import Busy, Malformed, Misconfigured, NotFound, NotPermitted
from deploytrail.sentence import counted

if TYPE_CHECKING:
    from deploytrail.address import Address, Database, Server
    from deploytrail.app.home import Home
    from deploytrail.app.trails.opening import Place
    from deploytrail.app.trails.stored import StoredTrail
    from deploytrail.remote import RemoteTrail
    from deploytrail.trail import TrailProducer, TrailReader

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="DIR",
        envvar="DEPLOYTRAIL_HOME",
        # Who may not read it is told so by us, with what to do.
        readable=False,
        help="Where the trail is.",
    ),
]
ReadHomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="PATH",
        envvar="DEPLOYTRAIL_HOME",
        readable=False,
        help="Where the trail is: its directory, or an export of it.",
    ),
]
UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        envvar="DEPLOYTRAIL_URL",
        help="Where the trail is instead: postgresql://USER@HOST/DATABASE, sqlite:///DIR, or "
        "https://HOST with DEPLOYTRAIL_TOKEN.",
    ),
]
StoredUrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        envvar="DEPLOYTRAIL_URL",
        help="Where the trail is instead: postgresql://USER@HOST/DATABASE or sqlite:///DIR.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Prints JSON, for programs.")]


def located(home: Path | None, url: str | None) -> Address | None:
    """Where the trail is: a directory, None for the usual one, a database, or a server.

    Flag before environment; of two variables the URL, since the directory has other uses, too.
    Raises Malformed for two flags, and for what is no address.
    """
    from deploytrail.address import Directory, address

    of_home = None if home is None else Directory(home)
    if not url:
        return of_home
    if home is not None and str(home) != os.environ.get("DEPLOYTRAIL_HOME"):
        if url != os.environ.get("DEPLOYTRAIL_URL"):
            raise Malformed("--url: expected no --home beside it, found both; leave one out")
        return of_home
    return address(url)


_ANSWER_SECONDS_MAX: Final = 5.0
_THERE: Final = "do it on a machine that reaches its directory (--home) or its database (--url)"


def stored(home: Path | None, url: str | None, *, why: str, instead: str = _THERE) -> Place | None:
    """As `located`, for a verb that needs the log itself; `why` is what a server doesn't do.

    Raises Malformed where the trail is behind a server.
    """
    from deploytrail.address import Server

    found = located(home, url)
    if isinstance(found, Server):
        raise Malformed(
            f"--url: expected where the log is kept, found the server {found}: {why}; {instead}"
        )
    return found


def remote(server: Server, *, patience_seconds: float = 5) -> RemoteTrail:
    """A trail behind a server, opened by the token of the environment.

    Whoever asks sits before the screen: they are told after some seconds that nobody answers.
    """
    from deploytrail.remote import RemoteTrail

    token = os.environ.get("DEPLOYTRAIL_TOKEN") or None
    return RemoteTrail(server.url, token=token, patience_seconds=patience_seconds)


@contextmanager
def reading(
    home: Path | None, url: str | None = None, *, is_proving: bool = False
) -> Iterator[TrailReader]:
    """A trail to be read: a directory, an export, a database, or behind a server.

    The server that runs over a directory is asked, unless what is read proves something: then it
    is the files that are believed. What can't be seen, and why, is told on standard error. Raises
    NotFound without a trail.
    """
    from deploytrail.address import Database, Server

    with ExitStack() as stack:
        place = located(home, url)
        told: Sequence[str] = ()
        trail: TrailReader
        if isinstance(place, Server):
            trail = remote(place)
        elif isinstance(place, Database):
            trail, told = _of_database(place)
        else:
            directory = None if place is None else place.path
            running = None if is_proving else answering(directory)
            trail, told = _opened(directory) if running is None else (running, ())
        stack.callback(trail.close)
        for text in told:
            tell(text)
        yield trail


def answering(home: Path | None) -> RemoteTrail | None:
    """The server over a directory, where one answers; else its files say the same."""
    from deploytrail.app.home import find
    from deploytrail.cli.faced import face_of
    from deploytrail.errors import DeploytrailError

    directory = find(home, os.environ).directory
    try:
        asked = face_of(directory, seconds_max=_ANSWER_SECONDS_MAX)
    except PermissionError:
        return None
    if asked is None:
        return None
    with asked, suppress(DeploytrailError):
        asked.stats()
        return face_of(directory)
    return None


def is_there(place: Home) -> bool:
    """Whether `reading` finds something, or at least has something better to say than that not."""
    try:
        return place.directory.is_file() or place.exists or place.has_lost_its_log
    except PermissionError:
        return True


def _of_database(place: Database) -> tuple[TrailReader, Sequence[str]]:
    from deploytrail.app.trails.opening import refuse_without_driver

    refuse_without_driver()
    from deploytrail.app.trails.database import open_to_read

    return open_to_read(place.url, os.environ)


def _opened(home: Path | None) -> tuple[TrailReader, Sequence[str]]:
    """As its owner reads it where that can be; else as somebody to whom it was handed over."""
    from deploytrail.app import open_directory
    from deploytrail.app.home import Home, find

    place = find(home, os.environ)
    is_export = False
    try:
        if place.directory.is_file():
            is_export = place.directory.name != place.log.name
            place = place if is_export else Home(place.directory.parent)
        is_readable = is_export or not place.exists or os.access(place.log, os.R_OK)
    except PermissionError:
        is_readable = False
    if not is_readable:
        raise NotPermitted(
            f"{place.directory}: expected to read this trail, but you may not; ask its owner for "
            "an export ('deploytrail export --proofs FILE'), which --home FILE reads"
        )
    if not is_export and (_may_be_written(place) or not place.exists):
        try:
            return open_directory(place.directory, create=False), ()
        except NotFound:
            # Where there is a log, what is not there is its key.
            if not place.exists:
                raise
    from deploytrail.app.proofs.examined_trail import open_examined, open_export

    trail = (
        open_export(place.directory, os.environ) if is_export else open_examined(place, os.environ)
    )
    return trail, trail.told


def _may_be_written(place: Home) -> bool:
    """Whether locks may be taken there; also where nothing is there yet."""
    files = [*place.directory.glob("*.lock"), *place.directory.glob("*.db*")]
    return all(os.access(each, os.W_OK) for each in (place.directory, *files) if each.exists())


@contextmanager
def opened(place: Place | None) -> Iterator[StoredTrail]:
    """A trail that is there, as its owner opens it."""
    from deploytrail.app.trails.opening import open_trail

    with open_trail(place, create=False) as trail:
        yield trail


@contextmanager
def appending(home: Path | None, url: str | None = None) -> Iterator[TrailProducer]:
    """A trail to append to, made where there is none; published when the block has ended.

    What was appended is durable before that: a publisher who is busy is only told, and so is a
    checkpoint that can't be kept outside of the log.
    """
    trail, aside = to_append(home, url)
    with closing(trail):
        if aside is not None:
            _append_kept(trail, aside)
        yield trail
        publish(trail)


def _append_kept(trail: TrailProducer, aside: Path) -> None:
    """What earlier runs could not record."""
    from deploytrail.wrapper.spool_file import spools
    from deploytrail.wrapper.unrecorded import append_unrecorded

    appended = append_unrecorded(trail, aside)
    refused, events = list(appended.set_aside), appended.events
    folder = spool_folder(aside)
    if spools(folder):
        from deploytrail.wrapper.draining import drain

        drained = drain(trail, folder)
        refused += drained.set_aside
        events += drained.events
        for gap in drained.gaps:
            warn(f"something is missing in {gap}")
    for path, reason in refused:
        warn(f"set aside {path}: {reason}")
    if events:
        tell(f"appended {counted(events, 'event')} that earlier runs could not record")


def spool_folder(aside: Path) -> Path:
    """Where spools lie: DEPLOYTRAIL_SPOOL, else below the home."""
    from deploytrail.wrapper.spool_file import FOLDER

    given = os.environ.get("DEPLOYTRAIL_SPOOL")
    return Path(given).absolute() if given else aside / FOLDER


def publish(trail: TrailProducer) -> None:
    """Publish what was appended, which is durable: where that fails, it is only told."""
    try:
        trail.publish()
    except Busy as error:
        warn(f"recorded, but not published yet: {error}; the next command publishes it")
    except (Misconfigured, NotFound) as error:
        warn(f"recorded, but nobody outside of the log knows: {error}")


def to_append(
    home: Path | None, url: str | None, *, create: bool = True
) -> tuple[TrailProducer, Path | None]:
    """A trail, made where there is none, and where what it missed lies aside, if anywhere."""
    from deploytrail.address import Database, Directory, Server
    from deploytrail.app.home import find

    place, aside = located(home, url), kept_aside(home, url)
    if isinstance(place, Server):
        return remote(place, patience_seconds=30), aside
    from deploytrail.app.trails.opening import open_trail

    if isinstance(place, Database):
        return open_trail(place, create=create), aside
    found = find(None if place is None else place.path, os.environ)
    if create and not (found.exists or found.has_lost_its_log):
        tell(f"{found.directory}: no trail yet, so one is made; 'deploytrail init' explains it")
    from deploytrail.cli.faced import faced

    opened = partial(open_trail, Directory(found.directory), create=create)
    return faced(found.directory, opened), aside


def kept_aside(home: Path | None, url: str | None) -> Path | None:
    """Where lies aside what a trail missed; None where no directory is known."""
    from deploytrail.address import Database, Server
    from deploytrail.app.home import find
    from deploytrail.xdg import aside_directory

    place = located(home, url)
    if isinstance(place, Server | Database):
        return aside_directory(os.environ, place.url)
    return find(None if place is None else place.path, os.environ).directory
