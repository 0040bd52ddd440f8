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
    Named,
    Sent,
    Time,
    actor,
    branch,
    json_text,
    known,
    links,
    moment,
    place,
    principal,
    run_id,
    run_of,
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


def _conclusion(said: str | None, path: str) -> tuple[str, Outcome]:
    if said is None:
        raise Malformed(f"body.{path}.conclusion: is missing")
    known(said, OUTCOMES, f"{path}.conclusion")
    return said, OUTCOMES[said]


def _error(conclusion: str, outcome: Outcome, text: str | None = None) -> Error | None:
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
        conclusion, outcome = _conclusion(run.conclusion, "workflow_run")
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
        error=_error(conclusion, outcome) if conclusion and outcome else None,
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
        conclusion, outcome = _conclusion(said.conclusion, "workflow_job")
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


class App(Shape, frozen=True):
    slug: str | None = None
    name: str | None = None


class Output(Shape, frozen=True):
    title: str | None = None


class CheckRun(Shape, frozen=True):
    id: int
    name: str
    head_sha: str
    conclusion: str | None = None
    html_url: str | None = None
    details_url: str | None = None
    started_at: Time | None = None
    completed_at: Time | None = None
    app: App | None = None
    output: Output | None = None
    pull_requests: tuple[Numbered, ...] = ()


class Checked(Sent, frozen=True):
    check_run: CheckRun


_CHECK: Final = {
    "created": "build.check.started",
    "requested": "build.check.requested",
    "rerequested": "build.check.requested",
    "requested_action": "build.check.requested",
    "completed": "build.check.finished",
}


def checked(body: Checked, at: Circumstances) -> Iterator[Draft]:
    said, verb = body.check_run, at.kind.partition(".")[2]
    conclusion, outcome = None, None
    if verb == "completed":
        conclusion, outcome = _conclusion(said.conclusion, "check_run")
    time = {"created": said.started_at, "completed": said.completed_at}.get(verb)
    title = said.output.title if said.output else None
    is_actions = said.app is not None and said.app.slug == "github-actions"
    yield Draft(
        action=_CHECK[verb],
        time=moment(time, at),
        actor=actor(body.sender),
        outcome=outcome,
        duration_ms=span_ms(said.started_at, said.completed_at) if verb == "completed" else None,
        error=_error(conclusion, outcome, title) if conclusion and outcome else None,
        place=place(body.repository),
        targets=(Target(type="check", id=said.name, change=conclusion),),
        links=links(
            body.repository,
            sha=said.head_sha,
            run=run_of(body.repository.full_name, said.details_url) if is_actions else None,
            number=only(said.pull_requests),
        ),
        url=said.html_url,
    )


class CheckSuite(Shape, frozen=True):
    id: int
    head_sha: str
    head_branch: str | None = None
    conclusion: str | None = None
    created_at: Time | None = None
    updated_at: Time | None = None
    app: App | None = None
    pull_requests: tuple[Numbered, ...] = ()


class SuiteChecked(Sent, frozen=True):
    check_suite: CheckSuite


def suite_checked(body: SuiteChecked, at: Circumstances) -> Iterator[Draft]:
    said, verb = body.check_suite, at.kind.partition(".")[2]
    conclusion, outcome = None, None
    if verb == "completed":
        conclusion, outcome = _conclusion(said.conclusion, "check_suite")
    name = said.app.slug or said.app.name if said.app else None
    yield Draft(
        action=_CHECK[verb],
        time=moment(said.created_at if verb == "requested" else said.updated_at, at),
        actor=actor(body.sender),
        outcome=outcome,
        error=_error(conclusion, outcome) if conclusion and outcome else None,
        place=place(body.repository),
        targets=(Target(type="check_suite", id=name or str(said.id), change=conclusion),),
        links=links(
            body.repository,
            sha=said.head_sha,
            ref=said.head_branch,
            number=only(said.pull_requests),
        ),
    )


class Status(Sent, frozen=True, kw_only=True):
    sha: str
    state: str
    context: str
    description: str | None = None
    target_url: str | None = None
    updated_at: Time | None = None
    branches: tuple[Named, ...] = ()


_STATES: Final = {
    "pending": "build.check.started",
    "success": "build.check.finished",
    "failure": "build.check.finished",
    "error": "build.check.finished",
}


def status(body: Status, at: Circumstances) -> Iterator[Draft]:
    action = known(body.state, _STATES, "state")
    outcome = OUTCOMES.get(body.state)
    yield Draft(
        action=action,
        time=moment(body.updated_at, at),
        actor=actor(body.sender),
        outcome=outcome,
        error=_error(body.state, outcome, body.description) if outcome else None,
        place=place(body.repository),
        targets=(Target(type="check", id=body.context, change=body.state),),
        links=links(
            body.repository,
            sha=body.sha,
            ref=body.branches[0].name if len(body.branches) == 1 else None,
            run=run_of(body.repository.full_name, body.target_url),
        ),
        url=body.target_url,
    )


class MergeGroup(Shape, frozen=True):
    head_sha: str
    head_ref: str
    base_sha: str | None = None
    base_ref: str | None = None


class Grouped(Sent, frozen=True):
    merge_group: MergeGroup


def grouped(body: Grouped, at: Circumstances) -> Iterator[Draft]:
    said = body.merge_group
    yield Draft(
        action="build.check.requested",
        time=at.received,
        actor=actor(body.sender),
        place=place(body.repository),
        targets=(Target(type="merge_group", id=branch(said.head_ref)),),
        links=links(body.repository, sha=said.head_sha, previous=said.base_sha, ref=said.base_ref),
    )


KINDS: Final[Mapping[str, Kind[Any]]] = {
    **{
        f"workflow_run.{verb}": Kind(Ran, ran) for verb in ("requested", "in_progress", "completed")
    },
    **{f"workflow_job.{verb}": Kind(JobRan, job) for verb in (*_JOB, "completed")},
    "workflow_dispatch": Kind(Dispatched, dispatched),
    "repository_dispatch": Kind(RepositoryDispatched, repository_dispatched),
    **{
        f"check_run.{verb}": Kind(Checked, checked)
        for verb in ("created", "rerequested", "requested_action", "completed")
    },
    **{
        f"check_suite.{verb}": Kind(SuiteChecked, suite_checked)
        for verb in ("requested", "rerequested", "completed")
    },
    "status": Kind(Status, status),
    "merge_group.checks_requested": Kind(Grouped, grouped),
}
