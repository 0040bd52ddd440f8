"""GitHub's webhooks on workflows, checks, statuses and packages.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Raw

from deploytrail.errors import Malformed
from deploytrail.event import Change, Client, Error, Links, Outcome, Target, Trigger
from deploytrail.kit.draft import Draft
from deploytrail.kit.shape import Shape
from deploytrail.kit.source import Circumstances, Kind
from deploytrail.sources.github_shapes import (
    Account,
    Sent,
    Time,
    actor,
    json_text,
    known,
    links,
    moment,
    place,
    principal,
    run_id,
    span_ms,
)

OUTCOMES: Final[Mapping[str, Outcome]] = {
    "success": "success",
    "neutral": "success",
    "failure": "failure",
    "error": "failure",
    "timed_out": "failure",
    "startup_failure": "failure",
    "action_required": "pending",
    # Nothing ran to its end: that is neither.
    "cancelled": "unknown",
    "skipped": "unknown",
    "stale": "unknown",
}
"""GitHub Docs, "REST API endpoints for check runs": `conclusion`."""
# As wrapper/ci.py has it, of the events that start workflows.
_TRIGGERS: Final[Mapping[str, Trigger]] = {
    "push": "webhook",
    "pull_request": "webhook",
    "pull_request_target": "webhook",
    "merge_group": "webhook",
    "release": "webhook",
    "deployment": "webhook",
    "schedule": "schedule",
    "workflow_dispatch": "human",
    "repository_dispatch": "upstream",
    "workflow_run": "upstream",
}


class Numbered(Shape, frozen=True):
    number: int


class Run(Shape, frozen=True):
    id: int
    run_attempt: int
    head_sha: str
    head_branch: str | None = None
    name: str | None = None
    path: str | None = None
    event: str | None = None
    conclusion: str | None = None
    html_url: str | None = None
    created_at: Time | None = None
    updated_at: Time | None = None
    run_started_at: Time | None = None
    triggering_actor: Account | None = None
    pull_requests: tuple[Numbered, ...] = ()


class Ran(Sent, frozen=True):
    """docs.github.com/en/webhooks/webhook-events-and-payloads#workflow_run"""

    workflow_run: Run


def only(numbers: tuple[Numbered, ...]) -> int | None:
    """The pull request where it is one: several share a head now and then."""
    return numbers[0].number if len(numbers) == 1 else None


def conclusion_of(said: str | None, path: str) -> tuple[str, Outcome]:
    if said is None:
        raise Malformed(f"body.{path}.conclusion: is missing")
    known(said, OUTCOMES, f"{path}.conclusion")
    return said, OUTCOMES[said]


def error_of(conclusion: str, outcome: Outcome, text: str | None = None) -> Error | None:
    return Error(code=conclusion, text=text) if outcome == "failure" else None


_RUN_ENDS: Final = {
    "cancelled": "build.pipeline.cancelled",
    "skipped": "build.pipeline.skipped",
}


def ran(body: Ran, at: Circumstances) -> Iterator[Draft]:
    run, verb = body.workflow_run, at.kind.partition(".")[2]
    conclusion, outcome = None, None
    action = {"requested": "build.pipeline.queued", "in_progress": "build.pipeline.started"}.get(
        verb, "build.pipeline.finished"
    )
    if verb == "requested" and run.run_attempt > 1:
        action = "build.pipeline.rerun"
    elif verb == "completed":
        conclusion, outcome = conclusion_of(run.conclusion, "workflow_run")
        if conclusion in _RUN_ENDS:
            action, outcome = _RUN_ENDS[conclusion], None
    started = run.run_started_at or run.created_at
    ended = run.updated_at if verb == "completed" else None
    yield Draft(
        action=action,
        time=moment(ended or (started if verb == "requested" else run.updated_at), at),
        actor=actor(body.sender),
        on_behalf_of=principal(run.triggering_actor, body.sender),
        outcome=outcome,
        duration_ms=span_ms(started, ended),
        attempt=_attempt(run.run_attempt),
        error=error_of(conclusion, outcome) if conclusion and outcome else None,
        trigger=_TRIGGERS.get(run.event or ""),
        place=place(body.repository, path=run.path),
        targets=(Target(type="workflow", id=run.path, name=run.name, change=conclusion),),
        links=_run_links(body, run),
        url=run.html_url,
    )


def _attempt(said: int | None) -> int | None:
    return said if said is not None and 0 <= said < 2**53 else None


def _run_links(body: Sent, run: Run) -> Links:
    return links(
        body.repository,
        sha=run.head_sha,
        ref=run.head_branch,
        run=run_id(body.repository.full_name, run.id),
        number=only(run.pull_requests),
    )


class Step(Shape, frozen=True):
    name: str
    conclusion: str | None = None


class Job(Shape, frozen=True):
    id: int
    run_id: int
    head_sha: str
    name: str
    run_attempt: int | None = None
    workflow_name: str | None = None
    head_branch: str | None = None
    conclusion: str | None = None
    html_url: str | None = None
    created_at: Time | None = None
    started_at: Time | None = None
    completed_at: Time | None = None
    runner_name: str | None = None
    steps: tuple[Step, ...] = ()


class JobDeployment(Shape, frozen=True):
    environment: str | None = None


class JobRan(Sent, frozen=True):
    workflow_job: Job
    deployment: JobDeployment | None = None


_JOB: Final = {
    "queued": "build.job.queued",
    "waiting": "build.job.queued",
    "in_progress": "build.job.started",
}
_JOB_ENDS: Final = {"cancelled": "build.job.cancelled", "skipped": "build.job.skipped"}


def job(body: JobRan, at: Circumstances) -> Iterator[Draft]:
    said, verb = body.workflow_job, at.kind.partition(".")[2]
    conclusion, outcome, action = None, None, _JOB.get(verb, "build.job.finished")
    if verb == "completed":
        conclusion, outcome = conclusion_of(said.conclusion, "workflow_job")
        if conclusion in _JOB_ENDS:
            action, outcome = _JOB_ENDS[conclusion], None
    time = {"completed": said.completed_at, "in_progress": said.started_at}.get(
        verb, said.created_at
    )
    environment = body.deployment.environment if body.deployment else None
    yield Draft(
        action=action,
        time=moment(time, at),
        actor=actor(body.sender),
        outcome=outcome,
        duration_ms=span_ms(said.started_at, said.completed_at) if verb == "completed" else None,
        attempt=_attempt(said.run_attempt),
        error=_job_error(said, conclusion) if outcome == "failure" else None,
        client=Client(runner=said.runner_name) if said.runner_name else None,
        place=place(body.repository, environment=environment),
        targets=(Target(type="job", id=str(said.id), name=said.name, change=conclusion or verb),),
        links=links(
            body.repository,
            sha=said.head_sha,
            ref=said.head_branch,
            run=run_id(body.repository.full_name, said.run_id),
        ),
        url=said.html_url,
    )


def _job_error(said: Job, conclusion: str | None) -> Error:
    failed = next((step.name for step in said.steps if step.conclusion == "failure"), None)
    text = f"the step '{failed}' failed" if failed else None
    return Error(code=conclusion, text=text, location=failed)


class Dispatched(Sent, frozen=True):
    workflow: str
    ref: str
    inputs: dict[str, Raw] | None = None


def dispatched(body: Dispatched, at: Circumstances) -> Iterator[Draft]:
    yield Draft(
        action="build.pipeline.dispatched",
        time=at.received,
        actor=actor(body.sender),
        trigger="human",
        place=place(body.repository, path=body.workflow),
        targets=(Target(type="workflow", id=body.workflow),),
        changes=tuple(
            Change(path=f"inputs.{name}", op="add", new=json_text(value))
            for name, value in (body.inputs or {}).items()
        ),
        links=links(body.repository, ref=body.ref),
    )


class RepositoryDispatched(Sent, frozen=True, kw_only=True):
    action: str
    branch: str | None = None


def repository_dispatched(body: RepositoryDispatched, at: Circumstances) -> Iterator[Draft]:
    yield Draft(
        action="build.pipeline.dispatched",
        time=at.received,
        actor=actor(body.sender),
        trigger="upstream",
        place=place(body.repository),
        targets=(Target(type="dispatch", id=body.action),),
        links=links(body.repository, ref=body.branch),
    )


KINDS: Final[Mapping[str, Kind[Any]]] = {
    **{
        f"workflow_run.{verb}": Kind(Ran, ran) for verb in ("requested", "in_progress", "completed")
    },
    **{f"workflow_job.{verb}": Kind(JobRan, job) for verb in (*_JOB, "completed")},
    "workflow_dispatch": Kind(Dispatched, dispatched),
    "repository_dispatch": Kind(RepositoryDispatched, repository_dispatched),
}
