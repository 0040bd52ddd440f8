"""As `doctor`, of a trail behind a server: what can be seen of it from where its clients are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Final

from deploytrail.app.doctor import Check
from deploytrail.app.proofs.seen import looked_at
from deploytrail.clock import Clock
from deploytrail.errors import DeploytrailError
from deploytrail.remote import RemoteTrail
from deploytrail.sentence import counted
from deploytrail.trail import Stats
from deploytrail.xdg import state_directory

_BEHIND_MAX: Final = 10_000
"""More entries than these are no matter of a moment."""


def examine_server(
    server: RemoteTrail, *, clock: Clock, environment: Mapping[str, str]
) -> list[Check]:
    """Whether it answers, takes events, lets us in, keeps up with its log, and signs what is no
    older than what was seen of it here.
    """
    try:
        server.refuse_unready()
    except DeploytrailError as error:
        advice = "look at its own log; 'deploytrail doctor' where its store is says more"
        return [Check(what="server", state="bad", found=str(error), advice=advice)]
    checks = [Check(what="server", state="ok", found=f"{server.url}: events are taken")]
    try:
        found = server.stats()
    except DeploytrailError as error:
        advice = "DEPLOYTRAIL_TOKEN has the secret of one; 'deploytrail token create' makes it"
        return [*checks, Check(what="token", state="bad", found=str(error), advice=advice)]
    return [
        *checks,
        Check(what="token", state="ok", found=f"it opens {found.origin}"),
        *_behind(found),
        _checkpoint(server, clock, environment),
        _version(server),
    ]


def _checkpoint(server: RemoteTrail, clock: Clock, environment: Mapping[str, str]) -> Check:
    try:
        octets = server.publish().note.encode()
    except DeploytrailError as error:
        advice = "see whether its follow process runs"
        return Check(what="checkpoint", state="bad", found=str(error), advice=advice)
    found = looked_at(octets, states=state_directory(environment), now=clock.now())
    return Check(what="checkpoint", **found._asdict())


def _version(server: RemoteTrail) -> Check:
    try:
        there = server.version()
    except DeploytrailError as error:
        return Check(what="version", state="note", found=str(error))
    here = version("deploytrail")
    if there == here:
        return Check(what="version", state="ok", found=f"{there}, as here")
    advice = "what one of them knows, the other may not; /v1 only grows"
    return Check(what="version", state="note", found=f"{there}, here {here}", advice=advice)


def _behind(found: Stats) -> Iterator[Check]:
    lags = {"signed": found.size - found.size_signed}
    lags |= {name: found.size - cursor for name, cursor in sorted(found.followers.items())}
    for what, lag in lags.items():
        is_behind = lag > _BEHIND_MAX
        yield Check(
            what=what,
            state="bad" if is_behind else "ok",
            found=f"{counted(lag, 'entry')} behind" if lag > 0 else "up to date",
            advice="see whether its follow process runs" if is_behind else "",
        )
