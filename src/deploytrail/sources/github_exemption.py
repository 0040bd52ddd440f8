"""GitHub's webhooks on requests to go past a protection, or to dismiss an alert.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from deploytrail.errors import Malformed
from deploytrail.event import Approval, Approves, Policy, Reason, Target, Violation
from deploytrail.kit.draft import Draft
from deploytrail.kit.shape import Shape, texts
from deploytrail.kit.source import Circumstances, Kind
from deploytrail.sources.github_shapes import (
    Account,
    Organization,
    Repository,
    Time,
    actor,
    commit,
    known,
    links,
    moment,
    place,
)


class PushRule(Shape, frozen=True):
    ruleset_name: str | None = None
    rule_type: str | None = None
    secret_type: str | None = None
    alert_number: str | int | None = None


class RequestData(Shape, frozen=True):
    data: tuple[PushRule, ...] = ()


class Exemption(Shape, frozen=True):
    id: int
    request_type: str
    requester_login: str | None = None
    requester_comment: str | None = None
    resource_identifier: str | None = None
    exemption_request_data: RequestData | None = None
    html_url: str | None = None
    created_at: Time | None = None


class Response(Shape, frozen=True):
    status: str
    reviewer_comment: str | None = None
    created_at: Time | None = None


class Exempted(Shape, frozen=True):
    exemption_request: Exemption
    sender: Account
    repository: Repository | None = None
    organization: Organization | None = None


class Answered(Exempted, frozen=True, kw_only=True):
    exemption_response: Response


REQUESTS: Final = {
    "exemption_request_push_ruleset": "push_ruleset_bypass",
    "bypass_request_push_ruleset": "push_ruleset_bypass",
    "bypass_request_secret_scanning": "secret_scanning",
    "dismissal_request_secret_scanning": "secret_scanning_closure",
    "dismissal_request_code_scanning": "code_scanning_alert_dismissal",
    "dismissal_request_dependabot": "dependabot_alert_dismissal",
}
"""By event, the type that its body names: they have one shape, and the event is not signed."""
_COMPLETED: Final = {
    "push_ruleset_bypass": "code.protection.bypassed",
    "secret_scanning": "secret.protection.bypassed",
}
_Decision = Literal["requested", "granted", "rejected", "dismissed"]
_ANSWERS: Final[Mapping[str, _Decision]] = {
    "approved": "granted",
    "rejected": "rejected",
    "dismissed": "dismissed",
}


def _fit(said: Exemption, kind: str) -> None:
    if REQUESTS[kind.partition(".")[0]] != said.request_type:
        raise Malformed(
            "body.exemption_request.request_type: expected that of the event that "
            "X-GitHub-Event names, found another"
        )


def exempted(body: Exempted, at: Circumstances) -> Iterator[Draft]:
    said, verb = body.exemption_request, at.kind.partition(".")[2]
    _fit(said, at.kind)
    if verb == "completed":
        action = _COMPLETED.get(said.request_type, "policy.exemption.granted")
        yield _exemption(action, body, moment(None, at), None, said.requester_comment)
    elif verb == "cancelled":
        yield _exemption("approval.withdrawn", body, moment(None, at), "dismissed", None)
    else:
        time = moment(said.created_at, at)
        yield _exemption("approval.requested", body, time, "requested", said.requester_comment)


def answered(body: Answered, at: Circumstances) -> Iterator[Draft]:
    _fit(body.exemption_request, at.kind)
    said = body.exemption_response
    decision = _ANSWERS[
        known(said.status, {each: each for each in _ANSWERS}, "exemption_response.status")
    ]
    if at.kind.endswith(".response_dismissed"):
        decision = "dismissed"
    time = moment(said.created_at if decision != "dismissed" else None, at)
    # An exemption is no approval of a deployment, though it is of a commit, too.
    action = "policy.exemption.granted" if decision == "granted" else f"approval.{decision}"
    yield _exemption(action, body, time, decision, said.reviewer_comment)


def _exemption(
    action: str, body: Exempted, time: Any, decision: _Decision | None, text: str | None
) -> Draft:
    said = body.exemption_request
    digest = commit(said.resource_identifier)
    broken = said.exemption_request_data.data if said.exemption_request_data else ()
    rules = tuple(Violation(rule=name) for name in (_rule(each) for each in broken) if name)
    return Draft(
        action=action,
        time=time,
        actor=actor(body.sender),
        place=place(body.repository, organization=body.organization),
        targets=(Target(type=said.request_type, id=str(said.id)),),
        reason=Reason(from_="stated", text=text) if text else None,
        links=links(body.repository, sha=digest),
        policy=Policy(engine="github", decision="deny", violations=rules) if rules else None,
        approval=Approval(
            decision=decision,
            request=str(said.id),
            approves=Approves(kind="commit", digest=digest) if digest else None,
        )
        if decision
        else None,
        url=said.html_url,
    )


def _rule(said: PushRule) -> str | None:
    parts = (said.ruleset_name, said.rule_type, said.secret_type, texts(said.alert_number))
    return "/".join(part for part in parts if part) or None


_BYPASSES: Final = (
    "exemption_request_push_ruleset",
    "bypass_request_push_ruleset",
    "bypass_request_secret_scanning",
)


KINDS: Final[Mapping[str, Kind[Any]]] = {
    **{f"{event}.created": Kind(Exempted, exempted) for event in REQUESTS},
    **{f"{event}.cancelled": Kind(Exempted, exempted) for event in REQUESTS},
    **{f"{event}.completed": Kind(Exempted, exempted) for event in _BYPASSES},
    **{f"{event}.response_submitted": Kind(Answered, answered) for event in REQUESTS},
    **{f"{event}.response_dismissed": Kind(Answered, answered) for event in _BYPASSES},
}
