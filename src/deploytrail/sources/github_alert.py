"""GitHub's webhooks on what scanners find, and on requests to go past protections.

Pure. Of a leaked secret its type and number are kept; the secret itself is no field that is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from deploytrail.errors import Malformed
from deploytrail.event import Approval, Approves, Change, Policy, Reason, Target, Violation
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


class ByScanner(Shape, frozen=True):
    """`sender` is absent where GitHub itself acted."""

    repository: Repository
    sender: Account | None = None
    organization: Organization | None = None


class Secret(Shape, frozen=True):
    number: int
    secret_type: str
    resolution: str | None = None
    resolution_comment: str | None = None
    push_protection_bypassed: bool | None = None
    html_url: str | None = None
    created_at: Time | None = None
    resolved_at: Time | None = None
    updated_at: Time | None = None


class SecretFound(ByScanner, frozen=True, kw_only=True):
    """docs.github.com/en/webhooks/webhook-events-and-payloads#secret_scanning_alert"""

    alert: Secret


_SECRET: Final = {
    "created": "secret.leak.found",
    "reopened": "secret.leak.found",
    "publicly_leaked": "secret.leak.found",
    "resolved": "secret.leak.resolved",
    "revoked": "secret.leak.resolved",
}
_RESOLUTIONS: Final = {
    "revoked": "secret.leak.resolved",
    "pattern_deleted": "secret.leak.dismissed",
    "pattern_edited": "secret.leak.dismissed",
    "false_positive": "secret.leak.dismissed",
    "used_in_tests": "secret.leak.dismissed",
    "wont_fix": "secret.leak.dismissed",
    "hidden_by_config": "secret.leak.dismissed",
}


def secret(body: SecretFound, at: Circumstances) -> Iterator[Draft]:
    said, verb = body.alert, at.kind.partition(".")[2]
    action = _SECRET[verb]
    if verb == "resolved":
        if said.resolution is None:
            raise Malformed("body.alert.resolution: is missing")
        action = known(said.resolution, _RESOLUTIONS, "alert.resolution")
    change = "bypassed" if said.push_protection_bypassed else verb
    time = {"created": said.created_at, "resolved": said.resolved_at}.get(verb, said.updated_at)
    yield Draft(
        action=action,
        time=moment(time, at),
        actor=actor(body.sender),
        place=place(body.repository),
        targets=(
            Target(type="alert", id=str(said.number), change=change),
            Target(type="secret_type", id=said.secret_type),
        ),
        reason=_reason(said.resolution, said.resolution_comment),
        links=links(body.repository),
        url=said.html_url,
    )


def _reason(word: str | None, comment: str | None) -> Reason | None:
    text = ": ".join(part for part in (word, comment) if part)
    return Reason(from_="stated", text=text) if text else None


class Rule(Shape, frozen=True):
    id: str
    severity: str | None = None
    description: str | None = None


class Tool(Shape, frozen=True):
    name: str | None = None


class CodeAlert(Shape, frozen=True):
    number: int
    rule: Rule
    tool: Tool
    html_url: str | None = None
    created_at: Time | None = None
    dismissed_at: Time | None = None
    dismissed_reason: str | None = None
    dismissed_comment: str | None = None


class CodeFound(ByScanner, frozen=True, kw_only=True):
    alert: CodeAlert
    commit_oid: str | None = None
    ref: str | None = None


_CODE: Final = {
    "created": "code.finding.reported",
    "appeared_in_branch": "code.finding.reported",
    "reopened": "code.finding.reopened",
    "reopened_by_user": "code.finding.reopened",
    "fixed": "code.finding.resolved",
    "closed_by_user": "code.finding.dismissed",
}


def code(body: CodeFound, at: Circumstances) -> Iterator[Draft]:
    said, verb = body.alert, at.kind.partition(".")[2]
    time = {"created": said.created_at, "closed_by_user": said.dismissed_at}.get(verb)
    yield Draft(
        action=_CODE[verb],
        time=moment(time, at),
        actor=actor(body.sender),
        place=place(body.repository),
        targets=(
            Target(type="alert", id=str(said.number), change=said.rule.severity),
            Target(type="rule", id=said.rule.id),
        ),
        reason=_reason(said.dismissed_reason, said.dismissed_comment)
        if verb == "closed_by_user"
        else None,
        links=links(body.repository, sha=body.commit_oid, ref=body.ref),
        url=said.html_url,
    )


class Advisory(Shape, frozen=True):
    ghsa_id: str
    severity: str | None = None


class Dependency(Shape, frozen=True):
    manifest_path: str | None = None


class DependencyAlert(Shape, frozen=True):
    number: int
    security_advisory: Advisory
    dependency: Dependency | None = None
    html_url: str | None = None
    created_at: Time | None = None
    updated_at: Time | None = None
    dismissed_reason: str | None = None
    dismissed_comment: str | None = None


class DependencyFound(ByScanner, frozen=True, kw_only=True):
    alert: DependencyAlert


_DEPENDENCY: Final = {
    "created": "code.finding.reported",
    "reopened": "code.finding.reopened",
    "auto_reopened": "code.finding.reopened",
    "reintroduced": "code.finding.reopened",
    "fixed": "code.finding.resolved",
    "dismissed": "code.finding.dismissed",
    "auto_dismissed": "code.finding.dismissed",
}


def dependency(body: DependencyFound, at: Circumstances) -> Iterator[Draft]:
    said, verb = body.alert, at.kind.partition(".")[2]
    yield Draft(
        action=_DEPENDENCY[verb],
        time=moment(said.created_at if verb == "created" else said.updated_at, at),
        actor=actor(body.sender),
        place=place(
            body.repository, path=said.dependency.manifest_path if said.dependency else None
        ),
        targets=(
            Target(type="alert", id=str(said.number), change=said.security_advisory.severity),
            Target(type="advisory", id=said.security_advisory.ghsa_id),
        ),
        reason=_reason(said.dismissed_reason, said.dismissed_comment)
        if verb == "dismissed"
        else None,
        links=links(body.repository),
        url=said.html_url,
    )


class Feature(Shape, frozen=True):
    status: str


class SecuredRepository(Repository, frozen=True, kw_only=True):
    security_and_analysis: dict[str, Feature]


class _FromFeatures(Shape, frozen=True):
    security_and_analysis: dict[str, Feature]


class _FeatureChanges(Shape, frozen=True, rename={"from_": "from"}):
    from_: _FromFeatures


class Secured(Shape, frozen=True):
    changes: _FeatureChanges
    repository: SecuredRepository
    sender: Account | None = None


_FEATURES: Final = (
    "advanced_security, code_security, dependabot_security_updates, secret_scanning, "
    "secret_scanning_push_protection"
)


def secured(body: Secured, at: Circumstances) -> Iterator[Draft]:
    """One event for each feature that was switched."""
    before, now = body.changes.from_.security_and_analysis, body.repository.security_and_analysis
    if not before or not before.keys() <= now.keys():
        raise Malformed(
            "body.changes.from.security_and_analysis: expected features of the repository, as "
            f"{_FEATURES}, found others or none"
        )
    for name, was in before.items():
        verb = known(now[name].status, _SWITCHED, "repository.security_and_analysis.status")
        yield Draft(
            action=f"code.scanning.{verb}",
            time=at.received,
            actor=actor(body.sender),
            place=place(body.repository),
            targets=(Target(type="feature", id=name),),
            changes=(
                Change(
                    path=f"{name}.status",
                    op="update",
                    old=f'"{_SWITCHED.get(was.status, "unknown")}"',
                    new=f'"{verb}"',
                ),
            ),
            links=links(body.repository),
        )


_SWITCHED: Final = {"enabled": "enabled", "disabled": "disabled"}


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
    **{f"secret_scanning_alert.{verb}": Kind(SecretFound, secret) for verb in _SECRET},
    **{f"code_scanning_alert.{verb}": Kind(CodeFound, code) for verb in _CODE},
    **{f"dependabot_alert.{verb}": Kind(DependencyFound, dependency) for verb in _DEPENDENCY},
    "security_and_analysis": Kind(Secured, secured),
    **{f"{event}.created": Kind(Exempted, exempted) for event in REQUESTS},
    **{f"{event}.cancelled": Kind(Exempted, exempted) for event in REQUESTS},
    **{f"{event}.completed": Kind(Exempted, exempted) for event in _BYPASSES},
    **{f"{event}.response_submitted": Kind(Answered, answered) for event in REQUESTS},
    **{f"{event}.response_dismissed": Kind(Answered, answered) for event in _BYPASSES},
}
