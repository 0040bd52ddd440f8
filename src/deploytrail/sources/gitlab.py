"""GitLab's webhooks of projects and groups, and its system hooks.

Pure. GitLab Docs, "Webhook events" and "System hooks". What a delivery is stands in its body
(`object_kind` or `event_name`, and the word that says what happened), not in its headers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from deploytrail.errors import Malformed
from deploytrail.kit.delivery import Delivery
from deploytrail.kit.schemes import SCHEMES
from deploytrail.kit.shape import Shape, read
from deploytrail.kit.source import Kind, Source, Telling
from deploytrail.sources import gitlab_code as code
from deploytrail.sources import gitlab_deployments as deployments
from deploytrail.sources import gitlab_merge as merge
from deploytrail.sources import gitlab_people as people
from deploytrail.sources import gitlab_runs as runs


class _Head(Shape, frozen=True):
    object_kind: str | None = None
    event_name: str | None = None


class _Action(Shape, frozen=True):
    action: str


class _Status(Shape, frozen=True):
    status: str


class _State(Shape, frozen=True):
    state: str


class _Noteable(Shape, frozen=True):
    noteable_type: str


class _ByAction(Shape, frozen=True):
    object_attributes: _Action


class _ByStatus(Shape, frozen=True):
    object_attributes: _Status


class _ByState(Shape, frozen=True):
    object_attributes: _State


class _ByNoteable(Shape, frozen=True):
    object_attributes: _Noteable


class _ByBuildStatus(Shape, frozen=True):
    build_status: str


class _ByEventName(Shape, frozen=True):
    event_name: str


_WORDS: Final[dict[str, tuple[type[Any], str]]] = {
    "merge_request": (_ByAction, "action"),
    "issue": (_ByAction, "action"),
    "work_item": (_ByAction, "action"),
    "note": (_ByNoteable, "noteable_type"),
    "pipeline": (_ByStatus, "status"),
    "vulnerability": (_ByState, "state"),
    "build": (_ByBuildStatus, "build_status"),
    "deployment": (_Status, "status"),
    "release": (_Action, "action"),
    "gitlab_subscription_member_approval": (_Action, "action"),
    "gitlab_subscription_member_approvals": (_Action, "action"),
}
"""Where the word stands that tells one kind of an object from another."""


def _tell(delivery: Delivery) -> Iterator[Telling]:
    """One thing."""
    head = read(delivery.body, _Head)
    name = head.object_kind or head.event_name
    if head.object_kind == "access_token":
        name = read(delivery.body, _ByEventName).event_name
    if name is None:
        raise Malformed(
            "body.object_kind: is missing, and body.event_name too; send what GitLab sends"
        )
    if name not in _WORDS:
        yield Telling(name, delivery.body, _id(delivery))
        return
    shape, field = _WORDS[name]
    said = read(delivery.body, shape)
    word = getattr(getattr(said, "object_attributes", said), field)
    yield Telling(f"{name}.{word}", delivery.body, _id(delivery))


def _id(delivery: Delivery) -> str | None:
    """GitLab's own, the same when it sends one again; None from versions that give none.

    Bodies without a time come twice as the same bytes: a flag that is on, off and on again. Under
    `gitlab-signing`, `webhook-id` always comes and is signed. `Idempotency-Key`, which is equal to
    it, counts only without that, thus under `gitlab-token`, which proves headers as well or as
    badly as it proves the body.
    """
    return delivery.header("webhook-id") or delivery.header("idempotency-key") or None


_TICKET: Final = Kind(code.Ticket, code.ticketed)
_MERGED: Final = Kind(merge.MergeRequest, merge.requested)
_CONSENTED: Final = Kind(merge.MergeRequest, merge.consented)
_RELEASED: Final = Kind(code.Release, code.released)
_FOUND: Final = Kind(code.Vulnerability, code.found)
_PIPELINE: Final = Kind(runs.Pipeline, runs.pipelined)
_JOB: Final = Kind(runs.Job, runs.worked)
_DEPLOYED: Final = Kind(deployments.Deployment, deployments.deployed)
_DECIDED: Final = Kind(deployments.DecidedDeployment, deployments.decided)
_GROUP: Final = Kind(people.Group, people.grouped)
_PROJECT: Final = Kind(people.ChangedProject, people.project_changed)
_MOVED: Final = Kind(people.MovedProject, people.project_moved)
_USER: Final = Kind(people.Account, people.user_changed)
_KEY: Final = Kind(people.Key, people.key_changed)

KINDS: Final[dict[str, Kind[Any]]] = {
    "push": Kind(code.Push, code.pushed),
    "tag_push": Kind(code.Push, code.pushed),
    "repository_update": Kind(code.RepositoryUpdate, code.repository_updated),
    "merge_request.open": _MERGED,
    "merge_request.close": _MERGED,
    "merge_request.reopen": _MERGED,
    "merge_request.merge": _MERGED,
    "merge_request.update": Kind(merge.Updated, merge.updated),
    "merge_request.approval": _CONSENTED,
    "merge_request.approved": _CONSENTED,
    "merge_request.unapproval": _CONSENTED,
    "merge_request.unapproved": _CONSENTED,
    "note.Commit": Kind(code.CommitNote, code.commit_remarked),
    "note.MergeRequest": Kind(code.MergeRequestNote, code.merge_request_remarked),
    **{
        f"{name}.{word}": _TICKET
        for name in ("issue", "work_item")
        for word in ("open", "close", "reopen", "update")
    },
    **{f"release.{word}": _RELEASED for word in ("create", "update", "delete")},
    **{
        f"vulnerability.{word}": _FOUND
        for word in ("detected", "confirmed", "dismissed", "resolved")
    },
    **{f"pipeline.{word}": _PIPELINE for word in runs.PIPELINES},
    **{f"build.{word}": _JOB for word in runs.JOBS},
    **{f"deployment.{word}": _DEPLOYED for word in deployments.DEPLOYMENTS},
    "deployment.approved": _DECIDED,
    "deployment.rejected": _DECIDED,
    "feature_flag": Kind(deployments.FeatureFlag, deployments.switched),
    **{name: Kind(people.GroupMember, people.member_of_group) for name in people.MEMBERS_OF_GROUPS},
    **{
        name: Kind(people.ProjectMember, people.member_of_project)
        for name in people.MEMBERS_OF_PROJECTS
    },
    "group_create": _GROUP,
    "group_destroy": _GROUP,
    "group_rename": Kind(people.RenamedGroup, people.group_renamed),
    "subgroup_create": _GROUP,
    "subgroup_destroy": _GROUP,
    "project_create": _PROJECT,
    "project_destroy": _PROJECT,
    "project_update": _PROJECT,
    "project_rename": _MOVED,
    "project_transfer": _MOVED,
    "user_create": _USER,
    "user_destroy": _USER,
    "user_rename": Kind(people.RenamedAccount, people.user_renamed),
    "user_failed_login": Kind(people.Account, people.sign_in_refused),
    "key_create": _KEY,
    "key_destroy": _KEY,
    "expiring_access_token": Kind(people.ExpiringToken, people.expiring),
    **{name: Kind(people.Promotion, people.promoted) for name in people.PROMOTIONS},
}

_WAITS: Final = "a job that does not wait for a runner yet; that it does is told when it does"
SET_ASIDE: Final = {
    "note.Issue": "a remark on an issue decides nothing that is deployed",
    "note.Snippet": "a snippet is not deployed",
    "emoji": "a reaction decides nothing",
    "wiki_page": "a wiki is not deployed",
    "milestone": "a milestone is a plan, not a change",
    "pipeline.canceling": "a pipeline that is being stopped; that it stopped is told, too",
    "pipeline.waiting_for_callback": "the pipeline runs elsewhere; that it goes on is told",
    "build.created": _WAITS,
    "build.manual": _WAITS,
    "build.scheduled": _WAITS,
    "build.waiting_for_callback": "the job runs elsewhere; that it goes on is told",
    "build.canceling": "a job that is being stopped; that it stopped is told, too",
}

_SETUP: Final = """\
1. In GitLab, open the group (Premium) or the project: Settings > Webhooks > Add new webhook. On a
   server of your own, Admin > System hooks tells of accounts and keys besides.
2. Name: {name}. URL: {url}
3. From GitLab 19.0 on: paste {secret} as Signing token. Before that: as Secret token, and let the
   connection be made by: deploytrail connection add gitlab NAME --credential gitlab-token
4. Trigger: push, tag push, comments, merge request, job, pipeline, deployment, feature flag,
   release, access token and vulnerability events; for a group also member, project and subgroup
   events; issues where they are your tickets. Of a system hook, either push and tag push events
   or repository update events: both tell of the same pushes.
5. Leave SSL verification on, add the webhook, and choose Test > Push events.
"""

SOURCE: Final = Source(
    name="gitlab",
    title="GitLab",
    page="https://docs.gitlab.com/user/project/integrations/webhook_events/",
    schemes=(SCHEMES["gitlab-signing"], SCHEMES["gitlab-token"]),
    tell=_tell,
    kinds=KINDS,
    set_aside=SET_ASIDE,
    setup=_SETUP,
)
