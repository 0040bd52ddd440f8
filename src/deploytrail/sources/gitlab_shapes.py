"""What most of GitLab's webhooks have in common: who, which project, when, which commit.

Pure. GitLab Docs, "Webhook events" and "System hooks". Times come in three notations, users with
or without a name, jobs with or without their project; here they become one of each.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from deploytrail.errors import Malformed
from deploytrail.event import Actor, Change, EnvironmentClass, Raw, Target
from deploytrail.kit.draft import UNKNOWN, Place
from deploytrail.kit.shape import Shape

_time: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?"
    r" ?(UTC|Z|[+-][0-9]{2}:?[0-9]{2})"
).fullmatch
_commit: Final = re.compile("[0-9a-f]{40}|[0-9a-f]{64}").fullmatch
_path_of_url: Final = re.compile(r"https?://[^/?#]{1,255}/([^?#]{1,1024})").fullmatch
_of_request: Final = re.compile(r"/merge_requests/[0-9]{1,18}$")
# Those of access tokens, of service accounts and of GitLab itself; everybody else is a person.
_machine: Final = re.compile(
    "(?:project|group)_[0-9]+_bot[0-9]*(?:_[0-9a-f]+)?"
    "|service_account_(?:(?:group|project)_[0-9]+_)?[0-9a-f]+"
    "|(?:alert|support|visual-review|security|migration|automation)-bot|GitLab-(?:Admin|Security)-Bot"
).fullmatch

_TIERS: Final[dict[str, EnvironmentClass]] = {
    "production": "prod",
    "staging": "staging",
    "testing": "test",
    "development": "dev",
}


class User(Shape, frozen=True):
    """`username` is left out by some system hooks, and by old versions."""

    id: int | None = None
    username: str | None = None
    name: str | None = None


class Project(Shape, frozen=True):
    path_with_namespace: str


class Head(Shape, frozen=True):
    """A commit."""

    id: str
    title: str | None = None
    message: str | None = None


def moment(text: str | None, field: str) -> datetime | None:
    """`2026-11-22 10:00:00 UTC`, `… +0100` or RFC 3339, in UTC; None where there is none.

    Raises Malformed, naming the field.
    """
    if not text:
        return None
    found = _time(text)
    if found is not None:
        date, time, fraction, zone = found.groups(default="")
        offset = "+00:00" if zone in ("UTC", "Z") else f"{zone[:3]}:{zone[-2:]}"
        try:
            return datetime.fromisoformat(f"{date}T{time}{fraction[:7]}{offset}").astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise Malformed(
        f"body.{field}: expected a time such as 2026-11-22 10:00:00 UTC, found something else"
    )


def person(user: User | None) -> Actor:
    """Whoever GitLab says it was; by number where it says no name."""
    if user is None:
        return UNKNOWN
    return account(user.username, user.id, user.name)


def account(username: str | None, number: int | None, name: str | None = None) -> Actor:
    """A user of GitLab. No username has a slash, so a number is never taken for one."""
    if not username and number is None:
        return UNKNOWN
    kind = "service" if username and _machine(username) else "user"
    known = f"gitlab:{username}" if username else f"gitlab:user/{number}"
    return Actor(type="service" if kind == "service" else "user", id=known, name=name or None)


def somebody(username: str | None, number: int | None = None) -> Target:
    """A user who is acted upon. In `name`, which is concealed, as all that names people."""
    return Target(type="user", name=account(username, number).id)


def commit(text: str | None) -> str | None:
    """A full commit id; None for the zeros that stand for none, and for what is no commit id."""
    if text is None or _commit(text) is None or not text.strip("0"):
        return None
    return text


def is_nothing(text: str, field: str) -> bool:
    """Whether a push names no commit here, by zeros. Raises Malformed for what is neither."""
    if _commit(text) is None:
        raise Malformed(f"body.{field}: expected a commit id, found something else")
    return not text.strip("0")


def path_of(url: str | None) -> str | None:
    """A project's path from its address, or from that of something in it."""
    found = _path_of_url(url) if url else None
    if found is None:
        return None
    # Old versions have no `/-/` between a project and what is in it.
    path = _of_request.sub("", found[1].partition("/-/")[0])
    return path.removesuffix(".git") or None


def at_project(path: str | None, environment: str | None = None, tier: str | None = None) -> Place:
    """In a project; `environment` and its tier where GitLab says them."""
    class_ = _TIERS.get(tier or "", "unknown") if environment and tier else None
    return Place(
        raw=Raw(repository=path or None), environment=environment, environment_class=class_
    )


def milliseconds(seconds: float | None) -> int | None:
    if seconds is None or not 0 <= seconds < 1e9:
        return None
    return round(seconds * 1000)


def changed(path: str, old: Any = None, new: Any = None) -> Change:
    """From one JSON value to another; None is one that isn't told."""
    return Change(path=path, op="update", old=_json(old), new=_json(new))


def _json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
