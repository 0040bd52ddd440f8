"""What GitHub's webhooks have in common: the parts of their bodies, and what they become.

Pure. Vendor page: docs.github.com/en/webhooks/webhook-events-and-payloads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw

from deploytrail.errors import Malformed
from deploytrail.event import Actor, Change, Links, Target
from deploytrail.event import Raw as RawPlace
from deploytrail.kit.draft import Place
from deploytrail.kit.shape import Shape
from deploytrail.kit.source import Circumstances

REALM: Final = "github"
Differences = dict[str, dict[str, Raw]]
"""`{"name": {"from": …}}`"""
Time = Annotated[datetime, Meta(tz=True)]
_TIME_MIN: Final = datetime(2000, 1, 1, tzinfo=UTC)
_AHEAD_SECONDS_MAX: Final = 86_400
_RUN: Final = re.compile(r"/([^/?#]+/[^/?#]+)/actions/runs/([0-9]{1,20})(?:/|$)")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Account(Shape, frozen=True):
    """A user, an app's bot, or an organisation."""

    login: str
    type: str | None = None


class Organization(Shape, frozen=True):
    login: str


class Repository(Shape, frozen=True):
    full_name: str
    default_branch: str | None = None
    html_url: str | None = None


class Sent(Shape, frozen=True):
    """What nearly all bodies have: who did it, and where."""

    sender: Account
    repository: Repository


class Named(Shape, frozen=True):
    name: str


_TYPES: Final = {"User": "user", "Bot": "service"}


def actor(account: Account | None) -> Actor:
    """GitHub itself where nobody is named."""
    if account is None or (account.login == "github" and account.type == "Organization"):
        return Actor(type="system", id=f"{REALM}:github")
    if account.type == "Bot" or account.login.endswith("[bot]"):
        return Actor(type="service", id=f"{REALM}:{account.login}")
    return Actor(
        type="user" if account.type == "User" else "unknown", id=f"{REALM}:{account.login}"
    )


def principal(account: Account | None, sender: Account | None) -> Actor | None:
    """For whom a sender acted, where that is somebody else."""
    if account is None or sender is None or account.login == sender.login:
        return None
    return actor(account)


def person(account: Account, change: str | None = None) -> Target:
    """Somebody as a target: names of people stay concealed."""
    return Target(type="user", name=f"{REALM}:{account.login}", change=change)


def place(
    repository: Repository | None,
    *,
    organization: Organization | None = None,
    path: str | None = None,
    environment: str | None = None,
    is_production: bool | None = None,
) -> Place:
    account = organization.login if organization and repository is None else None
    return Place(
        raw=RawPlace(
            repository=repository.full_name if repository else None,
            path=path or None,
            account=account,
        ),
        environment=environment or None,
        environment_class="prod" if is_production else None,
    )


def moment(said: datetime | int | None, at: Circumstances) -> datetime:
    """The vendor's time in UTC, which it writes as text and now and then as seconds since 1970;
    ours where it tells none, or what can be none (0001-01-01).
    """
    if isinstance(said, int):
        # Nothing happened much later than we heard of it, and larger numbers are no time at all.
        is_time = 0 < said <= at.received.timestamp() + _AHEAD_SECONDS_MAX
        said = datetime.fromtimestamp(said, UTC) if is_time else None
    if said is None:
        return at.received
    try:
        utc = said.astimezone(UTC)
    except (OverflowError, ValueError):
        return at.received
    return utc if utc >= _TIME_MIN else at.received


def span_ms(start: datetime | None, end: datetime | None) -> int | None:
    """Milliseconds between two times; None where one is unknown or they are the wrong way round."""
    if start is None or end is None or start > end:
        return None
    return int((end - start).total_seconds() * 1000)


def run_id(repository: str, number: int) -> str:
    """As `wrapper/ci.py` makes it."""
    return f"github:{repository}/actions/runs/{number}"


def run_of(repository: str, url: str | None) -> str | None:
    """The run of GitHub Actions to which a URL points."""
    found = _RUN.search(url) if url else None
    if found is None or found[1].lower() != repository.lower():
        # Whoever may set a status may point to any run.
        return None
    return run_id(repository, int(found[2]))


def commit(sha: str | None) -> str | None:
    """A whole commit's id; None for none, and for the zeros that stand for none."""
    if sha is None or _COMMIT.fullmatch(sha) is None or not sha.strip("0"):
        return None
    return sha


def branch(ref: str | None) -> str | None:
    """`refs/heads/main` as `main`."""
    if not ref:
        return None
    return ref.removeprefix("refs/heads/").removeprefix("refs/tags/")


def change_request(repository: str, number: int) -> str:
    return f"{repository}#{number}"


def links(
    repository: Repository | None,
    *,
    sha: str | None = None,
    previous: str | None = None,
    ref: str | None = None,
    run: str | None = None,
    number: int | None = None,
    deployment: str | None = None,
) -> Links:
    name = repository.full_name if repository else None
    return Links(
        repository=name,
        commit=commit(sha),
        previous_commit=commit(previous),
        ref=branch(ref),
        run=run,
        change_request=change_request(name, number) if name and number is not None else None,
        deployment=deployment,
    )


def json_text(value: Raw | None) -> str | None:
    """A part of a body as it was sent; None for null and for what is absent."""
    if value is None:
        return None
    text = bytes(value).decode("utf-8", "replace")
    return None if text == "null" else text


def quoted(text: str) -> str:
    """A text as JSON."""
    return msgspec.json.encode(text).decode()


def differences(
    changes: Mapping[str, Mapping[str, Raw]], now: Mapping[str, Raw], *, within: str = ""
) -> tuple[Change, ...]:
    """GitHub's `{"name": {"from": …}}` beside the values that hold now."""
    return tuple(
        Change(
            path=within + name,
            op="update",
            old=json_text(change.get("from")),
            new=json_text(change.get("to", now.get(name))),
        )
        for name, change in changes.items()
    )


def known(value: str, table: Mapping[str, str], path: str) -> str:
    """What a word of the body means; raises Malformed for a word that no table has."""
    found = table.get(value)
    if found is None:
        raise Malformed(f"body.{path}: expected one of {', '.join(table)}, found another")
    return found
