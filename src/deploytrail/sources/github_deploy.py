"""GitHub's webhooks on deployments: asked for, reviewed, and how they went.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from deploytrail.errors import Malformed
from deploytrail.event import Approval, Approves, Error, Reason, Target
from deploytrail.kit.draft import Draft
from deploytrail.kit.shape import Shape
from deploytrail.kit.source import Circumstances, Kind
from deploytrail.sources.github_build import Numbered, Run, only
from deploytrail.sources.github_shapes import (
    Account,
    Sent,
    Time,
    actor,
    commit,
    known,
    links,
    moment,
    person,
    place,
    principal,
    run_id,
    run_of,
    span_ms,
)


class Deployment(Shape, frozen=True):
    id: int
    sha: str
    environment: str
    ref: str | None = None
    task: str | None = None
    description: str | None = None
    production_environment: bool | None = None
    created_at: Time | None = None
    creator: Account | None = None


class DeploymentRun(Shape, frozen=True):
    id: int
    triggering_actor: Account | None = None
    pull_requests: tuple[Numbered, ...] = ()


class Requested(Sent, frozen=True):
    """docs.github.com/en/webhooks/webhook-events-and-payloads#deployment"""

    deployment: Deployment
    workflow_run: DeploymentRun | None = None


def _run(body: Requested | StatusSet) -> str | None:
    run = body.workflow_run
    return run_id(body.repository.full_name, run.id) if run else None


def _deployment_id(body: Requested | StatusSet) -> str:
    return f"github:{body.repository.full_name}/deployments/{body.deployment.id}"


def _for_whom(body: Requested | StatusSet) -> Account | None:
    """A workflow's deployment is an app's doing, for who started the run."""
    run = body.workflow_run
    return run.triggering_actor if run and run.triggering_actor else body.deployment.creator


def _targets(said: Deployment) -> tuple[Target, ...]:
    return (
        Target(type="environment", id=said.environment),
        Target(type="deployment", id=str(said.id)),
    )


def requested(body: Requested, at: Circumstances) -> Iterator[Draft]:
    said = body.deployment
    yield Draft(
        action="deployment.requested",
        time=moment(said.created_at, at),
        actor=actor(body.sender),
        on_behalf_of=principal(_for_whom(body), body.sender),
        place=place(
            body.repository,
            environment=said.environment,
            is_production=said.production_environment,
        ),
        targets=_targets(said),
        reason=Reason(from_="stated", text=said.description) if said.description else None,
        links=links(
            body.repository,
            sha=said.sha,
            ref=said.ref,
            run=_run(body),
            number=only(body.workflow_run.pull_requests) if body.workflow_run else None,
            deployment=_deployment_id(body),
        ),
    )


class Status(Shape, frozen=True):
    id: int
    state: str
    environment: str | None = None
    description: str | None = None
    log_url: str | None = None
    target_url: str | None = None
    environment_url: str | None = None
    created_at: Time | None = None


class StatusSet(Sent, frozen=True):
    deployment_status: Status
    deployment: Deployment
    workflow_run: DeploymentRun | None = None


_STATES: Final = {
    "pending": "deployment.queued",
    "queued": "deployment.queued",
    # A rule of the environment holds it back.
    "waiting": "deployment.blocked",
    "in_progress": "deployment.started",
    "success": "deployment.succeeded",
    "failure": "deployment.failed",
    "error": "deployment.failed",
    # Another one of the same environment has taken its place.
    "inactive": "deployment.superseded",
}


def status(body: StatusSet, at: Circumstances) -> Iterator[Draft]:
    said, of = body.deployment_status, body.deployment
    action = known(said.state, _STATES, "deployment_status.state")
    has_failed = action == "deployment.failed"
    is_over = has_failed or action == "deployment.succeeded"
    url = said.log_url or said.target_url
    yield Draft(
        action=action,
        time=moment(said.created_at, at),
        actor=actor(body.sender),
        on_behalf_of=principal(_for_whom(body), body.sender),
        outcome="pending" if action == "deployment.blocked" else None,
        duration_ms=span_ms(of.created_at, said.created_at) if is_over else None,
        error=Error(code=said.state, text=said.description) if has_failed else None,
        place=place(
            body.repository,
            environment=said.environment or of.environment,
            is_production=of.production_environment,
        ),
        targets=_targets(of),
        links=links(
            body.repository,
            sha=of.sha,
            ref=of.ref,
            run=_run(body) or run_of(body.repository.full_name, url),
            number=only(body.workflow_run.pull_requests) if body.workflow_run else None,
            deployment=_deployment_id(body),
        ),
        url=url,
    )


class JobRun(Shape, frozen=True):
    environment: str


class NamedReviewer(Shape, frozen=True):
    login: str | None = None
    slug: str | None = None


class Reviewer(Shape, frozen=True):
    reviewer: NamedReviewer | None = None
    type: str | None = None


class Reviewed(Sent, frozen=True):
    workflow_run: Run
    since: Time
    environment: str | None = None
    workflow_job_run: JobRun | None = None
    workflow_job_runs: tuple[JobRun, ...] = ()
    reviewers: tuple[Reviewer, ...] = ()
    requestor: Account | None = None
    comment: str | None = None


_REVIEWS: Final[Mapping[str, tuple[str, Literal["requested", "granted", "rejected"]]]] = {
    "deployment_review.requested": ("approval.requested", "requested"),
    "deployment_review.approved": ("approval.granted", "granted"),
    "deployment_review.rejected": ("approval.rejected", "rejected"),
}


def reviewed(body: Reviewed, at: Circumstances) -> Iterator[Draft]:
    """One event for each environment that is reviewed."""
    run = body.workflow_run
    said = [body.environment, body.workflow_job_run and body.workflow_job_run.environment]
    said += [each.environment for each in body.workflow_job_runs]
    environments = list(dict.fromkeys(each for each in said if each))
    if not environments:
        raise Malformed(
            "body: expected environment, workflow_job_run or workflow_job_runs, found none of them"
        )
    for environment in environments:
        yield _review(body, run, environment, at)


def _review(body: Reviewed, run: Run, environment: str, at: Circumstances) -> Draft:
    action, decision = _REVIEWS[at.kind]
    name = run_id(body.repository.full_name, run.id)
    asked = body.reviewers if decision == "requested" else ()
    return Draft(
        action=action,
        time=moment(body.since, at),
        actor=actor(body.sender),
        on_behalf_of=principal(run.triggering_actor, body.sender)
        if decision == "requested"
        else None,
        place=place(body.repository, path=run.path, environment=environment),
        targets=(Target(type="environment", id=environment), *_asked(body, asked)),
        reason=Reason(from_="stated", text=body.comment) if body.comment else None,
        links=links(
            body.repository,
            sha=run.head_sha,
            ref=run.head_branch,
            run=name,
            number=only(run.pull_requests),
        ),
        approval=_approval(decision, name, run.head_sha),
        url=run.html_url,
    )


def _approval(
    decision: Literal["requested", "granted", "rejected"], request: str | None, sha: str
) -> Approval:
    digest = commit(sha)
    return Approval(
        decision=decision,
        request=request,
        approves=Approves(kind="commit", digest=digest) if digest else None,
    )


def _asked(body: Sent, reviewers: tuple[Reviewer, ...]) -> Iterator[Target]:
    owner = body.repository.full_name.partition("/")[0]
    for each in reviewers:
        if each.reviewer and each.reviewer.login:
            yield person(Account(login=each.reviewer.login), "asked")
        elif each.reviewer and each.reviewer.slug:
            yield Target(type="team", id=f"{owner}/{each.reviewer.slug}", change="asked")


class RuleAsked(Sent, frozen=True):
    environment: str
    deployment: Deployment
    deployment_callback_url: str


def rule_asked(body: RuleAsked, at: Circumstances) -> Iterator[Draft]:
    """An app is asked; its answer comes as a review."""
    said = body.deployment
    run = run_of(body.repository.full_name, body.deployment_callback_url)
    yield Draft(
        action="approval.requested",
        time=moment(said.created_at, at),
        actor=actor(body.sender),
        place=place(
            body.repository,
            environment=body.environment,
            is_production=said.production_environment,
        ),
        targets=_targets(said),
        links=links(
            body.repository,
            sha=said.sha,
            ref=said.ref,
            run=run,
            deployment=f"github:{body.repository.full_name}/deployments/{said.id}",
        ),
        approval=_approval("requested", run, said.sha),
    )


KINDS: Final[Mapping[str, Kind[Any]]] = {
    "deployment.created": Kind(Requested, requested),
    "deployment_status.created": Kind(StatusSet, status),
    **{kind: Kind(Reviewed, reviewed) for kind in _REVIEWS},
    "deployment_protection_rule.requested": Kind(RuleAsked, rule_asked),
}
