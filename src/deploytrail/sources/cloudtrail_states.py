"""What EventBridge tells beside calls: how builds, deployments and stacks went on, and ended.

Pure. CloudTrail tells who asked for a deployment; only these tell how it ended. Nobody acts in
them but AWS. Sources: the EventBridge pages in the user guides of CodePipeline, CodeBuild,
CodeDeploy, Amazon ECS, CloudFormation and Amazon ECR.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Literal

from msgspec import field

from deploytrail.errors import Malformed
from deploytrail.event import Actor, Approval, Artifact, Error, Links, Outcome, Raw, Target
from deploytrail.kit.draft import Draft, Place
from deploytrail.kit.shape import Shape
from deploytrail.kit.source import Circumstances, Kind
from deploytrail.sources.cloudtrail_links import commit_of

Meant = tuple[str, Outcome | None]

_PIPELINE: Final[Mapping[str, Meant]] = {
    "STARTED": ("build.pipeline.started", None),
    "RESUMED": ("build.pipeline.resumed", None),
    "SUCCEEDED": ("build.pipeline.finished", "success"),
    "FAILED": ("build.pipeline.finished", "failure"),
    "CANCELED": ("build.pipeline.cancelled", None),
    "STOPPING": ("build.pipeline.cancelled", "pending"),
    "STOPPED": ("build.pipeline.cancelled", None),
    "SUPERSEDED": ("build.pipeline.cancelled", None),
}
_STEP: Final[Mapping[str, Meant]] = {
    "STARTED": ("build.job.started", None),
    "SUCCEEDED": ("build.job.finished", "success"),
    "FAILED": ("build.job.finished", "failure"),
    "CANCELED": ("build.job.cancelled", None),
    "ABANDONED": ("build.job.cancelled", None),
}
_CONSENT: Final[Mapping[str, Meant]] = {
    **_STEP,
    "STARTED": ("approval.requested", None),
    "SUCCEEDED": ("approval.completed", None),
}
"""Of an action that waits for a person; who answered and how, the call PutApprovalResult tells."""
_BUILD: Final[Mapping[str, Meant]] = {
    "IN_PROGRESS": ("build.started", None),
    "SUCCEEDED": ("build.finished", "success"),
    "FAILED": ("build.finished", "failure"),
    "FAULT": ("build.finished", "failure"),
    "TIMED_OUT": ("build.finished", "failure"),
    "STOPPED": ("build.cancelled", None),
}
_CODEDEPLOY: Final[Mapping[str, Meant]] = {
    "START": ("deployment.started", None),
    "READY": ("deployment.progressed", None),
    "SUCCESS": ("deployment.succeeded", None),
    "FAILURE": ("deployment.failed", None),
    "STOP": ("deployment.cancelled", None),
}
_SERVICE: Final[Mapping[str, Meant]] = {
    "SERVICE_DEPLOYMENT_IN_PROGRESS": ("deployment.progressed", None),
    "SERVICE_DEPLOYMENT_COMPLETED": ("deployment.succeeded", None),
    "SERVICE_DEPLOYMENT_FAILED": ("deployment.failed", None),
}
_STACK: Final[Mapping[str, Meant]] = {
    "CREATE_COMPLETE": ("deployment.succeeded", None),
    "UPDATE_COMPLETE": ("deployment.succeeded", None),
    "IMPORT_COMPLETE": ("deployment.succeeded", None),
    "CREATE_FAILED": ("deployment.failed", None),
    "UPDATE_FAILED": ("deployment.failed", None),
    "DELETE_COMPLETE": ("deployment.removed", None),
    "DELETE_FAILED": ("deployment.removed", "failure"),
    "ROLLBACK_IN_PROGRESS": ("deployment.rollback.started", None),
    "UPDATE_ROLLBACK_IN_PROGRESS": ("deployment.rollback.started", None),
    "IMPORT_ROLLBACK_IN_PROGRESS": ("deployment.rollback.started", None),
    "ROLLBACK_COMPLETE": ("deployment.rolled_back", None),
    "UPDATE_ROLLBACK_COMPLETE": ("deployment.rolled_back", None),
    "IMPORT_ROLLBACK_COMPLETE": ("deployment.rolled_back", None),
    "ROLLBACK_FAILED": ("deployment.rollback.failed", None),
    "UPDATE_ROLLBACK_FAILED": ("deployment.rollback.failed", None),
    "IMPORT_ROLLBACK_FAILED": ("deployment.rollback.failed", None),
    "REVIEW_IN_PROGRESS": ("plan.started", None),
    **{
        f"{what}_IN_PROGRESS": ("deployment.progressed", None)
        for what in (
            *("CREATE", "UPDATE", "DELETE", "IMPORT", "UPDATE_COMPLETE_CLEANUP"),
            "UPDATE_ROLLBACK_COMPLETE_CLEANUP",
        )
    },
}


class _Envelope(Shape, frozen=True):
    time: datetime
    account: str | None = None
    region: str | None = None
    resources: list[str] | None = None


class _Pipeline(Shape, frozen=True, rename="kebab"):
    pipeline: str
    state: str
    execution_id: str
    stage: str | None = None


class Pipeline(_Envelope, frozen=True, kw_only=True):
    detail: _Pipeline


class _Type(Shape, frozen=True):
    category: str


class _Action(_Pipeline, frozen=True, rename="kebab", kw_only=True):
    action: str
    type: _Type


class Action(_Envelope, frozen=True, kw_only=True):
    detail: _Action


class _BuildMore(Shape, frozen=True, rename="kebab"):
    source_version: str | None = None


class _Build(Shape, frozen=True, rename="kebab"):
    build_status: str
    project_name: str
    build_id: str
    additional_information: _BuildMore | None = None


class Build(_Envelope, frozen=True, kw_only=True):
    detail: _Build


class _Deployment(Shape, frozen=True, rename="camel"):
    state: str
    application: str
    deployment_id: str
    deployment_group: str | None = None


class Deployment(_Envelope, frozen=True, kw_only=True):
    detail: _Deployment


class _Service(Shape, frozen=True, rename="camel"):
    event_name: str
    deployment_id: str | None = None
    reason: str | None = None


class Service(_Envelope, frozen=True, kw_only=True):
    detail: _Service


class _Status(Shape, frozen=True, rename="kebab"):
    status: str
    status_reason: str | None = None


class _Stack(Shape, frozen=True, rename="kebab"):
    stack_id: str
    status_details: _Status


class Stack(_Envelope, frozen=True, kw_only=True):
    detail: _Stack


class _Image(Shape, frozen=True, rename="kebab"):
    repository_name: str
    image_digest: str | None = None
    image_tag: str | None = None
    image_tags: list[str] | None = None
    action_type: str | None = None
    result: str | None = None
    scan_status: str | None = None
    counts: dict[str, int] | None = field(name="finding-severity-counts", default=None)


class Image(_Envelope, frozen=True, kw_only=True):
    detail: _Image


def _meant(table: Mapping[str, Meant], word: str, what: str) -> Meant:
    found = table.get(word)
    if found is None:
        raise Malformed(f"body.detail.{what}: expected a state that AWS documents, found another")
    return found


def _draft(said: _Envelope, meant: Meant, service: str, **more: Any) -> Draft:
    application = more.pop("application", None)
    cluster = more.pop("cluster", None)
    return Draft(
        action=meant[0],
        outcome=meant[1],
        time=said.time,
        actor=Actor(type="system", id=f"aws:{service}.amazonaws.com"),
        place=Place(
            raw=Raw(
                account=said.account, path=said.region, application=application, cluster=cluster
            )
        ),
        **more,
    )


def _run(said: _Envelope, service: str, id_: str) -> str:
    """As a call that begins or ends it names it, in `cloudtrail_links`."""
    return f"aws:{said.account or 'unknown'}:{said.region or 'unknown'}:{service}/{id_}"


def pipeline(said: Pipeline, _: Circumstances) -> Iterator[Draft]:
    meant = _meant(_PIPELINE, said.detail.state, "state")
    yield _of_pipeline(said, said.detail, meant, said.detail.pipeline)


def action(said: Action, _: Circumstances) -> Iterator[Draft]:
    """One action of a pipeline; the region in its detail is where it acts, not the pipeline's."""
    detail = said.detail
    name = "/".join(each for each in (detail.pipeline, detail.stage, detail.action) if each)
    table = _CONSENT if detail.type.category == "Approval" else _STEP
    meant = _meant(table, detail.state, "state")
    decision = _DECISIONS.get(meant[0])
    approval = Approval(decision=decision, request=name) if decision else None
    yield _of_pipeline(said, detail, meant, name, approval=approval)


_DECISIONS: Final[Mapping[str, Literal["requested", "granted"]]] = {
    "approval.requested": "requested",
    "approval.completed": "granted",
}


def _of_pipeline(said: _Envelope, detail: _Pipeline, meant: Meant, name: str, **more: Any) -> Draft:
    return _draft(
        said,
        meant,
        "codepipeline",
        application=detail.pipeline,
        targets=(Target(type="codepipeline:pipeline", id=name),),
        links=Links(run=_run(said, "codepipeline", detail.execution_id)),
        **more,
    )


def build(said: Build, _: Circumstances) -> Iterator[Draft]:
    detail = said.detail
    more = detail.additional_information or _BuildMore()
    yield _draft(
        said,
        _meant(_BUILD, detail.build_status, "build-status"),
        "codebuild",
        application=detail.project_name,
        targets=(Target(type="codebuild:project", id=detail.project_name),),
        links=Links(run=detail.build_id, commit=commit_of(more.source_version)),
    )


def deployment(said: Deployment, _: Circumstances) -> Iterator[Draft]:
    detail = said.detail
    names = [name for name in (detail.application, detail.deployment_group) if name]
    yield _draft(
        said,
        _meant(_CODEDEPLOY, detail.state, "state"),
        "codedeploy",
        application=detail.application,
        targets=(Target(type="codedeploy:deployment-group", id="/".join(names)),),
        links=Links(run=_run(said, "codedeploy", detail.deployment_id)),
    )


def service(said: Service, _: Circumstances) -> Iterator[Draft]:
    """Of Amazon ECS; `arn:…:service/CLUSTER/NAME` is the only thing that names the service."""
    meant = _meant(_SERVICE, said.detail.event_name, "eventName")
    arn = next((one for one in said.resources or () if ":service/" in one), None)
    if arn is None:
        raise Malformed("body.resources: expected the ARN of a service; it is missing")
    words = arn.partition(":service/")[2].split("/")
    is_failed = meant[0] == "deployment.failed"
    id_ = said.detail.deployment_id
    yield _draft(
        said,
        meant,
        "ecs",
        application=words[-1] or None,
        cluster=words[0] if len(words) > 1 else None,
        targets=(Target(type="ecs:service", id=arn),),
        error=Error(text=said.detail.reason) if is_failed and said.detail.reason else None,
        links=Links(run=_run(said, "ecs", id_)) if id_ else None,
    )


def stack(said: Stack, _: Circumstances) -> Iterator[Draft]:
    detail = said.detail
    status = detail.status_details
    meant = _meant(_STACK, status.status, "status-details.status")
    has_failed = "failed" in meant[0] or "roll" in meant[0] or meant[1] == "failure"
    name = (detail.stack_id.partition(":stack/")[2] or detail.stack_id).partition("/")[0]
    yield _draft(
        said,
        meant,
        "cloudformation",
        application=name or None,
        targets=(Target(type="cloudformation:stack", id=detail.stack_id),),
        error=Error(code=status.status, text=status.status_reason) if has_failed else None,
    )


def image_action(said: Image, _: Circumstances) -> Iterator[Draft]:
    actions = {"PUSH": "build.artifact.published", "DELETE": "build.artifact.deleted"}
    found = actions.get(said.detail.action_type or "")
    if found is None:
        raise Malformed("body.detail.action-type: expected PUSH or DELETE; is missing or another")
    if said.detail.result not in {"SUCCESS", "FAILURE"}:
        raise Malformed("body.detail.result: expected SUCCESS or FAILURE; is missing or another")
    outcome: Outcome = "success" if said.detail.result == "SUCCESS" else "failure"
    yield _draft(said, (found, outcome), "ecr", **_artifact(said))


def image_scan(said: Image, _: Circumstances) -> Iterator[Draft]:
    detail = said.detail
    if not detail.scan_status:
        raise Malformed("body.detail.scan-status: is missing")
    outcome: Outcome = "success" if detail.scan_status == "COMPLETE" else "failure"
    counts = {name: number for name, number in (detail.counts or {}).items() if number}
    told = ", ".join(f"{number} {name.lower()}" for name, number in sorted(counts.items()))
    error = Error(text=told) if told else None
    yield _draft(said, ("build.artifact.scanned", outcome), "ecr", error=error, **_artifact(said))


def _artifact(said: Image) -> dict[str, Any]:
    detail = said.detail
    tag = detail.image_tag or next(iter(detail.image_tags or ()), None)
    digest = detail.image_digest
    return {
        "artifact": Artifact(
            type="image",
            id=detail.repository_name,
            digest=digest,
            version=tag,
            registry=said.account,
        ),
        "targets": (Target(type="ecr:repository", id=detail.repository_name, digest=digest),),
        "links": Links(artifact=digest) if digest else None,
    }


STATES: Final[Mapping[str, Kind[Any]]] = {
    "CodePipeline Pipeline Execution State Change": Kind(Pipeline, pipeline),
    "CodePipeline Action Execution State Change": Kind(Action, action),
    "CodeBuild Build State Change": Kind(Build, build),
    "CodeDeploy Deployment State-change Notification": Kind(Deployment, deployment),
    "ECS Deployment State Change": Kind(Service, service),
    "CloudFormation Stack Status Change": Kind(Stack, stack),
    "ECR Image Action": Kind(Image, image_action),
    "ECR Image Scan": Kind(Image, image_scan),
}
"""By `detail-type`."""
ASIDE: Final[Mapping[str, str]] = {
    "CodePipeline Stage Execution State Change": "the actions of a stage are told",
    "CodeBuild Build Phase Change": "the build is told",
    "CodeDeploy Instance State-change Notification": "the deployment is told",
    "CloudFormation Resource Status Change": "the stack is told",
}
