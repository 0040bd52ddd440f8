"""GitLab's webhooks on deployments, on consent to them, and on switches of features.

Pure. GitLab Docs, "Webhook events". A deployment names the job that made it, and no pipeline: its
events join by the id of the deployment, and those of its pipeline by commit and environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from deploytrail.event import Actor, Approval, Approves, Links, Outcome, Reason, Target
from deploytrail.kit.draft import Draft
from deploytrail.kit.shape import Shape
from deploytrail.kit.source import Circumstances
from deploytrail.sources.gitlab_runs import job_id, starter
from deploytrail.sources.gitlab_shapes import (
    Project,
    User,
    at_project,
    changed,
    commit,
    moment,
    person,
)

_commit_of_url: Final = re.compile(r"[^?#]*/commit/([0-9a-f]{40}|[0-9a-f]{64})").fullmatch


class Decision(Shape, frozen=True):
    comment: str | None = None


class Deployment(Shape, frozen=True):
    status: str
    environment: str
    user: User | None
    project: Project
    deployment_id: int | None = None
    deployable_id: int | None = None
    status_changed_at: str | None = None
    environment_tier: str | None = None
    ref: str | None = None
    commit_url: str | None = None
    commit_title: str | None = None
    deployable_url: str | None = None


class DecidedDeployment(Shape, frozen=True):
    """`approver` is who consented or refused; `user` who started it."""

    status: str
    environment: str
    approver: User | None
    user: User | None
    project: Project
    approval: Decision | None = None
    deployment_id: int | None = None
    deployable_id: int | None = None
    status_changed_at: str | None = None
    environment_tier: str | None = None
    ref: str | None = None
    commit_url: str | None = None
    deployable_url: str | None = None


DEPLOYMENTS: Final = {
    "created": "deployment.queued",
    "blocked": "deployment.blocked",
    "running": "deployment.started",
    "success": "deployment.succeeded",
    "failed": "deployment.failed",
    "canceled": "deployment.cancelled",
    "skipped": "deployment.skipped",
}


def deployed(body: Deployment, at: Circumstances) -> Iterator[Draft]:
    action = DEPLOYMENTS[at.kind.partition(".")[2]]
    title = body.commit_title
    yield _deployment(
        body,
        at,
        action,
        starter(action, body.user),
        outcome="pending" if action == "deployment.blocked" else None,
        reason=Reason(from_="commit_trailer", text=title) if title else None,
    )


def decided(body: DecidedDeployment, at: Circumstances) -> Iterator[Draft]:
    is_granted = at.kind == "deployment.approved"
    comment = body.approval.comment if body.approval else None
    digest = _commit_of(body)
    yield _deployment(
        body,
        at,
        "approval.granted" if is_granted else "approval.rejected",
        person(body.approver),
        reason=Reason(from_="stated", text=comment) if comment else None,
        approval=Approval(
            decision="granted" if is_granted else "rejected",
            request=_id(body),
            approves=Approves(kind="commit", digest=digest) if digest else None,
        ),
    )


def _deployment(
    body: Deployment | DecidedDeployment,
    at: Circumstances,
    action: str,
    actor: Actor,
    *,
    outcome: Outcome | None = None,
    reason: Reason | None = None,
    approval: Approval | None = None,
) -> Draft:
    path, id_ = body.project.path_with_namespace, _id(body)
    # The links have the deployment, and the place has the environment.
    target = Target(type="deployment", id=id_)
    if body.deployable_id is not None:
        target = Target(type="job", id=job_id(path, body.deployable_id))
    return Draft(
        action=action,
        outcome=outcome,
        time=moment(body.status_changed_at, "status_changed_at") or at.received,
        actor=actor,
        place=at_project(path, body.environment, body.environment_tier),
        targets=(target,),
        reason=reason,
        approval=approval,
        links=Links(deployment=id_, repository=path, ref=body.ref, commit=_commit_of(body)),
        url=body.deployable_url,
    )


def _id(body: Deployment | DecidedDeployment) -> str | None:
    if body.deployment_id is None:
        return None
    return f"gitlab:{body.project.path_with_namespace}/deployments/{body.deployment_id}"


def _commit_of(body: Deployment | DecidedDeployment) -> str | None:
    """Only its address has the whole id; `short_sha` is too short to be sure."""
    found = _commit_of_url(body.commit_url) if body.commit_url else None
    return commit(found[1]) if found else None


class FlagAttributes(Shape, frozen=True):
    name: str
    active: bool


class FeatureFlag(Shape, frozen=True):
    user: User | None
    project: Project
    object_attributes: FlagAttributes


def switched(body: FeatureFlag, at: Circumstances) -> Iterator[Draft]:
    flag, path = body.object_attributes, body.project.path_with_namespace
    yield Draft(
        action="config.flag.enabled" if flag.active else "config.flag.disabled",
        time=at.received,
        actor=person(body.user),
        place=at_project(path),
        targets=(Target(type="feature_flag", id=flag.name or None),),
        changes=(changed("active", new=flag.active),),
        links=Links(repository=path),
    )
