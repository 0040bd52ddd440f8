"""What HCP Terraform tells of a workspace without a run: drift, checks, and its planned end.

Pure. The same page as `hcp_terraform`, "Workspace notification payload".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from deploytrail.errors import Malformed
from deploytrail.event import Actor, Drift, Error, Links, Outcome, Policy, Raw, Reason, Target, Time
from deploytrail.kit.draft import Draft, Place
from deploytrail.kit.shape import Shape
from deploytrail.kit.source import Circumstances

_SYSTEM: Final = Actor(type="system", id="hcp-terraform:hcp-terraform")
_COUNT_MAX: Final = 2**53 - 1


class Assessment(Shape, frozen=True):
    id: str
    created_at: Time
    url: str | None = None
    resources_drifted: int | None = None
    checks_failed: int | None = None
    checks_errored: int | None = None


class Assessed(Shape, frozen=True):
    new_assessment_result: Assessment
    workspace_name: str
    organization_name: str


class Workspace(Shape, frozen=True):
    trigger: str
    details: Assessed
    message: str | None = None


class Planned(Shape, frozen=True):
    """`run_status` is null of a reminder, and where no run could be made."""

    run_status: str | None
    run_create_error_message: str | None
    workspace_name: str
    organization_name: str
    auto_destroy_at: Time | None = None
    run_created_at: Time | None = None
    run_external_id: str | None = None


class AutoDestroy(Shape, frozen=True):
    trigger: str
    details: Planned
    message: str | None = None


def assessed(body: Workspace, at: Circumstances) -> Iterator[Draft]:
    found, place = body.details.new_assessment_result, _place(body.details)
    drift, policy, error = None, None, None
    if at.kind == "assessment:drifted":
        action = "drift.detected"
        drift = Drift(changed=_count(found.resources_drifted))
    elif at.kind == "assessment:check_failure":
        action = "policy.check.failed"
        policy = Policy(engine="terraform", decision="deny")
        error = Error(code="check_failure", text=_checks(found))
    else:
        action, error = "drift.check.failed", Error(code="assessment", text=body.message)
    yield Draft(
        action=action,
        outcome="failure" if action == "policy.check.failed" else None,
        time=found.created_at,
        actor=_SYSTEM,
        place=place,
        targets=(_workspace(body.details), Target(type="assessment", id=found.id)),
        drift=drift,
        policy=policy,
        error=error,
        url=found.url,
    )


def _checks(found: Assessment) -> str:
    return f"{_count(found.checks_failed)} failed, {_count(found.checks_errored)} errored"


def _count(said: int | None) -> int:
    return said if said is not None and 0 <= said <= _COUNT_MAX else 0


_ENDS: Final[dict[str, tuple[str, Outcome | None]]] = {
    "applied": ("deployment.removed", "success"),
    "planned_and_finished": ("deployment.removed", "success"),
    "errored": ("deployment.failed", "failure"),
    "canceled": ("deployment.cancelled", None),
    "force_canceled": ("deployment.cancelled", None),
    "discarded": ("plan.discarded", None),
}


def destroyed_by_itself(body: AutoDestroy, at: Circumstances) -> Iterator[Draft]:
    said = body.details
    action, outcome = _end(said, is_reminder=at.kind.endswith("reminder"))
    text = said.run_create_error_message
    error = Error(code="run", text=text or body.message) if action.endswith("failed") else None
    due = said.auto_destroy_at.isoformat().replace("+00:00", "Z") if said.auto_destroy_at else None
    yield Draft(
        action=action,
        outcome=outcome,
        time=said.run_created_at or at.received,
        actor=_SYSTEM,
        trigger="schedule",
        error=error,
        place=_place(said),
        targets=(_workspace(said),),
        reason=Reason(from_="stated", text=f"auto destroy at {due}") if due else None,
        links=Links(run=f"hcp_terraform:{said.run_external_id}") if said.run_external_id else None,
    )


def _end(said: Planned, *, is_reminder: bool) -> tuple[str, Outcome | None]:
    if is_reminder:
        return "deployment.scheduled", None
    if said.run_create_error_message is not None:
        return "deployment.failed", "failure"
    found = _ENDS.get(said.run_status or "")
    if found is None:
        raise Malformed(
            "body.details.run_status, or run_create_error_message: expected one of "
            f"{', '.join(_ENDS)}, found another"
        )
    return found


def _place(said: Assessed | Planned) -> Place:
    return Place(raw=Raw(workspace=f"{said.organization_name}/{said.workspace_name}"))


def _workspace(said: Assessed | Planned) -> Target:
    return Target(type="workspace", id=f"{said.organization_name}/{said.workspace_name}")
