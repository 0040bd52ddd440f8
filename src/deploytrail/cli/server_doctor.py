"""As `doctor`, of a trail behind a server: what can be seen of it from where its clients are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from deploytrail.app.doctor import Check
from deploytrail.errors import DeploytrailError
from deploytrail.remote import RemoteTrail
from deploytrail.sentence import counted
from deploytrail.trail import Stats

_BEHIND_MAX: Final = 10_000
"""More entries than these are no matter of a moment."""


def examine_server(server: RemoteTrail) -> list[Check]:
    """Whether it answers, takes events, lets us in, and keeps up with its log."""
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
    ]


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
