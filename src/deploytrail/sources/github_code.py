"""GitHub's webhooks on commits, branches, repositories and what protects them.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from deploytrail.event import Reason, Target, Vcs
from deploytrail.kit.draft import Draft
from deploytrail.kit.shape import Shape
from deploytrail.kit.source import Circumstances, Kind
from deploytrail.sources.github_shapes import (
    Account,
    Repository,
    Sent,
    Time,
    actor,
    branch,
    commit,
    known,
    links,
    moment,
    place,
)


class Commit(Shape, frozen=True):
    id: str
    message: str | None = None


class PushedRepository(Repository, frozen=True):
    # Seconds since 1970 here, text everywhere else.
    pushed_at: Time | int | None = None


class Push(Shape, frozen=True):
    """docs.github.com/en/webhooks/webhook-events-and-payloads#push"""

    ref: str
    before: str
    after: str
    created: bool
    deleted: bool
    forced: bool
    sender: Account
    repository: PushedRepository
    commits: tuple[Commit, ...] = ()
    head_commit: Commit | None = None
    compare: str | None = None


def _push_action(body: Push) -> str:
    is_tag = body.ref.startswith("refs/tags/")
    what = "tag" if is_tag else "branch"
    if body.deleted:
        return f"code.{what}.deleted"
    if body.created:
        return f"code.{what}.created"
    if is_tag:
        return "code.tag.moved"
    return "code.push.forced" if body.forced else "code.pushed"


def push(body: Push, at: Circumstances) -> Iterator[Draft]:
    message = body.head_commit.message if body.head_commit else None
    what = "tag" if body.ref.startswith("refs/tags/") else "branch"
    yield Draft(
        action=_push_action(body),
        time=moment(body.repository.pushed_at, at),
        actor=actor(body.sender),
        place=place(body.repository),
        targets=(
            Target(type=what, id=branch(body.ref)),
            *(Target(type="commit", id=each.id, digest=commit(each.id)) for each in body.commits),
        ),
        reason=_commit_reason(message),
        links=links(body.repository, sha=body.after, previous=body.before, ref=body.ref),
        vcs=Vcs(message=message, commits=len(body.commits), forced=body.forced),
        url=body.compare,
    )


def _commit_reason(message: str | None) -> Reason | None:
    return Reason(from_="commit_trailer", text=message.split("\n", 1)[0]) if message else None


class Ref(Sent, frozen=True):
    """Bodies of `create` and `delete`."""

    ref: str
    ref_type: str


_REF_TYPES: Final = {"branch": "branch", "tag": "tag"}


def ref(body: Ref, at: Circumstances) -> Iterator[Draft]:
    what = known(body.ref_type, _REF_TYPES, "ref_type")
    yield Draft(
        action=f"code.{what}.{'created' if at.kind == 'create' else 'deleted'}",
        time=at.received,
        actor=actor(body.sender),
        place=place(body.repository),
        targets=(Target(type=what, id=body.ref),),
        links=links(body.repository, ref=body.ref),
    )


KINDS: Final[Mapping[str, Kind[Any]]] = {
    "push": Kind(Push, push),
    "create": Kind(Ref, ref),
    "delete": Kind(Ref, ref),
}
