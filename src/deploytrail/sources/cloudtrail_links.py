"""What a call belongs to: its run, commit and session; which rights and artifacts it tells of.

Pure.
"""

from __future__ import annotations

from typing import Final

from msgspec import Raw

from deploytrail.event import Access, Actor, Approval, Artifact, Links, Target
from deploytrail.kit.draft import CLAIMED
from deploytrail.sources.cloudtrail_actions import Meaning, service
from deploytrail.sources.cloudtrail_actor import Who, session_trace, work_of_session
from deploytrail.sources.cloudtrail_request import Parameters, first, parameters, tags, text
from deploytrail.sources.cloudtrail_shape import Call


def links_of(
    call: Call, found: Meaning, someone: Who, asked: Parameters, answered: Parameters
) -> Links | None:
    work, trace = someone.work, someone.trace or call.shared_event_id or None
    run, repository, commit, ref = work.run, work.repository, None, work.ref
    if found.action == "identity.role.assumed":
        trace = _new_session(answered) or trace
        begun = work_of_session(text(asked.get("roleSessionName")))
        said = tags(asked)
        run, repository = run or begun.run, repository or begun.repository
        if said.get("GitHub") == "Actions":
            repository, ref = repository or said.get("Repository"), ref or said.get("Branch")
            commit = said.get("Commit")
    elif found.call in _RUNS:
        run = run or _run(call, found, asked, answered)
        commit = commit_of(text(asked.get("sourceVersion")))
    if not (run or repository or commit or ref or trace):
        return None
    return Links(run=run, repository=repository, commit=commit, ref=ref, trace=trace)


def run_of(
    call: Call, found: Meaning, asked: Parameters, answered: Parameters
) -> tuple[Target, ...]:
    """The run that a call begins or ends: a target, since `links.run` is whatever made the call."""
    run = _run(call, found, asked, answered) if found.call in _RUNS else None
    return (Target(type=f"{service(call.event_source)}:run", id=run),) if run else ()


_RUNS: Final = {
    "codebuild:StartBuild": ("build", "arn"),
    "codebuild:RetryBuild": ("build", "arn"),
    "codebuild:StopBuild": ("build", "arn"),
    "codepipeline:StartPipelineExecution": ("", "pipelineExecutionId"),
    "codepipeline:StopPipelineExecution": ("", "pipelineExecutionId"),
    "codepipeline:RetryStageExecution": ("", "pipelineExecutionId"),
    "codedeploy:CreateDeployment": ("", "deploymentId"),
    "codedeploy:StopDeployment": ("", "deploymentId"),
    "codedeploy:ContinueDeployment": ("", "deploymentId"),
}
"""Of calls that begin or end a run, where its id stands in the answer, or else in the request."""


def _run(call: Call, found: Meaning, asked: Parameters, answered: Parameters) -> str | None:
    within, name = _RUNS[found.call]
    inner = parameters(answered.get(within, Raw())) if within else answered
    said = text(inner.get(name)) or text(asked.get(name))
    if not said or said.startswith("arn:"):
        return said
    place = f"{call.recipient_account_id or 'unknown'}:{call.aws_region or 'unknown'}"
    return f"aws:{place}:{service(call.event_source)}/{said}"


def commit_of(said: str | None) -> str | None:
    """A full hash of git where it is one; branches and versions of objects come there, too."""
    is_hash = said is not None and len(said) in {40, 64} and not set(said) - _HEX
    return said if is_hash else None


_HEX: Final = frozenset("0123456789abcdef")


def _new_session(answered: Parameters) -> str | None:
    """What the events of a session that begins here have in common."""
    role_user = parameters(answered.get("assumedRoleUser", Raw()))
    parts = (text(role_user.get("arn")) or "").split(":", 5)
    if len(parts) < 6:
        return None
    words = parts[5].split("/", 2)
    return session_trace(parts[4], words[1], words[2]) if len(words) == 3 else None


def tagged(asked: Parameters) -> Actor | None:
    """The person who started the workflow, as `aws-actions/configure-aws-credentials` tags it."""
    if "tags" not in asked:
        return None
    said = tags(asked)
    name = said.get("Actor") if said.get("GitHub") == "Actions" else None
    return Actor(type="user", id=f"github:{name}", name=name, auth=CLAIMED) if name else None


def approval_of(action: str, asked: Parameters) -> Approval | None:
    """What a pipeline of CodePipeline waited for; `request` is its pipeline, stage and action."""
    if not action.startswith("approval."):
        return None
    names = [text(asked.get(name)) for name in ("pipelineName", "stageName", "actionName")]
    return Approval(
        decision="granted" if action.endswith("granted") else "rejected",
        request="/".join(name for name in names if name) or None,
    )


def artifact_of(found: Meaning, asked: Parameters, answered: Parameters) -> Artifact | None:
    if found.call != "ecr:PutImage":
        return None
    image = parameters(parameters(answered.get("image", Raw())).get("imageId", Raw()))
    return Artifact(
        type="image",
        id=text(asked.get("repositoryName")),
        digest=text(image.get("imageDigest")),
        version=text(asked.get("imageTag")),
        registry=text(asked.get("registryId")),
    )


def access_of(action: str, found: Meaning, asked: Parameters, some: list[Target]) -> Access | None:
    if not action.startswith("access.") and action != "identity.role.assumed":
        return None
    policy = first(asked, "policyArn", "policyName", "permissionSetArn")
    resource = next((one.id for one in some if one.id and one.type != "iam:policy"), None)
    return Access(permission=(policy or "").rpartition("/")[2] or found.call, resource=resource)
