"""CDEvents: what any tool of a delivery pipeline tells in the vocabulary of the CD Foundation.

Pure. Source: https://github.com/cdevents/spec, versions up to 0.6.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC
from typing import Any, Final, NamedTuple

from deploytrail.actions import outcome as usual
from deploytrail.errors import Malformed
from deploytrail.event import (
    Actor,
    Approval,
    Artifact,
    Error,
    Links,
    Outcome,
    Raw,
    Reason,
    Severity,
    Target,
)
from deploytrail.formats import cdevents, forge_url
from deploytrail.formats.purl import Purl, purl
from deploytrail.kit.delivery import Delivery
from deploytrail.kit.draft import UNKNOWN, Draft, Place
from deploytrail.kit.schemes import SCHEMES
from deploytrail.kit.shape import Shape, read
from deploytrail.kit.source import Circumstances, Kind, Source, Telling
from deploytrail.sources.cdevents_shapes import (
    Content,
    Decided,
    Event,
    Reference,
    Settled,
    Tested,
)

_REALM: Final = "cdevents"
_COMMIT: Final = re.compile("(?:[0-9a-f]{40}|[0-9a-f]{64})")
_USER: Final = "urn:user:"
_UNREADABLE: Final = "build.queued"
"""Whose shape asks of what any event must have."""


class _HeadContext(Shape, frozen=True):
    id: str
    source: str
    type: str


class _Head(Shape, frozen=True):
    context: _HeadContext


def tell(delivery: Delivery) -> Iterator[Telling]:
    """One, or those of a batch; bare, or each in a CloudEvent."""
    for each in cdevents.events(delivery.body):
        if each.other is not None:
            yield Telling(each.other, each.octets)
            continue
        try:
            head = read(each.octets, _Head).context
        except Malformed:
            # What is wrong with it is said where it is read.
            yield Telling(_UNREADABLE, each.octets)
            continue
        kind = cdevents.subject_predicate(head.type) or head.type
        # Both together are unique, and neither has a blank.
        yield Telling(kind, each.octets, f"{head.source} {head.id}")


class _Meaning(NamedTuple):
    """What one type means: the action, and what its subject is called as a target."""

    action: str
    target: str
    shape: Any = Event[Content]


_FINISHED: Final[dict[str, Outcome]] = {
    "success": "success",
    "failure": "failure",
    "error": "failure",
    "cancel": "failure",
}
_CANCELLED: Final = {
    "build.pipeline.finished": "build.pipeline.cancelled",
    "build.job.finished": "build.job.cancelled",
}
_DECIDED: Final = {
    "approved": "approval.granted",
    "rejected": "approval.rejected",
    "requestChanges": "approval.rejected",
    "escalated": "approval.escalated",
    "delegate": "approval.delegated",
    "deferred": "approval.requested",
}
_SETTLED: Final = {
    "approved": "approval.completed",
    "rejected": "approval.rejected",
    "cancelled": "approval.withdrawn",
    "expired": "approval.expired",
}
_DECISIONS: Final[dict[str, Any]] = {
    "approval.granted": "granted",
    "approval.completed": "granted",
    "approval.rejected": "rejected",
    "approval.withdrawn": "dismissed",
    "approval.expired": "expired",
}
"""Of actions; the others leave it open."""
_SEVERITIES: Final[dict[str, Severity]] = {
    "low": "low",
    "medium": "medium",
    "high": "high",
    "critical": "critical",
}

_MEANINGS: Final = {
    "pipelinerun.queued": _Meaning("build.pipeline.queued", "pipeline"),
    "pipelinerun.started": _Meaning("build.pipeline.started", "pipeline"),
    "pipelinerun.finished": _Meaning("build.pipeline.finished", "pipeline"),
    "taskrun.started": _Meaning("build.job.started", "task"),
    "taskrun.finished": _Meaning("build.job.finished", "task"),
    "build.queued": _Meaning("build.queued", "build"),
    "build.started": _Meaning("build.started", "build"),
    "build.finished": _Meaning("build.finished", "build"),
    "testcaserun.queued": _Meaning("build.test.queued", "test_case"),
    "testcaserun.started": _Meaning("build.test.started", "test_case"),
    "testcaserun.finished": _Meaning("build.test.finished", "test_case", Event[Tested]),
    "testcaserun.skipped": _Meaning("build.test.skipped", "test_case"),
    "testsuiterun.queued": _Meaning("build.test.queued", "test_suite"),
    "testsuiterun.started": _Meaning("build.test.started", "test_suite"),
    "testsuiterun.finished": _Meaning("build.test.finished", "test_suite", Event[Tested]),
    "testoutput.published": _Meaning("build.artifact.published", "test_output"),
    "repository.created": _Meaning("code.repository.created", "repository"),
    "repository.modified": _Meaning("code.repository.updated", "repository"),
    "repository.deleted": _Meaning("code.repository.deleted", "repository"),
    "branch.created": _Meaning("code.branch.created", "branch"),
    "branch.deleted": _Meaning("code.branch.deleted", "branch"),
    "change.created": _Meaning("code.change.created", "change"),
    "change.updated": _Meaning("code.change.updated", "change"),
    "change.reviewed": _Meaning("code.review.commented", "change"),
    "change.merged": _Meaning("code.change.merged", "change"),
    "change.abandoned": _Meaning("code.change.abandoned", "change"),
    "artifact.packaged": _Meaning("build.artifact.packaged", "artifact"),
    "artifact.signed": _Meaning("build.artifact.signed", "artifact"),
    "artifact.published": _Meaning("build.artifact.published", "artifact"),
    "artifact.downloaded": _Meaning("build.artifact.downloaded", "artifact"),
    "artifact.deleted": _Meaning("build.artifact.deleted", "artifact"),
    "environment.created": _Meaning("environment.created", "environment"),
    "environment.modified": _Meaning("environment.updated", "environment"),
    "environment.deleted": _Meaning("environment.deleted", "environment"),
    "service.deployed": _Meaning("deployment.succeeded", "service"),
    "service.upgraded": _Meaning("deployment.succeeded", "service"),
    "service.rolledback": _Meaning("deployment.rolled_back", "service"),
    "service.removed": _Meaning("deployment.removed", "service"),
    "service.published": _Meaning("deployment.traffic.shifted", "service"),
    "incident.detected": _Meaning("incident.detected", "incident"),
    "incident.reported": _Meaning("incident.reported", "incident"),
    "incident.resolved": _Meaning("incident.resolved", "incident"),
    "ticket.created": _Meaning("code.ticket.created", "ticket"),
    "ticket.updated": _Meaning("code.ticket.updated", "ticket"),
    "ticket.closed": _Meaning("code.ticket.closed", "ticket"),
    "approval.created": _Meaning("approval.requested", "approval"),
    "approval.updated": _Meaning("approval.requested", "approval", Event[Decided]),
    "approval.closed": _Meaning("approval.completed", "approval", Event[Settled]),
}


def _read(event: Event[Content], at: Circumstances) -> Iterator[Draft]:
    content, subject = event.subject.content, event.subject
    meaning = _MEANINGS[at.kind]
    action = _action(meaning, content)
    went = _outcome(action, content)
    package = _package(event, meaning)
    time = event.context.timestamp
    yield Draft(
        action=action,
        time=time if time.tzinfo is not None else time.replace(tzinfo=UTC),
        actor=_actor(content),
        outcome=went,
        severity=_SEVERITIES.get(content.severity or "") if went == "failure" else None,
        error=_error(content, went or usual(action)),
        place=_place(event, meaning),
        targets=tuple(_targets(event, meaning)),
        reason=_reason(event, meaning),
        links=_links(event, meaning, package),
        approval=_approval(action, subject.id) if meaning.target == "approval" else None,
        artifact=_artifact(event, meaning, package),
        url=content.view or content.uri or content.details or content.ticket,
    )


def _action(meaning: _Meaning, content: Content) -> str:
    if isinstance(content, Decided):
        return _known(_DECIDED, content.decision, "decision")
    if isinstance(content, Settled):
        return _known(_SETTLED, content.status, "status")
    if content.outcome == "cancel":
        return _CANCELLED.get(meaning.action, meaning.action)
    return meaning.action


def _known(words: dict[str, str], word: str, name: str) -> str:
    found = words.get(word)
    if found is None:
        raise Malformed(
            f"body.subject.content.{name}: expected one of {', '.join(words)}, found another"
        )
    return found


def _outcome(action: str, content: Content) -> Outcome | None:
    """None is what the action's name says; what finished went as it says, or nobody knows how."""
    if not action.endswith(".finished"):
        return None
    return _FINISHED.get(content.outcome or "", "unknown")


def _error(content: Content, went: Outcome) -> Error | None:
    if went != "failure":
        return None
    text = content.errors or content.reason
    return Error(code=content.outcome, text=text) if text or content.outcome else None


def _actor(content: Content) -> Actor:
    """Whom the event names; the system that sends it acted for somebody whom nobody knows."""
    someone = content.updated_by or content.responder or content.user
    someone = someone or content.requestor or content.creator
    if not someone:
        return UNKNOWN
    return Actor(type="user", id=f"{_REALM}:{someone.removeprefix(_USER) or someone}")


def _place(event: Event[Content], meaning: _Meaning) -> Place:
    content, subject = event.subject.content, event.subject
    application = subject.id if meaning.target == "service" else None
    if content.service is not None:
        application = content.service.id
    environment = content.environment.id if content.environment else None
    if meaning.target == "environment":
        environment = content.name or subject.id
    return Place(
        raw=Raw(repository=_repository(event, meaning), application=application or None),
        environment=environment or None,
    )


def _repository(event: Event[Content], meaning: _Meaning) -> str | None:
    content = event.subject.content
    if meaning.target == "repository":
        both = f"{content.owner}/{content.name}" if content.owner and content.name else None
        return both or forge_url.repository(content.uri) or content.name or event.subject.id
    return content.repository.id or None if content.repository is not None else None


def _targets(event: Event[Content], meaning: _Meaning) -> Iterator[Target]:
    content, subject = event.subject.content, event.subject
    tested = content.test_case or content.test_suite
    name = content.pipeline or content.task or content.name or (tested and tested.name)
    id_ = _repository(event, meaning) if meaning.target == "repository" else subject.id
    yield Target(type=meaning.target, id=id_ or None, name=name or None, change=content.output)
    if content.resource:
        yield Target(type="resource", id=content.resource)


def _reason(event: Event[Content], meaning: _Meaning) -> Reason | None:
    content, id_ = event.subject.content, event.subject.id
    if meaning.target == "ticket" and id_:
        return Reason(from_="ticket", text=content.summary, tickets=(id_,))
    if meaning.target == "incident" and id_:
        return Reason(from_="stated", text=content.description, incident=id_)
    if meaning.target == "change" and content.description:
        return Reason(from_="change_request", text=content.description)
    if meaning.action.endswith(".skipped") and content.reason:
        return Reason(from_="stated", text=content.reason)
    return None


def _links(event: Event[Content], meaning: _Meaning, package: Purl | None) -> Links | None:
    content, subject = event.subject.content, event.subject
    commit = content.change.id if content.change else None
    repository = _repository(event, meaning)
    change = f"{repository}#{subject.id}" if repository and meaning.target == "change" else None
    found = Links(
        run=_run(event, meaning),
        commit=commit if commit and _COMMIT.fullmatch(commit) else None,
        repository=repository,
        ref=subject.id or None if meaning.target == "branch" else None,
        change_request=change,
        artifact=package.digest if package else None,
        trace=event.context.chain or None,
    )
    return found if found != Links() else None


def _run(event: Event[Content], meaning: _Meaning) -> str | None:
    """The run's name where its tool is known by its URL, else its source and id."""
    if meaning.target == "pipeline":
        known = forge_url.run(event.subject.content.uri)
        return known or _of(event, Reference(event.subject.id, event.subject.source))
    run = event.subject.content.pipeline_run
    known = forge_url.run(event.subject.content.uri)
    return known or (_of(event, run) if run is not None else None)


def _of(event: Event[Content], one: Reference) -> str:
    return f"{_REALM}:{one.source or event.context.source}#{one.id}"


def _package(event: Event[Content], meaning: _Meaning) -> Purl | None:
    text = _artifact_id(event, meaning)
    try:
        return purl(text) if text else None
    except Malformed:
        # Before 0.3 any name would do.
        return None


def _artifact_id(event: Event[Content], meaning: _Meaning) -> str | None:
    return event.subject.id if meaning.target == "artifact" else event.subject.content.artifact


def _artifact(event: Event[Content], meaning: _Meaning, package: Purl | None) -> Artifact | None:
    if meaning.target == "test_output":
        return Artifact(type="test_output", id=event.subject.id or None)
    text = _artifact_id(event, meaning)
    if package is None:
        return Artifact(type="artifact", id=text) if text else None
    return Artifact(
        type=package.type,
        id=package.package,
        digest=package.digest,
        version=package.release,
        registry=package.qualifiers.get("repository_url"),
    )


def _approval(action: str, request: str) -> Approval:
    return Approval(decision=_DECISIONS.get(action, "requested"), request=request or None)


SOURCE: Final = Source(
    name="cdevents",
    title="CDEvents",
    page="https://cdevents.dev/docs/",
    schemes=(SCHEMES["standard-webhooks"], SCHEMES["bearer"], SCHEMES["nothing"]),
    tell=tell,
    kinds={name: Kind(each.shape, _read) for name, each in _MEANINGS.items()},
    setup="""\
1. In the tool that sends CDEvents (Tekton, Jenkins, Spinnaker, Testkube and others have plugins
   for it), or in the broker that they go through, add an HTTP sink with the address {url}.
2. Let it send CloudEvents, structured, binary or in batches, or CDEvents without them.
3. If it signs as Standard Webhooks says, give it the secret {secret}.
4. If it can only set headers, declare the connection {name} with the scheme bearer, and set
   Authorization: Bearer {secret}.
5. deploytrail connection test {name} shows whether the way is open.""",
    is_lines=True,
)
