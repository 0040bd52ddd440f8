"""GitHub's webhooks on pull requests and their reviews.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Literal

from msgspec import Raw
from msgspec.structs import replace

from deploytrail.errors import Malformed
from deploytrail.event import Approval, Approves, Change, Reason, Target, Vcs
from deploytrail.kit.draft import Draft
from deploytrail.kit.shape import Shape, read
from deploytrail.kit.source import Circumstances, Kind
from deploytrail.sources.github_shapes import (
    Account,
    Named,
    Sent,
    Time,
    actor,
    change_request,
    commit,
    differences,
    known,
    links,
    moment,
    person,
    place,
    principal,
    quoted,
)


class Head(Shape, frozen=True):
    sha: str
    ref: str | None = None


class PullRequest(Shape, frozen=True):
    number: int
    head: Head
    title: str | None = None
    html_url: str | None = None
    created_at: Time | None = None
    updated_at: Time | None = None
    closed_at: Time | None = None
    merged_at: Time | None = None
    merge_commit_sha: str | None = None
    commits: int | None = None
    changed_files: int | None = None
    additions: int | None = None
    deletions: int | None = None


class Changed(Sent, frozen=True):
    """docs.github.com/en/webhooks/webhook-events-and-payloads#pull_request"""

    pull_request: PullRequest
    before: str | None = None
    after: str | None = None
    reason: str | None = None
    label: Named | None = None


def _draft(
    action: str,
    body: Changed | Closed | Edited | Reviewed | Threaded | Asked | CommentedLine,
    time: datetime,
    *,
    extra: tuple[Target, ...] = (),
    changes: tuple[Change, ...] = (),
    sha: str | None = None,
    previous: str | None = None,
    approval: Approval | None = None,
    reason: Reason | None = None,
    url: str | None = None,
) -> Draft:
    pull, repository = body.pull_request, body.repository
    name = change_request(repository.full_name, pull.number)
    return Draft(
        action=action,
        time=time,
        actor=actor(body.sender),
        place=place(repository),
        targets=(Target(type="change_request", id=name, name=pull.title or None), *extra),
        changes=changes,
        reason=reason or (Reason(from_="change_request", text=pull.title) if pull.title else None),
        links=links(
            repository,
            sha=sha or pull.head.sha,
            previous=previous,
            ref=pull.head.ref,
            number=pull.number,
        ),
        approval=approval,
        vcs=Vcs(
            commits=_count(pull.commits),
            files=_count(pull.changed_files),
            additions=_count(pull.additions),
            deletions=_count(pull.deletions),
        )
        if pull.commits is not None
        else None,
        url=url or pull.html_url,
    )


def _count(said: int | None) -> int | None:
    return said if said is not None and 0 <= said < 2**53 else None


_CHANGED: Final = {
    "opened": "code.change.created",
    "synchronize": "code.change.updated",
    "reopened": "code.change.reopened",
    "ready_for_review": "code.change.readied",
    "converted_to_draft": "code.change.drafted",
    "enqueued": "code.change.queued",
    "dequeued": "code.change.dequeued",
    "auto_merge_enabled": "code.automerge.enabled",
    "auto_merge_disabled": "code.automerge.disabled",
    "labeled": "code.change.updated",
    "unlabeled": "code.change.updated",
}


def changed(body: Changed, at: Circumstances) -> Iterator[Draft]:
    verb = at.kind.partition(".")[2]
    pull = body.pull_request
    time = pull.created_at if verb == "opened" else pull.updated_at
    changes: tuple[Change, ...] = ()
    if verb == "synchronize":
        changes = (_text_change("head.sha", body.before, body.after),)
    elif body.label and verb in {"labeled", "unlabeled"}:
        old, new = (None, body.label.name) if verb == "labeled" else (body.label.name, None)
        changes = (_text_change("labels", old, new),)
    yield _draft(
        _CHANGED[verb],
        body,
        moment(time, at),
        changes=changes,
        previous=body.before if verb == "synchronize" else None,
        reason=Reason(from_="stated", text=body.reason) if body.reason else None,
    )


def _text_change(path: str, old: str | None, new: str | None) -> Change:
    op: Literal["add", "remove", "update"] = "update"
    if old is None:
        op = "add"
    elif new is None:
        op = "remove"
    return Change(
        path=path, op=op, old=quoted(old) if old else None, new=quoted(new) if new else None
    )


class MergeablePullRequest(PullRequest, frozen=True, kw_only=True):
    merged: bool
    merged_by: Account | None = None


class Closed(Sent, frozen=True):
    pull_request: MergeablePullRequest


def closed(body: Closed, at: Circumstances) -> Iterator[Draft]:
    """The merge's commit is the event's; the head that was reviewed is a target."""
    pull = body.pull_request
    if not pull.merged:
        yield _draft("code.change.abandoned", body, moment(pull.closed_at, at))
        return
    head = Target(type="commit", id=pull.head.sha, digest=commit(pull.head.sha))
    draft = _draft(
        "code.change.merged",
        body,
        moment(pull.merged_at or pull.closed_at, at),
        extra=(head,),
        sha=commit(pull.merge_commit_sha),
    )
    # A merge queue and an automatic merge are an app's doing, for who asked for the merge.
    yield replace(draft, on_behalf_of=principal(pull.merged_by, body.sender))


class Edited(Sent, frozen=True):
    pull_request: PullRequest
    changes: dict[str, dict[str, Raw]]


def edited(body: Edited, at: Circumstances) -> Iterator[Draft]:
    """Of `changes.base` the parts `ref` and `sha` have a `from` each."""
    changes: list[Change] = []
    for name, change in body.changes.items():
        if name == "base":
            changes += _base_changes(change)
        else:
            changes += differences({name: change}, {})
    yield _draft(
        "code.change.updated",
        body,
        moment(body.pull_request.updated_at, at),
        changes=tuple(changes),
    )


def _base_changes(change: Mapping[str, Raw]) -> Iterator[Change]:
    for name, value in change.items():
        try:
            before = read(value, dict[str, Raw])
        except Malformed:
            continue
        yield from differences({name: before}, {}, within="base.")


class Team(Shape, frozen=True):
    slug: str
    name: str | None = None


class Asked(Sent, frozen=True):
    pull_request: PullRequest
    requested_reviewer: Account | None = None
    requested_team: Team | None = None


_ASKED: Final = {
    "review_requested": "code.review.requested",
    "review_request_removed": "code.review.withdrawn",
}


def asked(body: Asked, at: Circumstances) -> Iterator[Draft]:
    whom: tuple[Target, ...] = ()
    if body.requested_reviewer is not None:
        whom = (person(body.requested_reviewer),)
    elif body.requested_team is not None:
        owner = body.repository.full_name.partition("/")[0]
        whom = (Target(type="team", id=f"{owner}/{body.requested_team.slug}"),)
    draft = _draft(
        _ASKED[at.kind.partition(".")[2]], body, moment(body.pull_request.updated_at, at)
    )
    # Whom was asked comes first: it is what the action's sentence is about.
    yield replace(draft, targets=(*whom, *draft.targets))


class Review(Shape, frozen=True):
    id: int
    state: str
    commit_id: str
    user: Account | None = None
    body: str | None = None
    html_url: str | None = None
    submitted_at: Time | None = None
    updated_at: Time | None = None


class Reviewed(Sent, frozen=True):
    pull_request: PullRequest
    review: Review


_STATES: Final = {
    "approved": "code.review.approved",
    "changes_requested": "code.review.rejected",
    "commented": "code.review.commented",
}
_DECISIONS: Final[Mapping[str, Literal["granted", "rejected"]]] = {
    "code.review.approved": "granted",
    "code.review.rejected": "rejected",
}


def reviewed(body: Reviewed, at: Circumstances) -> Iterator[Draft]:
    review = body.review
    action = known(review.state.lower(), _STATES, "review.state")
    decision = _DECISIONS.get(action)
    yield _draft(
        action,
        body,
        moment(review.submitted_at, at),
        sha=commit(review.commit_id),
        approval=_approval(body, decision) if decision else None,
        reason=Reason(from_="stated", text=review.body) if review.body else None,
        url=review.html_url,
    )


def dismissed(body: Reviewed, at: Circumstances) -> Iterator[Draft]:
    review = body.review
    yield _draft(
        "code.review.dismissed",
        body,
        moment(review.updated_at or body.pull_request.updated_at, at),
        extra=(person(review.user, "dismissed"),) if review.user else (),
        sha=commit(review.commit_id),
        approval=_approval(body, "dismissed"),
        url=review.html_url,
    )


def _approval(body: Reviewed, decision: Literal["granted", "rejected", "dismissed"]) -> Approval:
    digest = commit(body.review.commit_id)
    if digest is None:
        raise Malformed("body.review.commit_id: expected a whole commit id, found something else")
    return Approval(
        decision=decision,
        request=change_request(body.repository.full_name, body.pull_request.number),
        approves=Approves(kind="commit", digest=digest),
    )


class Threaded(Sent, frozen=True):
    pull_request: PullRequest
    updated_at: Time | None = None


_THREAD: Final = {"resolved": "code.thread.resolved", "unresolved": "code.thread.reopened"}


def thread(body: Threaded, at: Circumstances) -> Iterator[Draft]:
    time = body.updated_at or body.pull_request.updated_at
    yield _draft(_THREAD[at.kind.partition(".")[2]], body, moment(time, at))


class Comment(Shape, frozen=True):
    body: str | None = None
    commit_id: str | None = None
    html_url: str | None = None
    created_at: Time | None = None


class CommentedLine(Sent, frozen=True):
    pull_request: PullRequest
    comment: Comment


def commented_line(body: CommentedLine, at: Circumstances) -> Iterator[Draft]:
    said = body.comment
    yield _draft(
        "code.change.commented",
        body,
        moment(said.created_at, at),
        sha=commit(said.commit_id),
        reason=Reason(from_="stated", text=said.body) if said.body else None,
        url=said.html_url,
    )


class Issue(Shape, frozen=True):
    number: int
    html_url: str
    title: str | None = None


class Commented(Sent, frozen=True):
    issue: Issue
    comment: Comment


def commented(body: Commented, at: Circumstances) -> Iterator[Draft]:
    """A comment on a pull request: bots take commands there. One on an issue tells nothing."""
    issue, said = body.issue, body.comment
    if "/pull/" not in issue.html_url:
        return
    name = change_request(body.repository.full_name, issue.number)
    yield Draft(
        action="code.change.commented",
        time=moment(said.created_at, at),
        actor=actor(body.sender),
        place=place(body.repository),
        targets=(Target(type="change_request", id=name, name=issue.title or None),),
        reason=Reason(from_="stated", text=said.body) if said.body else None,
        links=links(body.repository, number=issue.number),
        url=said.html_url,
    )


KINDS: Final[Mapping[str, Kind[Any]]] = {
    **{f"pull_request.{verb}": Kind(Changed, changed) for verb in _CHANGED},
    "pull_request.closed": Kind(Closed, closed),
    "pull_request.edited": Kind(Edited, edited),
    **{f"pull_request.{verb}": Kind(Asked, asked) for verb in _ASKED},
    "pull_request_review.submitted": Kind(Reviewed, reviewed),
    "pull_request_review.dismissed": Kind(Reviewed, dismissed),
    **{f"pull_request_review_thread.{verb}": Kind(Threaded, thread) for verb in _THREAD},
    "pull_request_review_comment.created": Kind(CommentedLine, commented_line),
    "issue_comment.created": Kind(Commented, commented),
}
