"""`deploytrail up`: the server over a trail, and beside it the process that follows its log."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from deploytrail.cli.opening import HomeOption
from deploytrail.cli.terminal import say, tell
from deploytrail.errors import EXIT_OK, EXIT_UNDECIDED, Malformed, Misconfigured

if TYPE_CHECKING:
    from deploytrail.app.settings import Settings
    from deploytrail.app.trails.opening import Place
    from deploytrail.app.trails.stored import StoredTrail
    from deploytrail.clock import Clock

UpUrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="Where the log is instead: postgresql://USER@HOST/DATABASE or sqlite:///DIR; default: "
        "DEPLOYTRAIL_URL.",
    ),
]


def up(
    listen: Annotated[
        str | None,
        typer.Option("--listen", metavar="HOST:PORT", help="Where to listen; 127.0.0.1:8420."),
    ] = None,
    tls_certificate: Annotated[
        Path | None,
        typer.Option(metavar="FILE", readable=False, help="A certificate chain, in PEM."),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(metavar="FILE", readable=False, help="Its key, in PEM.")
    ] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="A proxy in front of it speaks TLS.")
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            envvar="DEPLOYTRAIL_CONFIG",
            readable=False,
            help="Settings, as deploytrail.toml has them.",
        ),
    ] = None,
    home: HomeOption = None,
    url: UpUrlOption = None,
) -> int:
    """Serve the trail over HTTP until it is stopped, and follow its log.

    The first time, a token is made that may do everything; its secret is printed once.
    """
    from deploytrail.app.settings import Given, settings

    found = settings(
        Given(
            config=config,
            log=_named(home, url),
            listen=listen,
            tls_certificate=tls_certificate,
            tls_key=tls_key,
            behind_proxy=behind_proxy or None,
        ),
        os.environ,
    )
    return _serve(found)


def _named(home: Path | None, url: str | None) -> str | None:
    """What the flags say; what stands in the environment, the settings read themselves."""
    is_home = home is not None and str(home) != os.environ.get("DEPLOYTRAIL_HOME")
    if not url:
        return str(home.absolute()) if home is not None and is_home else None
    if is_home:
        raise Malformed("--url: expected no --home beside it, found both; leave one out")
    return url


def _serve(found: Settings) -> int:
    try:
        from deploytrail.web.serving import Listening, serve
    except ModuleNotFoundError as error:
        raise Misconfigured(
            f"up: expected the server's libraries, found no {error.name}; install them with "
            "pip install 'deploytrail[server]'"
        ) from None
    from contextlib import ExitStack

    from deploytrail.address import Directory
    from deploytrail.app.face import Face
    from deploytrail.cli.follower import Follower
    from deploytrail.clock import SystemClock
    from deploytrail.kit.listening import Certificate, listening
    from deploytrail.web.served import Served

    clock, environment = SystemClock(), _environment(found)
    with ExitStack() as stack:
        served = Served(found.log, clock, environment)
        trail = stack.enter_context(served.opened(create=True))
        stack.callback(served.close)
        # Said before it serves: else whoever starts it reads that it does, and that it ended.
        trail.refuse_fenced()
        # Else the process that follows would end at each checkpoint, and build no index.
        trail.refuse_unkept()
        # A database has as many servers as one likes.
        face = Face(found.log.path, clock) if isinstance(found.log, Directory) else None
        if face is not None:
            stack.callback(face.close)
        certificate = None if found.tls is None else Certificate(*found.tls)
        if certificate is not None:
            certificate.refuse_unreadable()
        where = Listening(
            listening(found.listen, option="--listen"),
            certificate=certificate,
            is_behind_proxy=found.behind_proxy,
        )
        first = _first_secret(trail)

        def started() -> None:
            if face is not None:
                face.announce(where.url)
            _welcome(where.url, found.log, first, clock)

        stack.enter_context(Follower(found.log, environment, clock).running())
        is_whole = serve(served.parts(trail, face, sys.stderr), where, started=started)
    return EXIT_OK if is_whole else EXIT_UNDECIDED


def _environment(found: Settings) -> Mapping[str, str]:
    return {**os.environ, **({} if found.key is None else {"DEPLOYTRAIL_KEY": found.key})}


def _first_secret(trail: StoredTrail) -> str | None:
    """Of the token that is made where there never was any."""
    from deploytrail.wrapper.account import account
    from deploytrail.wrapper.ci import ci_context

    actor = account(is_ci=ci_context(os.environ) is not None)
    made = trail.tokens().first(owner=actor.id or actor.type, expires=None, by=actor)
    return None if made is None else made.secret


_FIRST: Final = """\
The line on standard output is the secret of the token 'first', which may do everything. It is shown
this once: keep it, and make smaller ones with 'deploytrail token create'.

An event gets in like this, from any machine that reaches this one:

  curl {url}/v1/events -H "Authorization: Bearer SECRET" -H "Content-Type: application/json" -d '{{
    "id": "{id}", "action": "deployment.succeeded",
    "outcome": "success", "time": "{time}",
    "actor": {{"type": "user", "id": "github:alice"}},
    "source": {{"tool": "curl", "instance": "here"}}, "where": {{"environment": "prod"}}}}'

and on this one by 'deploytrail record' and 'deploytrail run -- COMMAND'. Another terminal shows
what comes in with 'deploytrail tail', and finds it with 'deploytrail search env:prod'.
"""


def _welcome(url: str, place: Place, first: str | None, clock: Clock) -> None:
    tell(f"serving {place} at {url}")
    if first is not None:
        say(first)
        now = clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        sys.stderr.write(_FIRST.format(url=url, id=clock.event_id(), time=now))
        sys.stdout.flush()
