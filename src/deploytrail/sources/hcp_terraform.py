"""HCP Terraform and Terraform Enterprise: notifications of runs, assessments and auto-destroy.

Pure. developer.hashicorp.com/terraform/cloud-docs/api-docs/notification-configurations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from deploytrail.errors import Malformed
from deploytrail.event import Actor, Approval, Error, Links, Outcome, Raw, Reason, Target, Time
from deploytrail.kit.delivery import Delivery
from deploytrail.kit.draft import UNKNOWN, Draft, Place
from deploytrail.kit.schemes import SCHEMES
from deploytrail.kit.shape import Shape, read
from deploytrail.kit.source import Circumstances, Kind, Source, Telling
from deploytrail.sources.hcp_terraform_workspace import (
    AutoDestroy,
    Workspace,
    assessed,
    destroyed_by_itself,
)


class Notification(Shape, frozen=True):
    """Why a run is told of. Nobody updates a run that the service itself moves on."""

    trigger: str
    run_status: str
    run_updated_by: str | None
    message: str | None = None
    run_updated_at: Time | None = None


class Run(Shape, frozen=True):
    """A run, with the one notification that `tell` left in it."""

    run_id: str
    run_created_at: Time
    run_created_by: str | None
    workspace_name: str
    organization_name: str
    notifications: tuple[Notification, ...]
    run_url: str | None = None
    run_message: str | None = None


class Tested(Shape, frozen=True):
    """A verification names neither run nor workspace."""

    notification_configuration_id: str | None = None


class Head(Shape, frozen=True):
    trigger: str | None = None
    notifications: tuple[msgspec.Raw, ...] | None = None


class Triggered(Shape, frozen=True):
    trigger: str


class _Step(NamedTuple):
    action: str
    outcome: Outcome | None = None
    error: str | None = None


# The run's own status decides wherever a trigger stands for several: "errored" for every early
# end, "completed" also for plans without changes.
_STEPS: Final = {
    "run:created": _Step("deployment.requested"),
    "run:planning": _Step("plan.started"),
    "run:needs_attention": _Step("approval.requested"),
    "run:applying": _Step("deployment.started"),
    "run:completed": _Step("deployment.succeeded"),
    "run:errored": _Step("deployment.failed", error="errored"),
}
_BY_STATUS: Final = {
    ("run:needs_attention", "policy_soft_failed"): _Step("policy.check.failed", "failure"),
    ("run:needs_attention", "policy_override"): _Step("policy.check.failed", "failure"),
    ("run:completed", "planned_and_finished"): _Step("plan.created"),
    ("run:completed", "planned_and_saved"): _Step("plan.created"),
    ("run:errored", "canceled"): _Step("deployment.cancelled"),
    ("run:errored", "force_canceled"): _Step("deployment.cancelled"),
    ("run:errored", "discarded"): _Step("plan.discarded"),
    ("run:errored", "policy_soft_failed"): _Step("policy.check.failed", "failure"),
}
_STATUSES: Final = {
    "run:completed": ("applied", "planned_and_finished", "planned_and_saved"),
    "run:errored": (
        "errored",
        *(status for trigger, status in _BY_STATUS if trigger == "run:errored"),
    ),
}


def tell(delivery: Delivery) -> Iterator[Telling]:
    """Of runs, several notifications may come in one delivery: each is a telling of its own."""
    head = read(delivery.body, Head)
    if head.trigger is not None:
        yield Telling(head.trigger, delivery.body)
        return
    if not head.notifications:
        raise Malformed("body.trigger, or a body.notifications[] with its trigger: is missing")
    for each in head.notifications:
        trigger = read(each, Triggered, what="body.notifications[]").trigger
        whole = len(head.notifications) == 1
        yield Telling(trigger, delivery.body if whole else _alone(delivery.body, each))


def _alone(body: bytes, notification: msgspec.Raw) -> bytes:
    """The body with only that notification."""
    fields = read(body, dict[str, msgspec.Raw])
    fields["notifications"] = msgspec.Raw(msgspec.json.encode([notification]))
    return msgspec.json.encode(fields)


def run_told(body: Run, at: Circumstances) -> Iterator[Draft]:
    if len(body.notifications) != 1:
        raise Malformed("body.notifications: expected one here, found another number")
    (told,) = body.notifications
    step = _step(at.kind, told.run_status)
    by = told.run_updated_by or (body.run_created_by if at.kind == "run:created" else None)
    place = f"{body.organization_name}/{body.workspace_name}"
    message = body.run_message
    yield Draft(
        action=step.action,
        outcome=step.outcome,
        time=told.run_updated_at or body.run_created_at,
        actor=person(by) if by else _nobody(at.kind),
        # Two people are two parties: only the service acts for whoever made the run.
        on_behalf_of=person(body.run_created_by) if body.run_created_by and not by else None,
        error=_error(step, told),
        place=Place(raw=Raw(workspace=place)),
        targets=(
            Target(type="workspace", id=place),
            Target(type="run", id=body.run_id, change=told.run_status[:64] or None),
        ),
        reason=Reason(from_="stated", text=message) if message else None,
        links=Links(run=f"hcp_terraform:{body.run_id}"),
        approval=_asked(step, body),
        url=body.run_url,
    )


def _step(trigger: str, status: str) -> _Step:
    known = _STATUSES.get(trigger)
    if known is not None and status not in known:
        raise Malformed(
            f"body.notifications[0].run_status: expected one of {', '.join(known)}, found another"
        )
    return _BY_STATUS.get((trigger, status)) or _STEPS[trigger]


def person(name: str) -> Actor:
    """API tokens of an organisation or a team act as users of these names."""
    is_token = name.startswith(("api-org-", "api-team_"))
    return Actor(type="service" if is_token else "user", id=f"hcp-terraform:{name}")


def _nobody(trigger: str) -> Actor:
    """Who moves a run on that nobody moved: the service. Who made it, only its maker knows."""
    if trigger == "run:created":
        return UNKNOWN
    return Actor(type="system", id="hcp-terraform:hcp-terraform")


def _error(step: _Step, told: Notification) -> Error | None:
    if step.error is None and step.action != "policy.check.failed":
        return None
    return Error(code=told.run_status[:64] or None, text=told.message)


def _asked(step: _Step, body: Run) -> Approval | None:
    if step.action != "approval.requested":
        return None
    return Approval(decision="requested", request=f"hcp_terraform:{body.run_id}")


def tested(body: Tested, at: Circumstances) -> Iterable[Draft]:
    yield Draft(
        action="integration.webhook.tested",
        time=at.received,
        actor=UNKNOWN,
        targets=(Target(type="notification_configuration", id=body.notification_configuration_id),),
    )


_RUN: Final[Kind[Any]] = Kind(Run, run_told)
_ASSESSED: Final[Kind[Any]] = Kind(Workspace, assessed)
_AUTO_DESTROY: Final[Kind[Any]] = Kind(AutoDestroy, destroyed_by_itself)

SOURCE: Final = Source(
    name="hcp-terraform",
    title="HCP Terraform",
    page="https://developer.hashicorp.com/terraform/cloud-docs/api-docs/notification-configurations",
    schemes=(SCHEMES["hcp-terraform"],),
    tell=tell,
    kinds={
        **dict.fromkeys(_STEPS, _RUN),
        "assessment:drifted": _ASSESSED,
        "assessment:check_failure": _ASSESSED,
        "assessment:failed": _ASSESSED,
        "workspace:auto_destroy_reminder": _AUTO_DESTROY,
        "workspace:auto_destroy_results": _AUTO_DESTROY,
        "verification": Kind(Tested, tested),
    },
    set_aside={"change_request:created": "asks a team to look at a workspace; nothing is deployed"},
    setup="""\
1. In each workspace open Settings, Notifications, and create one with the destination Webhook.
2. Webhook URL: {url}
3. Token: {secret}
   Without it nothing is signed, and what is not signed is refused here.
4. Health Events, Workspace Events and Run Events: all (Created, Planning, Needs Attention,
   Applying, Completed, Errored). The events of a deployment are linked by its run.
5. Save it. HCP Terraform sends a test at once: an event integration.webhook.tested is here.
""",
)
