"""GitLab's webhooks on merge requests: opened, changed, approved, merged.

Pure. GitLab Docs, "Webhook events: Merge request events". `approval` is one person's consent,
`approved` one that completes what is required; `unapproval` and `unapproved` take consent back,
by hand, or by GitLab itself after a push (`system`), when nobody says whose it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from msgspec import structs

from deploytrail.event import (
    Actor,
    Approval,
    Approves,
    Change,
    Links,
    Reason,
    Target,
)
from deploytrail.kit.draft import Draft
from deploytrail.kit.shape import Shape
from deploytrail.kit.source import Circumstances
from deploytrail.sources.gitlab_shapes import (
    Head,
    Project,
    User,
    at_project,
    changed,
    commit,
    moment,
    person,
    somebody,
)

_is_draft: Final = re.compile(
    r"\s*(?:\[draft\]|\(draft\)|draft:|\[wip\]|wip:)", re.IGNORECASE
).match


class Attributes(Shape, frozen=True):
    iid: int
    action: str
    title: str | None = None
    source_branch: str | None = None
    target_branch: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    url: str | None = None
    last_commit: Head | None = None
    merge_commit_sha: str | None = None
    oldrev: str | None = None
    system: bool = False
    system_action: str | None = None


class MergeRequest(Shape, frozen=True):
    user: User | None
    project: Project
    object_attributes: Attributes


class Named(Shape, frozen=True):
    """A person by `username`, a label by `title`."""

    username: str | None = None
    title: str | None = None


class Names(Shape, frozen=True):
    previous: tuple[Named, ...] | None = None
    current: tuple[Named, ...] | None = None


class Words(Shape, frozen=True):
    previous: str | None = None
    current: str | None = None


class Flag(Shape, frozen=True):
    current: bool
    previous: bool | None = None


class Changes(Shape, frozen=True):
    """What of a merge request became another. Lists come as an object or as a pair."""

    title: Words | None = None
    draft: Flag | None = None
    target_branch: Words | None = None
    labels: Names | tuple[tuple[Named, ...], ...] | None = None
    assignees: Names | tuple[tuple[Named, ...], ...] | None = None
    reviewers: Names | tuple[tuple[Named, ...], ...] | None = None


class Updated(Shape, frozen=True):
    """`changes` may be empty, and is always there: what changed decides what is told."""

    user: User | None
    project: Project
    object_attributes: Attributes
    changes: Changes


_ACTIONS: Final = {
    "open": "code.change.created",
    "close": "code.change.abandoned",
    "reopen": "code.change.reopened",
    "merge": "code.change.merged",
    "approval": "code.review.approved",
    "approved": "code.review.approved",
    "unapproval": "code.review.dismissed",
    "unapproved": "code.review.dismissed",
}


def requested(body: MergeRequest, at: Circumstances) -> Iterator[Draft]:
    """Opened, closed, reopened, merged."""
    action = at.kind.partition(".")[2]
    yield _draft(body, _ACTIONS[action], _time(body.object_attributes, at))


def consented(body: MergeRequest, at: Circumstances) -> Iterator[Draft]:
    """Approvals given and taken back. Their time is not told: that of the request is older."""
    action = at.kind.partition(".")[2]
    is_given = action in ("approval", "approved")
    # What GitLab takes back after a push was given to what stood there before.
    is_reset = body.object_attributes.system and not is_given
    head = None if is_reset else _head(body.object_attributes)
    draft = structs.replace(
        _draft(body, _ACTIONS[action], at.received),
        approval=Approval(
            decision="granted" if is_given else "dismissed",
            approves=Approves(kind="commit", digest=head) if head else None,
        ),
    )
    if is_reset:
        draft = structs.replace(draft, actor=Actor(type="system"), on_behalf_of=draft.actor)
    yield draft
    if action == "approved":
        yield structs.replace(draft, action="approval.completed")


def updated(body: Updated, at: Circumstances) -> Iterator[Draft]:
    """Also who was asked for a review, and who is no longer."""
    now = _drafted(body.changes)
    action = "code.change.updated"
    if now is not None:
        action = "code.change.drafted" if now else "code.change.readied"
    request = MergeRequest(body.user, body.project, body.object_attributes)
    draft = _draft(request, action, _time(body.object_attributes, at))
    yield structs.replace(draft, changes=tuple(_changes(body.changes)))
    before, after = _names(body.changes.reviewers)
    for name in after:
        if name not in before:
            yield _reviewer(draft, "code.review.requested", name)
    for name in before:
        if name not in after:
            yield _reviewer(draft, "code.review.withdrawn", name)


def _reviewer(draft: Draft, action: str, name: str) -> Draft:
    return structs.replace(draft, action=action, targets=(somebody(name), *draft.targets))


def _draft(body: MergeRequest, action: str, time: datetime) -> Draft:
    said = body.object_attributes
    path = body.project.path_with_namespace
    name = f"{path}!{said.iid}"
    head, is_merged = _head(said), action == "code.change.merged"
    change = (said.system_action or None) if said.system else None
    return Draft(
        action=action,
        time=time,
        actor=person(body.user),
        place=at_project(path),
        targets=(
            Target(
                type="change_request", id=name, name=said.title or None, digest=head, change=change
            ),
        ),
        reason=Reason(from_="change_request", text=said.title) if said.title else None,
        links=Links(
            repository=path,
            change_request=name,
            ref=said.target_branch if is_merged else said.source_branch,
            # Without a commit for the merge, its last commit is what the base has now.
            commit=(commit(said.merge_commit_sha) if is_merged else None) or head,
            previous_commit=commit(said.oldrev),
        ),
        url=said.url,
    )


def _head(said: Attributes) -> str | None:
    return commit(said.last_commit.id) if said.last_commit else None


def _time(said: Attributes, at: Circumstances) -> datetime:
    if said.action == "open":
        return moment(said.created_at, "object_attributes.created_at") or at.received
    return moment(said.updated_at, "object_attributes.updated_at") or at.received


def _drafted(changes: Changes) -> bool | None:
    """Whether it became a draft or ready; None for neither. Old versions tell it by the title."""
    if changes.draft is not None and changes.draft.current is not changes.draft.previous:
        return changes.draft.current
    title = changes.title
    if title is None or title.previous is None or title.current is None:
        return None
    before, after = (_is_draft(text) is not None for text in (title.previous, title.current))
    return after if before is not after else None


def _changes(changes: Changes) -> Iterable[Change]:
    for name in ("title", "target_branch", "draft"):
        pair = getattr(changes, name)
        if pair is not None:
            yield changed(name, pair.previous, pair.current)
    for name in ("labels", "assignees", "reviewers"):
        lists: Any = getattr(changes, name)
        if lists is not None:
            yield changed(name, *_names(lists))


def _names(lists: Names | tuple[tuple[Named, ...], ...] | None) -> tuple[list[str], list[str]]:
    """The names before and after."""
    if lists is None:
        return [], []
    if isinstance(lists, Names):
        pair = (lists.previous or (), lists.current or ())
    else:
        pair = (lists[0] if lists else (), lists[-1] if len(lists) > 1 else ())
    before, after = ([one.username or one.title or "" for one in side] for side in pair)
    return [name for name in before if name], [name for name in after if name]
