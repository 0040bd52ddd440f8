"""GitHub's webhooks on checks, statuses and merge groups.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from deploytrail.event import Target
from deploytrail.kit.draft import Draft
from deploytrail.kit.shape import Shape
from deploytrail.kit.source import Circumstances, Kind
from deploytrail.sources.github_build import OUTCOMES, Numbered, conclusion_of, error_of, only
from deploytrail.sources.github_shapes import (
    Named,
    Sent,
    Time,
    actor,
    branch,
    known,
    links,
    moment,
    place,
    run_of,
    span_ms,
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
        conclusion, outcome = conclusion_of(said.conclusion, "check_run")
    time = {"created": said.started_at, "completed": said.completed_at}.get(verb)
    title = said.output.title if said.output else None
    is_actions = said.app is not None and said.app.slug == "github-actions"
    yield Draft(
        action=_CHECK[verb],
        time=moment(time, at),
        actor=actor(body.sender),
        outcome=outcome,
        duration_ms=span_ms(said.started_at, said.completed_at) if verb == "completed" else None,
        error=error_of(conclusion, outcome, title) if conclusion and outcome else None,
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
        conclusion, outcome = conclusion_of(said.conclusion, "check_suite")
    name = said.app.slug or said.app.name if said.app else None
    yield Draft(
        action=_CHECK[verb],
        time=moment(said.created_at if verb == "requested" else said.updated_at, at),
        actor=actor(body.sender),
        outcome=outcome,
        error=error_of(conclusion, outcome) if conclusion and outcome else None,
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
        error=error_of(body.state, outcome, body.description) if outcome else None,
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
