"""GitLab's webhooks on code: pushes, tags, merge requests, remarks, releases, tickets, findings.

Pure. GitLab Docs, "Webhook events".
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from deploytrail.event import Artifact, Links, Reason, Severity, Target, Vcs
from deploytrail.kit.draft import UNKNOWN, Draft
from deploytrail.kit.shape import Shape
from deploytrail.kit.source import Circumstances
from deploytrail.sources.gitlab_shapes import (
    Head,
    Project,
    User,
    account,
    at_project,
    commit,
    is_nothing,
    moment,
    path_of,
    person,
)

_COUNT_MAX: Final = 2**53 - 1


class Push(Shape, frozen=True):
    """A branch or a tag. System hooks name no `user_username`, and no commits."""

    before: str
    after: str
    ref: str
    project: Project
    user_id: int | None = None
    user_username: str | None = None
    user_name: str | None = None
    checkout_sha: str | None = None
    ref_protected: bool | None = None
    commits: tuple[Head, ...] | None = None
    total_commits_count: int | None = None


class Moved(Shape, frozen=True):
    """What one push did to one of the refs that it touched."""

    before: str
    after: str
    ref: str


class RepositoryUpdate(Shape, frozen=True):
    project: Project
    changes: tuple[Moved, ...]
    user_id: int | None = None
    user_name: str | None = None


def pushed(body: Push, at: Circumstances) -> Iterator[Draft]:
    head = next((one for one in body.commits or () if one.id == body.after), None)
    count = body.total_commits_count
    yield _moved(
        Moved(body.before, body.after, body.ref),
        body,
        at,
        vcs=Vcs(
            message=head.message if head else None,
            commits=count if count is not None and 0 <= count <= _COUNT_MAX else None,
            protected=body.ref_protected,
        ),
        reason=Reason(from_="commit_trailer", text=head.title) if head and head.title else None,
    )


def repository_updated(body: RepositoryUpdate, at: Circumstances) -> Iterator[Draft]:
    for one in body.changes:
        push = Push(
            one.before, one.after, one.ref, body.project, body.user_id, None, body.user_name
        )
        yield _moved(one, push, at)


def _moved(
    moved: Moved,
    push: Push,
    at: Circumstances,
    *,
    vcs: Vcs | None = None,
    reason: Reason | None = None,
) -> Draft:
    is_tag = moved.ref.startswith("refs/tags/")
    name = moved.ref.removeprefix("refs/tags/" if is_tag else "refs/heads/")
    began, ended = is_nothing(moved.before, "before"), is_nothing(moved.after, "after")
    path = push.project.path_with_namespace
    # Of a tag with a note, `after` is the tag itself; the commit stands in `checkout_sha`.
    reached = push.checkout_sha if is_tag and push.checkout_sha else moved.after
    return Draft(
        action=_ref_action(is_tag, began, ended),
        time=at.received,
        actor=account(push.user_username, push.user_id, push.user_name),
        place=at_project(path),
        targets=(Target(type="tag" if is_tag else "branch", name=name or None),),
        reason=reason,
        links=Links(
            commit=None if ended else commit(reached),
            previous_commit=commit(moved.before),
            repository=path,
            ref=name or None,
        ),
        vcs=vcs,
    )


def _ref_action(is_tag: bool, began: bool, ended: bool) -> str:
    if is_tag:
        return "code.tag." + ("deleted" if ended else "created" if began else "moved")
    if ended:
        return "code.branch.deleted"
    return "code.branch.created" if began else "code.pushed"


class Remark(Shape, frozen=True):
    noteable_type: str
    created_at: str | None = None
    updated_at: str | None = None
    commit_id: str | None = None
    url: str | None = None


class RemarkedMergeRequest(Shape, frozen=True):
    iid: int
    title: str | None = None
    source_branch: str | None = None
    last_commit: Head | None = None


class CommitNote(Shape, frozen=True):
    user: User | None
    project: Project
    object_attributes: Remark
    commit: Head


class MergeRequestNote(Shape, frozen=True):
    user: User | None
    project: Project
    object_attributes: Remark
    merge_request: RemarkedMergeRequest


def commit_remarked(body: CommitNote, at: Circumstances) -> Iterator[Draft]:
    path, sha = body.project.path_with_namespace, commit(body.commit.id)
    yield Draft(
        action="code.commit.commented",
        time=_noted(body.object_attributes, at),
        actor=person(body.user),
        place=at_project(path),
        targets=(Target(type="commit", id=body.commit.id),),
        links=Links(repository=path, commit=sha),
        url=body.object_attributes.url,
    )


def merge_request_remarked(body: MergeRequestNote, at: Circumstances) -> Iterator[Draft]:
    path, request = body.project.path_with_namespace, body.merge_request
    name = f"{path}!{request.iid}"
    yield Draft(
        action="code.change.commented",
        time=_noted(body.object_attributes, at),
        actor=person(body.user),
        place=at_project(path),
        targets=(Target(type="change_request", id=name, name=request.title or None),),
        links=Links(
            repository=path,
            change_request=name,
            ref=request.source_branch,
            commit=commit(request.last_commit.id) if request.last_commit else None,
        ),
        url=body.object_attributes.url,
    )


def _noted(remark: Remark, at: Circumstances) -> datetime:
    told = moment(remark.updated_at, "object_attributes.updated_at")
    return told or moment(remark.created_at, "object_attributes.created_at") or at.received


class Release(Shape, frozen=True):
    """Nobody is named: GitLab does not say who made a release."""

    tag: str
    project: Project
    action: str
    name: str | None = None
    created_at: str | None = None
    url: str | None = None
    commit: Head | None = None


_RELEASED: Final = {
    "release.create": "code.release.published",
    "release.update": "code.release.updated",
    "release.delete": "code.release.deleted",
}


def released(body: Release, at: Circumstances) -> Iterator[Draft]:
    path = body.project.path_with_namespace
    is_new = at.kind == "release.create"
    yield Draft(
        action=_RELEASED[at.kind],
        time=(moment(body.created_at, "created_at") if is_new else None) or at.received,
        actor=UNKNOWN,
        place=at_project(path),
        targets=(Target(type="release", id=f"{path}@{body.tag}", name=body.name or None),),
        links=Links(
            repository=path, ref=body.tag, commit=commit(body.commit.id) if body.commit else None
        ),
        artifact=Artifact(type="release", version=body.tag),
        url=body.url,
    )


class TicketAttributes(Shape, frozen=True):
    iid: int
    action: str
    title: str | None = None
    type: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    url: str | None = None


class Ticket(Shape, frozen=True):
    """An issue or another work item; that of a group, an epic, has no project."""

    user: User | None
    object_attributes: TicketAttributes
    project: Project | None = None


_TICKETS: Final = {
    "open": "code.ticket.created",
    "close": "code.ticket.closed",
    "reopen": "code.ticket.reopened",
    "update": "code.ticket.updated",
}


def ticketed(body: Ticket, at: Circumstances) -> Iterator[Draft]:
    said = body.object_attributes
    path = body.project.path_with_namespace if body.project else None
    told = said.created_at if said.action == "open" else said.updated_at
    yield Draft(
        action=_TICKETS[at.kind.partition(".")[2]],
        time=moment(told, "object_attributes.updated_at") or at.received,
        actor=person(body.user),
        place=at_project(path),
        targets=(Target(type="ticket", id=f"{path or ''}#{said.iid}", name=said.title or None),),
        links=Links(repository=path) if path else None,
        url=said.url,
    )


class Finding(Shape, frozen=True):
    state: str
    url: str
    title: str | None = None
    severity: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    confirmed_by_id: int | None = None
    dismissed_by_id: int | None = None
    resolved_by_id: int | None = None


class Vulnerability(Shape, frozen=True):
    object_attributes: Finding


_FINDINGS: Final = {
    "vulnerability.detected": "code.finding.reported",
    "vulnerability.confirmed": "code.finding.reported",
    "vulnerability.dismissed": "code.finding.dismissed",
    "vulnerability.resolved": "code.finding.resolved",
}

_SEVERITIES: Final[dict[str, Severity]] = {
    "info": "info",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "critical": "critical",
}


def found(body: Vulnerability, at: Circumstances) -> Iterator[Draft]:
    said = body.object_attributes
    by = {
        "confirmed": said.confirmed_by_id,
        "dismissed": said.dismissed_by_id,
        "resolved": said.resolved_by_id,
    }.get(said.state)
    path, action = path_of(said.url), _FINDINGS[at.kind]
    yield Draft(
        action=action,
        severity=_SEVERITIES.get(said.severity or "") if action.endswith(".reported") else None,
        time=moment(said.updated_at, "object_attributes.updated_at") or at.received,
        actor=account(None, by),
        place=at_project(path),
        targets=(Target(type="finding", id=said.url, name=said.title),),
        links=Links(repository=path) if path else None,
        url=said.url,
    )
