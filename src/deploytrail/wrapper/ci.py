"""What a CI system says of the job that we run in, from its variables.

Pure. All of it is claimed (assurance 0): anybody can set a variable. The table has one row per
system; a row names variables, or templates of them that are absent unless all are set.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from deploytrail.event import Actor, Auth, Client, Trigger
from deploytrail.wrapper.git import repository_name

_NAME: Final = re.compile(r"\{(\w+)\}")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,5}")


class CiContext(Struct, frozen=True, kw_only=True):
    """What the job claims about itself."""

    system: str
    on_behalf_of: Actor | None = None
    client: Client | None = None
    trigger: Trigger | None = None
    run: str | None = None
    commit: str | None = None
    repository: str | None = None
    ref: str | None = None
    change_request: str | None = None
    attempt: int | None = None


class System(Struct, frozen=True, kw_only=True):
    """One CI system: `sign` is the variable that tells it, the others are templates.

    Of several templates the first that is complete counts. `triggers` translates the value of
    the variable `trigger`.
    """

    name: str
    sign: str
    actor: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    commit: tuple[str, ...] = ()
    repository: tuple[str, ...] = ()
    ref: tuple[str, ...] = ()
    change_request: tuple[str, ...] = ()
    runner: tuple[str, ...] = ()
    attempt: tuple[str, ...] = ()
    trigger: str = ""
    triggers: Mapping[str, Trigger] = {}


SYSTEMS: Final = (
    # docs.github.com/actions/reference/variables-reference
    System(
        name="github",
        sign="GITHUB_ACTIONS",
        actor=("{GITHUB_TRIGGERING_ACTOR}", "{GITHUB_ACTOR}"),
        run=("github:{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}",),
        commit=("{GITHUB_SHA}",),
        repository=("{GITHUB_REPOSITORY}",),
        ref=("{GITHUB_HEAD_REF}", "{GITHUB_REF}"),
        change_request=("{GITHUB_REPOSITORY}#{pull}",),
        runner=("{RUNNER_NAME}",),
        attempt=("{GITHUB_RUN_ATTEMPT}",),
        trigger="GITHUB_EVENT_NAME",
        triggers={
            "push": "webhook",
            "pull_request": "webhook",
            "pull_request_target": "webhook",
            "merge_group": "webhook",
            "release": "webhook",
            "deployment": "webhook",
            "schedule": "schedule",
            "workflow_dispatch": "human",
            "repository_dispatch": "upstream",
            "workflow_run": "upstream",
        },
    ),
    # docs.gitlab.com/ci/variables/predefined_variables
    System(
        name="gitlab",
        sign="GITLAB_CI",
        actor=("{GITLAB_USER_LOGIN}",),
        run=("gitlab:{CI_PROJECT_PATH}/pipelines/{CI_PIPELINE_ID}",),
        commit=("{CI_COMMIT_SHA}",),
        repository=("{CI_PROJECT_PATH}",),
        ref=("{CI_MERGE_REQUEST_SOURCE_BRANCH_NAME}", "{CI_COMMIT_REF_NAME}"),
        change_request=("{CI_PROJECT_PATH}!{CI_MERGE_REQUEST_IID}",),
        runner=("{CI_RUNNER_DESCRIPTION}", "{CI_RUNNER_ID}"),
        trigger="CI_PIPELINE_SOURCE",
        triggers={
            "push": "webhook",
            "merge_request_event": "webhook",
            "external_pull_request_event": "webhook",
            "schedule": "schedule",
            "web": "human",
            "chat": "human",
            "webide": "human",
            "api": "upstream",
            "trigger": "upstream",
            "pipeline": "upstream",
            "parent_pipeline": "upstream",
        },
    ),
    # learn.microsoft.com/azure/devops/pipelines/build/variables
    System(
        name="azure",
        sign="TF_BUILD",
        actor=("{BUILD_REQUESTEDFOREMAIL}", "{BUILD_REQUESTEDFOR}"),
        run=("azure:{SYSTEM_TEAMPROJECT}/builds/{BUILD_BUILDID}",),
        commit=("{BUILD_SOURCEVERSION}",),
        repository=("{BUILD_REPOSITORY_NAME}",),
        ref=("{SYSTEM_PULLREQUEST_SOURCEBRANCH}", "{BUILD_SOURCEBRANCH}"),
        change_request=("{BUILD_REPOSITORY_NAME}!{SYSTEM_PULLREQUEST_PULLREQUESTID}",),
        runner=("{AGENT_NAME}",),
        attempt=("{SYSTEM_JOBATTEMPT}",),
        trigger="BUILD_REASON",
        triggers={
            "IndividualCI": "webhook",
            "BatchedCI": "webhook",
            "PullRequest": "webhook",
            "Manual": "human",
            "Schedule": "schedule",
            "BuildCompletion": "upstream",
            "ResourceTrigger": "upstream",
        },
    ),
    # buildkite.com/docs/pipelines/configure/environment-variables
    System(
        name="buildkite",
        sign="BUILDKITE",
        actor=("{BUILDKITE_BUILD_CREATOR_EMAIL}", "{BUILDKITE_BUILD_CREATOR}"),
        run=(
            "buildkite:{BUILDKITE_ORGANIZATION_SLUG}/{BUILDKITE_PIPELINE_SLUG}"
            "/builds/{BUILDKITE_BUILD_NUMBER}",
        ),
        commit=("{BUILDKITE_COMMIT}",),
        repository=("{BUILDKITE_REPO}",),
        ref=("{BUILDKITE_BRANCH}",),
        change_request=("{repository}#{BUILDKITE_PULL_REQUEST}",),
        runner=("{BUILDKITE_AGENT_NAME}",),
        trigger="BUILDKITE_SOURCE",
        triggers={
            "ui": "human",
            "webhook": "webhook",
            "api": "upstream",
            "trigger_job": "upstream",
            "schedule": "schedule",
        },
    ),
    # circleci.com/docs/variables
    System(
        name="circleci",
        sign="CIRCLECI",
        actor=("{CIRCLE_USERNAME}", "{CIRCLE_PR_USERNAME}"),
        run=("circleci:{CIRCLE_WORKFLOW_ID}",),
        commit=("{CIRCLE_SHA1}",),
        repository=("{CIRCLE_PROJECT_USERNAME}/{CIRCLE_PROJECT_REPONAME}",),
        ref=("{CIRCLE_BRANCH}", "{CIRCLE_TAG}"),
        change_request=("{repository}#{CIRCLE_PR_NUMBER}",),
        trigger="",
    ),
    # jenkins.io/doc/book/pipeline/jenkinsfile, and the plugins git, branch-api and build-user-vars
    System(
        name="jenkins",
        sign="JENKINS_URL",
        actor=("{BUILD_USER_ID}", "{CHANGE_AUTHOR}"),
        run=("jenkins:{JOB_NAME}/{BUILD_NUMBER}",),
        commit=("{GIT_COMMIT}",),
        repository=("{GIT_URL}",),
        ref=("{CHANGE_BRANCH}", "{GIT_BRANCH}", "{BRANCH_NAME}"),
        change_request=("{repository}#{CHANGE_ID}",),
        runner=("{NODE_NAME}",),
    ),
)


def ci_context(environ: Mapping[str, str]) -> CiContext | None:
    """What the first system of the table whose sign is set claims, or None outside of CI."""
    for system in SYSTEMS:
        if environ.get(system.sign, "").lower() not in ("", "false"):
            return _context(system, environ)
    return None


def _context(system: System, environ: Mapping[str, str]) -> CiContext:
    known = {name: value for name, value in environ.items() if value not in ("", "false")}
    repository = _first(system.repository, known)
    if repository is not None and ":" in repository:
        # Some systems give the remote's URL, which may hold credentials.
        repository = repository_name(repository)
    if repository is not None:
        known["repository"] = repository
    pull = re.fullmatch(r"refs/pull/([0-9]+)/\w+", known.get("GITHUB_REF", ""))
    if pull is not None:
        known["pull"] = pull[1]
    actor, runner = _first(system.actor, known), _first(system.runner, known)
    attempt = _first(system.attempt, known) or ""
    return CiContext(
        system=system.name,
        on_behalf_of=_claimed(f"{system.name}:{actor}") if actor else None,
        client=Client(runner=runner[:512]) if runner else None,
        trigger=system.triggers.get(known.get(system.trigger, "")),
        run=_first(system.run, known),
        commit=_first(system.commit, known),
        repository=repository,
        ref=_first(system.ref, known),
        change_request=_first(system.change_request, known),
        attempt=int(attempt) if _NUMBER.fullmatch(attempt) else None,
    )


def _first(templates: tuple[str, ...], known: Mapping[str, str]) -> str | None:
    for template in templates:
        if all(name in known for name in _NAME.findall(template)):
            return _NAME.sub(lambda found: known[found[1]], template)
    return None


def _claimed(actor: str) -> Actor:
    return Actor(type="user", id=actor[:512], auth=Auth(method="ci_variables", assurance=0))
