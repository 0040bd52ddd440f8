"""HCP Terraform's audit trail: pages of `GET /organization/audit-trail`, and files of them.

Pure. developer.hashicorp.com/terraform/cloud-docs/api-docs/audit-trails.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from deploytrail.errors import Malformed
from deploytrail.event import (
    Access,
    Actor,
    ActorType,
    Approval,
    Error,
    Links,
    Outcome,
    Policy,
    Reason,
    Target,
    Time,
)
from deploytrail.event import Raw as Words
from deploytrail.kit.delivery import Delivery
from deploytrail.kit.draft import UNKNOWN, Draft, Place
from deploytrail.kit.schemes import SCHEMES
from deploytrail.kit.shape import Shape, read
from deploytrail.kit.source import Circumstances, Kind, Source, Telling
from deploytrail.sources.hcp_terraform_audit_actions import ACTIONS, SET_ASIDE
from deploytrail.sources.hcp_terraform_audit_pages import POLLER

_REALM: Final = "hcp-terraform"


class Auth(Shape, frozen=True):
    """`description` is the user's name; `type` is Client, Impersonated or System."""

    accessor_id: str | None
    description: str | None
    type: str
    impersonator_id: str | None
    organization_id: str


class Named(Shape, frozen=True):
    id: str | None = None
    name: str | None = None
    message: str | None = None


class Payload(Shape, frozen=True):
    workspace: Named | None = None
    run: Named | None = None


class Meta(Shape, frozen=True):
    """What some events add; each only some of it."""

    workspace: Named | str | None = None
    workspace_id: str | None = None
    run: Named | None = None
    run_id: str | None = None
    organization: str | None = None
    payload: Payload | None = None
    comment: str | None = None
    team: str | None = None
    permissions: str | None = None
    user: str | None = None


class Checked(Meta, frozen=True, kw_only=True):
    """Of `policy_check.process_audit_log_event`."""

    hard_failed: int
    soft_failed: int
    advisory_failed: int


class CalledBack(Meta, frozen=True, kw_only=True):
    """Of `task_result.callback`."""

    task_result_status: str
    task_result_message: str | None = None
    workspace_task_enforcement: str | None = None
    organization_task: str | None = None


class Resource(Shape, frozen=True):
    id: str
    type: str
    action: str
    meta: Meta | str | None = None


class Entry(Shape, frozen=True):
    id: str
    timestamp: Time
    auth: Auth
    resource: Resource


class CheckedResource(Resource, frozen=True, kw_only=True):
    meta: Checked


class CheckedEntry(Entry, frozen=True, kw_only=True):
    resource: CheckedResource


class CalledBackResource(Resource, frozen=True, kw_only=True):
    meta: CalledBack


class CalledBackEntry(Entry, frozen=True, kw_only=True):
    resource: CalledBackResource


class What(Shape, frozen=True):
    type: str | None = None
    action: str | None = None


class Head(Shape, frozen=True):
    data: tuple[msgspec.Raw, ...] | None = None
    id: str | None = None
    resource: What | None = None


class _Result(NamedTuple):
    """What a check said, in the words of an action, an outcome and a policy's decision."""

    verb: str
    outcome: Outcome
    decision: Any


def tell(delivery: Delivery) -> Iterator[Telling]:
    """A page, or a single event. One that does not name its kind hides none of its neighbours."""
    head = read(delivery.body, Head)
    if head.data is None:
        if head.resource is None:
            raise Malformed("body.data, or of a single event body.resource: is missing")
        yield _telling(head, delivery.body)
        return
    for octets in head.data:
        try:
            found = read(octets, Head, what="body.data[]")
        except Malformed:
            yield Telling("event without resource.type", octets)
            continue
        yield _telling(found, octets)


def _telling(head: Head, octets: bytes | msgspec.Raw) -> Telling:
    what = head.resource or What()
    for name in ("type", "action"):
        if not getattr(what, name):
            return Telling(f"event without resource.{name}", octets, head.id)
    return Telling(f"{what.type}.{what.action}", octets, head.id)


def entered(body: Entry, at: Circumstances) -> Iterator[Draft]:
    meta = body.resource.meta if isinstance(body.resource.meta, Meta) else Meta()
    action = ACTIONS[at.kind]
    run = _run(body.resource, meta)
    yield Draft(
        action=action,
        time=body.timestamp,
        actor=_actor(body.auth),
        on_behalf_of=_impersonated(body.auth),
        place=_place(body, meta),
        targets=_targets(body.resource, meta),
        access=_access(action, body.resource, meta),
        approval=Approval(decision="granted", request=run) if at.kind == "run.apply" else None,
        reason=Reason(from_="stated", text=meta.comment) if meta.comment else None,
        links=Links(run=run) if run else None,
    )


def policies_checked(body: CheckedEntry, _: Circumstances) -> Iterator[Draft]:
    said = body.resource.meta
    yield _check(body, said, _checked(said), "sentinel")


def task_called_back(body: CalledBackEntry, _: Circumstances) -> Iterator[Draft]:
    said = body.resource.meta
    draft = _check(body, said, _called_back(said), said.organization_task or "run task")
    error = Error(code=said.task_result_status[:64] or None, text=said.task_result_message)
    yield msgspec.structs.replace(draft, error=error if draft.outcome == "failure" else None)


def policies_evaluated(body: Entry, _: Circumstances) -> Iterator[Draft]:
    """That they were: the page names no result."""
    meta = body.resource.meta if isinstance(body.resource.meta, Meta) else Meta()
    draft = _check(body, meta, _Result("", "unknown", "unknown"), _REALM)
    yield msgspec.structs.replace(draft, action="policy.decision.made")


def _check(body: Entry, meta: Meta, result: _Result, engine: str) -> Draft:
    run = _run(body.resource, meta)
    enforcement = meta.workspace_task_enforcement if isinstance(meta, CalledBack) else None
    return Draft(
        action=f"policy.check.{result.verb}",
        outcome=result.outcome,
        time=body.timestamp,
        actor=_actor(body.auth),
        on_behalf_of=_impersonated(body.auth),
        place=_place(body, meta),
        targets=_targets(body.resource, meta),
        policy=Policy(engine=engine[:64], decision=result.decision, enforcement=enforcement),
        reason=Reason(from_="stated", text=meta.comment) if meta.comment else None,
        links=Links(run=run) if run else None,
    )


def _checked(said: Checked) -> _Result:
    if said.hard_failed > 0 or said.soft_failed > 0:
        return _Result("failed", "failure", "deny")
    if said.advisory_failed > 0:
        return _Result("warned", "success", "warn")
    return _Result("passed", "success", "allow")


_CALLED_BACK: Final[dict[str, _Result]] = {
    "pending": _Result("started", "pending", "unknown"),
    "running": _Result("started", "pending", "unknown"),
    "passed": _Result("passed", "success", "allow"),
    "failed": _Result("failed", "failure", "deny"),
    "errored": _Result("errored", "failure", "error"),
    "unreachable": _Result("errored", "failure", "error"),
}


def _called_back(said: CalledBack) -> _Result:
    found = _CALLED_BACK.get(said.task_result_status)
    if found is None:
        raise Malformed(
            "body.resource.meta.task_result_status: expected one of "
            f"{', '.join(_CALLED_BACK)}, found another"
        )
    return found


def _actor(auth: Auth) -> Actor:
    """Whoever impersonates is who acts."""
    if auth.type == "Impersonated" and auth.impersonator_id:
        return Actor(type="user", id=f"{_REALM}:{auth.impersonator_id}")
    return _accessor(auth)


def _impersonated(auth: Auth) -> Actor | None:
    return _accessor(auth) if auth.type == "Impersonated" and auth.impersonator_id else None


def _accessor(auth: Auth) -> Actor:
    """By the name that notifications have, too: one person is one actor in both."""
    name = auth.description or auth.accessor_id
    if auth.type == "System":
        return Actor(type="system", id=f"{_REALM}:{name or _REALM}")
    if not name:
        return UNKNOWN
    return Actor(type=_type(auth.type, name), id=f"{_REALM}:{name}")


def _type(how: str, name: str) -> ActorType:
    """API tokens of an organisation or a team act as users of these names."""
    if how not in ("Client", "Impersonated"):
        return "unknown"
    return "service" if name.startswith(("api-org-", "api-team_")) else "user"


def _run(resource: Resource, meta: Meta) -> str | None:
    named = meta.run or (meta.payload.run if meta.payload else None)
    found = resource.id if resource.type == "run" else meta.run_id or (named.id if named else None)
    return f"hcp_terraform:{found}" if found else None


def _place(body: Entry, meta: Meta) -> Place:
    workspace = _workspace(meta)
    if workspace is None and body.resource.type == "workspace":
        workspace = body.resource.id
    elif workspace is not None and meta.organization:
        workspace = f"{meta.organization}/{workspace}"
    return Place(raw=Words(account=body.auth.organization_id, workspace=workspace))


def _workspace(meta: Meta) -> str | None:
    """Its name where it is told, else its id."""
    said = meta.workspace or (meta.payload.workspace if meta.payload else None)
    if isinstance(said, Named):
        return said.name or said.id
    return said or meta.workspace_id


def _targets(resource: Resource, meta: Meta) -> tuple[Target, ...]:
    found = [Target(type=resource.type[:64], id=resource.id)]
    if meta.team:
        found.append(Target(type="team", id=meta.team))
    if meta.user:
        found.append(Target(type="user", name=meta.user))
    return tuple(found)


def _access(action: str, resource: Resource, meta: Meta) -> Access | None:
    if not action.startswith("access.") or meta.team is None:
        return None
    return Access(permission=(meta.permissions or "team access")[:64], resource=resource.id)


_ENTERED: Final[Kind[Any]] = Kind(Entry, entered)

SOURCE: Final = Source(
    name="hcp-terraform-audit",
    title="HCP Terraform audit trail",
    page="https://developer.hashicorp.com/terraform/cloud-docs/api-docs/audit-trails",
    schemes=(SCHEMES["bearer"],),
    tell=tell,
    kinds={
        **dict.fromkeys(ACTIONS, _ENTERED),
        "policy_check.process_audit_log_event": Kind(CheckedEntry, policies_checked),
        "policy_evaluation.process_audit_log_event": Kind(Entry, policies_evaluated),
        "task_result.callback": Kind(CalledBackEntry, task_called_back),
    },
    set_aside=SET_ASIDE,
    file_names=("*audit-trail*.json", "*audit_trail*.json"),
    poller=POLLER,
    setup="""\
1. In the organization's Settings, API tokens, make an audit trail token. It opens nothing else.
   Put it where the server finds it, and say so in {name}: token = "file:/PATH". It is asked for the
   audit trail each minute then, and that is all.
2. Or fetch every page of the last days, once in 14 days or oftener, for N from 1:
     curl -H "Authorization: Bearer $TOKEN" \\
       "https://app.terraform.io/api/v2/organization/audit-trail?page%5Bnumber%5D=N&since=TIME"
3. Import the files as this source, or send each page as it is by POST
     to: {url}
     with the header: Authorization: Bearer {secret}
4. An event that was there before is the same again: overlap the times rather than miss one.
""",
)
