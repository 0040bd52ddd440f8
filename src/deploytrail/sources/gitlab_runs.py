"""GitLab's webhooks on what runs: pipelines and their jobs.

Pure. GitLab Docs, "Webhook events".
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from deploytrail.event import (
    Actor,
    Client,
    Error,
    Links,
    Outcome,
    Reason,
    Target,
    Trigger,
)
from deploytrail.kit.draft import UNKNOWN, Draft
from deploytrail.kit.shape import Shape
from deploytrail.kit.source import Circumstances
from deploytrail.sources.gitlab_shapes import (
    Head,
    Project,
    User,
    at_project,
    commit,
    milliseconds,
    moment,
    path_of,
    person,
)

# GitLab Docs, "Predefined CI/CD variables reference": CI_PIPELINE_SOURCE.
_TRIGGERS: Final[dict[str, Trigger]] = {
    "push": "webhook",
    "merge_request_event": "webhook",
    "external_pull_request_event": "webhook",
    "schedule": "schedule",
    "web": "human",
    "chat": "human",
    "webide": "human",
    "api": "upstream",
    "trigger": "upstream",
    "pipeline": "upstream",
    "parent_pipeline": "upstream",
}
_OUTCOMES: Final[dict[str, Outcome]] = {"success": "success", "failed": "failure"}


class Where(Shape, frozen=True):
    name: str
    deployment_tier: str | None = None


class JobOfPipeline(Shape, frozen=True):
    name: str | None = None
    stage: str | None = None
    status: str | None = None
    allow_failure: bool = False
    failure_reason: str | None = None


class RequestOfPipeline(Shape, frozen=True):
    iid: int
    url: str | None = None


class PipelineAttributes(Shape, frozen=True):
    id: int
    status: str
    name: str | None = None
    ref: str | None = None
    sha: str | None = None
    source: str | None = None
    created_at: str | None = None
    finished_at: str | None = None
    duration: float | None = None
    url: str | None = None


class Upstream(Shape, frozen=True):
    project: Project
    pipeline_id: int


class Pipeline(Shape, frozen=True):
    user: User | None
    project: Project
    object_attributes: PipelineAttributes
    merge_request: RequestOfPipeline | None = None
    commit: Head | None = None
    builds: tuple[JobOfPipeline, ...] | None = None
    source_pipeline: Upstream | None = None


PIPELINES: Final = {
    "created": "build.pipeline.queued",
    "waiting_for_resource": "build.pipeline.queued",
    "preparing": "build.pipeline.queued",
    "pending": "build.pipeline.queued",
    "running": "build.pipeline.started",
    "success": "build.pipeline.finished",
    "failed": "build.pipeline.finished",
    "canceled": "build.pipeline.cancelled",
    "skipped": "build.pipeline.skipped",
    "manual": "build.pipeline.paused",
    "scheduled": "build.pipeline.paused",
}


def pipelined(body: Pipeline, at: Circumstances) -> Iterator[Draft]:
    said, path = body.object_attributes, body.project.path_with_namespace
    action = PIPELINES[at.kind.partition(".")[2]]
    has_ended = action in ("build.pipeline.finished", "build.pipeline.cancelled")
    run = _run(path, said.id)
    title = body.commit.title if body.commit else None
    targets = [Target(type="pipeline", id=run, name=said.name or None)]
    if body.source_pipeline:
        above = body.source_pipeline
        upstream = _run(above.project.path_with_namespace, above.pipeline_id)
        targets.append(Target(type="pipeline", id=upstream, change="upstream"))
    yield Draft(
        action=action,
        outcome=_OUTCOMES.get(said.status) if has_ended else _waiting(action),
        time=_pipeline_time(said, at, has_ended=has_ended),
        duration_ms=milliseconds(said.duration) if has_ended else None,
        actor=starter(action, body.user),
        trigger=_TRIGGERS.get(said.source or ""),
        place=at_project(path),
        targets=tuple(targets),
        reason=Reason(from_="commit_trailer", text=title) if title else None,
        error=_pipeline_error(body),
        links=Links(
            run=run,
            repository=path,
            ref=said.ref,
            commit=commit(said.sha),
            change_request=_change_request(path, body.merge_request),
        ),
        url=said.url,
    )


def starter(action: str, user: User | None) -> Actor:
    """`user` is who started it, also where somebody else may have stopped it."""
    return UNKNOWN if action.endswith(".cancelled") else person(user)


def _run(path: str, number: int) -> str:
    """As the wrapper names it from the variables of a job (`wrapper/ci.py`)."""
    return f"gitlab:{path}/pipelines/{number}"


def _waiting(action: str) -> Outcome | None:
    return "pending" if action == "build.pipeline.paused" else None


def _pipeline_time(said: PipelineAttributes, at: Circumstances, *, has_ended: bool) -> datetime:
    """Only the beginning and the end are told; one that runs again still tells its former end."""
    told = None
    if has_ended:
        told = moment(said.finished_at, "object_attributes.finished_at")
    elif said.status == "created":
        told = moment(said.created_at, "object_attributes.created_at")
    return told or at.received


def _pipeline_error(body: Pipeline) -> Error | None:
    """The first of its jobs that failed, of those that may not."""
    if body.object_attributes.status != "failed":
        return None
    for job in body.builds or ():
        if job.status == "failed" and not job.allow_failure:
            location = "/".join(part for part in (job.stage, job.name) if part)
            return Error(code=job.failure_reason or "failed", location=location or None)
    return Error(code="failed")


def _change_request(path: str, request: RequestOfPipeline | None) -> str | None:
    """That of a fork may run in either project; only its address tells which it belongs to."""
    if request is None:
        return None
    return f"{path_of(request.url) or path}!{request.iid}"


class Runner(Shape, frozen=True):
    description: str | None = None


class CommitOfJob(Shape, frozen=True):
    message: str | None = None


class Repository(Shape, frozen=True):
    homepage: str | None = None


class Job(Shape, frozen=True):
    """Old versions send no `project`; the address of its repository tells its path then."""

    build_id: int
    build_name: str
    build_status: str
    pipeline_id: int
    user: User | None
    project: Project | None = None
    repository: Repository | None = None
    ref: str | None = None
    sha: str | None = None
    build_stage: str | None = None
    build_created_at: str | None = None
    build_started_at: str | None = None
    build_finished_at: str | None = None
    build_duration: float | None = None
    build_failure_reason: str | None = None
    retries_count: int | None = None
    runner: Runner | None = None
    environment: Where | None = None


JOBS: Final = {
    "waiting_for_resource": "build.job.queued",
    "preparing": "build.job.queued",
    "pending": "build.job.queued",
    "running": "build.job.started",
    "success": "build.job.finished",
    "failed": "build.job.finished",
    "canceled": "build.job.cancelled",
    "skipped": "build.job.skipped",
}


def worked(body: Job, at: Circumstances) -> Iterator[Draft]:
    action = JOBS[at.kind.partition(".")[2]]
    path = _path_of_job(body)
    has_ended = action in ("build.job.finished", "build.job.cancelled")
    has_failed = body.build_status == "failed"
    where = body.environment
    yield Draft(
        action=action,
        outcome=_OUTCOMES.get(body.build_status) if has_ended else None,
        time=_job_time(body, at, has_ended=has_ended),
        duration_ms=milliseconds(body.build_duration) if has_ended else None,
        attempt=_attempt(body.retries_count),
        actor=starter(action, body.user),
        client=_client(body.runner),
        place=at_project(path, where.name, where.deployment_tier) if where else at_project(path),
        targets=(Target(type="job", id=job_id(path, body.build_id), name=body.build_name or None),),
        error=Error(code=body.build_failure_reason, location=body.build_stage)
        if has_failed
        else None,
        links=Links(
            run=_run(path, body.pipeline_id) if path else None,
            repository=path,
            ref=body.ref,
            commit=commit(body.sha),
        ),
    )


def _path_of_job(body: Job) -> str | None:
    if body.project is not None:
        return body.project.path_with_namespace
    return path_of(body.repository.homepage) if body.repository else None


def job_id(path: str | None, number: int) -> str:
    return f"gitlab:{path or '?'}/jobs/{number}"


def _job_time(body: Job, at: Circumstances, *, has_ended: bool) -> datetime:
    told = None
    if has_ended:
        told = moment(body.build_finished_at, "build_finished_at")
    elif body.build_status == "running":
        told = moment(body.build_started_at, "build_started_at")
    return told or at.received


def _attempt(retries: int | None) -> int | None:
    return retries + 1 if retries is not None and 0 <= retries < 1_000_000 else None


def _client(runner: Runner | None) -> Client | None:
    return Client(runner=runner.description) if runner and runner.description else None
