"""`deploytrail up`: the server over a trail."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from deploytrail.cli.opening import HomeOption
from deploytrail.cli.terminal import tell
from deploytrail.errors import EXIT_OK, EXIT_UNDECIDED, Misconfigured


def up(
    listen: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Where to listen.")
    ] = "127.0.0.1:8420",
    home: HomeOption = None,
) -> int:
    """Serve the trail over HTTP until it is stopped."""
    try:
        from deploytrail.web import serving
    except ModuleNotFoundError as error:
        raise Misconfigured(
            f"up: expected the server's libraries, found no {error.name}; install them with "
            "pip install 'deploytrail[server]'"
        ) from None
    from deploytrail.access.principal import Principal
    from deploytrail.app import open_directory
    from deploytrail.app.face import Face
    from deploytrail.clock import SystemClock
    from deploytrail.errors import Unknown
    from deploytrail.web.assembling import Parts
    from deploytrail.web.journal import Journal
    from deploytrail.web.reading import ServedTrail

    clock = SystemClock()
    with open_directory(home) as trail:
        origin, directory = trail.origin, trail.home.directory
    face = Face(directory, clock)
    host, _, port = listen.rpartition(":")
    where = serving.Listening(serving.listening(host, int(port)))

    def nobody(_: str | None) -> Principal:
        raise Unknown("Authorization: expected 'Bearer …', found none that is known")

    parts = Parts(
        origin=origin,
        writing_opened=lambda: open_directory(directory, create=False, clock=clock),
        reading_opened=lambda: ServedTrail(open_directory(directory, create=False, clock=clock)),
        authenticate=face.authenticating(nobody),
        clock=clock,
        journal=Journal(sys.stderr, clock),
    )

    def started() -> None:
        face.announce(where.url)
        tell(f"listening at {where.url}")

    try:
        is_whole = serving.serve(parts, where, started=started)
    finally:
        face.close()
    return EXIT_OK if is_whole else EXIT_UNDECIDED
