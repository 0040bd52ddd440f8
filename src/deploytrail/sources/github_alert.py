"""GitHub's webhooks on what scanners find, and on requests to go past protections.

Pure. Of a leaked secret its type and number are kept; the secret itself is no field that is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from deploytrail.errors import Malformed
from deploytrail.event import Change, Reason, Target
from deploytrail.kit.draft import Draft
from deploytrail.kit.shape import Shape
from deploytrail.kit.source import Circumstances, Kind
from deploytrail.sources.github_shapes import (
    Account,
    Organization,
    Repository,
    Time,
    actor,
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


KINDS: Final[Mapping[str, Kind[Any]]] = {
    **{f"secret_scanning_alert.{verb}": Kind(SecretFound, secret) for verb in _SECRET},
    **{f"code_scanning_alert.{verb}": Kind(CodeFound, code) for verb in _CODE},
    **{f"dependabot_alert.{verb}": Kind(DependencyFound, dependency) for verb in _DEPENDENCY},
    "security_and_analysis": Kind(Secured, secured),
}
