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

# Compiled at the first use: outside of CI, nobody waits for that.
_NAME: Final = r"\{(\w+)\}"
_NUMBER: Final = r"[0-9]{1,6}"
_COMMIT: Final = r"[0-9a-f]{40}|[0-9a-f]{64}"
_GITHUB_PULL: Final = r"refs/pull/([0-9]+)/\w+"
_PULL_URL: Final = r"https?://[^/?#]+/([^@?#]+?)/(?:pull|pull-requests|-/merge_requests)/([0-9]+)"


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
    """One CI system: `signs` are the variables that tell it, the others are templates.

    Of several templates the first that is complete counts. `triggers` translates the value of
    the variable `trigger`; where the variable `by_hand` is set, a person started the job.
    `attempt` counts from 1, `retries` from 0.
    """

    name: str
    signs: tuple[str, ...]
    actor: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    commit: tuple[str, ...] = ()
    repository: tuple[str, ...] = ()
    ref: tuple[str, ...] = ()
    change_request: tuple[str, ...] = ()
    runner: tuple[str, ...] = ()
    attempt: tuple[str, ...] = ()
    retries: tuple[str, ...] = ()
    trigger: str = ""
    by_hand: str = ""
    triggers: Mapping[str, Trigger] = {}


SYSTEMS: Final = (
    # GitHub Docs, "Variables reference" and "Events that trigger workflows". Of a pull request,
    # GITHUB_SHA is the commit of a trial merge.
    System(
        name="github",
        signs=("GITHUB_ACTIONS",),
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
    # GitLab Docs, "Predefined CI/CD variables reference" and "Specify when jobs run with rules".
    # GITLAB_USER_LOGIN is who started the pipeline, or of a manual job, the job.
    System(
        name="gitlab",
        signs=("GITLAB_CI",),
        actor=("{GITLAB_USER_LOGIN}",),
        run=("gitlab:{CI_PROJECT_PATH}/pipelines/{CI_PIPELINE_ID}",),
        commit=("{CI_COMMIT_SHA}",),
        repository=("{CI_PROJECT_PATH}",),
        ref=(
            "{CI_MERGE_REQUEST_SOURCE_BRANCH_NAME}",
            "{CI_EXTERNAL_PULL_REQUEST_SOURCE_BRANCH_NAME}",
            "{CI_COMMIT_REF_NAME}",
        ),
        # The pipeline of a fork's merge request may run in the fork.
        change_request=(
            "{CI_MERGE_REQUEST_PROJECT_PATH}!{CI_MERGE_REQUEST_IID}",
            "{CI_EXTERNAL_PULL_REQUEST_TARGET_REPOSITORY}#{CI_EXTERNAL_PULL_REQUEST_IID}",
        ),
        runner=("{CI_RUNNER_DESCRIPTION}", "{CI_RUNNER_ID}"),
        trigger="CI_PIPELINE_SOURCE",
        by_hand="CI_JOB_MANUAL",
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
    # Azure Pipelines, "Use predefined variables".
    System(
        name="azure",
        signs=("TF_BUILD",),
        actor=("{BUILD_REQUESTEDFOREMAIL}", "{BUILD_REQUESTEDFOR}"),
        run=("azure:{SYSTEM_TEAMPROJECT}/builds/{BUILD_BUILDID}",),
        commit=("{BUILD_SOURCEVERSION}",),
        repository=("{BUILD_REPOSITORY_NAME}",),
        ref=("{SYSTEM_PULLREQUEST_SOURCEBRANCH}", "{BUILD_SOURCEBRANCH}"),
        # GitHub's pull requests have a number besides the id.
        change_request=(
            "{BUILD_REPOSITORY_NAME}#{SYSTEM_PULLREQUEST_PULLREQUESTNUMBER}",
            "{BUILD_REPOSITORY_NAME}!{SYSTEM_PULLREQUEST_PULLREQUESTID}",
        ),
        runner=("{AGENT_NAME}",),
        attempt=("{SYSTEM_JOBATTEMPT}",),
        trigger="BUILD_REASON",
        triggers={
            "IndividualCI": "webhook",
            "BatchedCI": "webhook",
            "PullRequest": "webhook",
            "CheckInShelveset": "webhook",
            "Manual": "human",
            "ValidateShelveset": "human",
            "Schedule": "schedule",
            "BuildCompletion": "upstream",
            "ResourceTrigger": "upstream",
        },
    ),
    # Buildkite Docs, "Environment variables". Who is the creator of a build that a push made, the
    # commit says; BUILDKITE_COMMIT may be the word HEAD.
    System(
        name="buildkite",
        signs=("BUILDKITE",),
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
        retries=("{BUILDKITE_RETRY_COUNT}",),
        trigger="BUILDKITE_SOURCE",
        triggers={
            "ui": "human",
            "webhook": "webhook",
            "api": "upstream",
            "trigger_job": "upstream",
            "schedule": "schedule",
        },
    ),
    # CircleCI Docs, "Project values and variables". CIRCLE_PR_USERNAME is left out: it says who
    # opened a pull request, not who started anything. CIRCLE_PR_NUMBER is only there for forks.
    System(
        name="circleci",
        signs=("CIRCLECI",),
        actor=("{CIRCLE_USERNAME}",),
        run=("circleci:{CIRCLE_WORKFLOW_ID}",),
        commit=("{CIRCLE_SHA1}",),
        repository=(
            "{CIRCLE_PROJECT_USERNAME}/{CIRCLE_PROJECT_REPONAME}",
            "{CIRCLE_REPOSITORY_URL}",
        ),
        ref=("{CIRCLE_BRANCH}", "{CIRCLE_TAG}"),
        change_request=("{pull_url}", "{repository}#{CIRCLE_PR_NUMBER}"),
    ),
    # Jenkins, "Using a Jenkinsfile" and the page /env-vars.html of each controller, which lists
    # what its plugins git, branch-api and build-user-vars add. JENKINS_URL is only there where an
    # administrator has set it. CHANGE_AUTHOR is left out: it says who wrote, not who started.
    System(
        name="jenkins",
        signs=("JENKINS_URL", "HUDSON_HOME"),
        actor=("{BUILD_USER_ID}",),
        run=("jenkins:{JOB_NAME}/{BUILD_NUMBER}",),
        commit=("{GIT_COMMIT}",),
        repository=("{GIT_URL}",),
        ref=("{CHANGE_BRANCH}", "{BRANCH_NAME}", "{GIT_BRANCH}"),
        change_request=("{repository}#{CHANGE_ID}",),
        runner=("{NODE_NAME}",),
    ),
)


def ci_context(environ: Mapping[str, str]) -> CiContext | None:
    """What the first system of the table with a sign that is set claims, or None outside of CI."""
    for system in SYSTEMS:
        if any(environ.get(sign, "").lower() not in ("", "false") for sign in system.signs):
            return _context(system, _known(system, environ))
    return None


def _known(system: System, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that say something, and what can be read off them."""
    known = {name: value for name, value in environ.items() if value not in ("", "false")}
    repository = _first(system.repository, known)
    if repository is not None and re.search(r"[:@?#\\]|^[/.~]", repository):
        # Some systems give the remote's URL, which may hold credentials.
        repository = repository_name(repository)
    if repository is not None:
        known["repository"] = repository
    if pull := re.fullmatch(_GITHUB_PULL, known.get("GITHUB_REF", "")):
        known["pull"] = pull[1]
    if pull := re.fullmatch(_PULL_URL, known.get("CIRCLE_PULL_REQUEST", "")):
        known["pull_url"] = f"{pull[1]}#{pull[2]}"
    return known


def _context(system: System, known: Mapping[str, str]) -> CiContext:
    actor, runner = _first(system.actor, known), _first(system.runner, known)
    commit = _first(system.commit, known) or ""
    trigger = system.triggers.get(known.get(system.trigger, ""))
    return CiContext(
        system=system.name,
        on_behalf_of=_claimed(f"{system.name}:{actor}") if actor else None,
        client=Client(runner=runner[:512]) if runner else None,
        trigger="human" if system.by_hand in known else trigger,
        run=_first(system.run, known),
        commit=commit if re.fullmatch(_COMMIT, commit) else None,
        repository=known.get("repository"),
        ref=_first(system.ref, known),
        change_request=_first(system.change_request, known),
        attempt=_attempt(system, known),
    )


def _attempt(system: System, known: Mapping[str, str]) -> int | None:
    attempt, retries = _first(system.attempt, known), _first(system.retries, known)
    if retries is not None and re.fullmatch(_NUMBER, retries):
        return int(retries) + 1
    if attempt is not None and re.fullmatch(_NUMBER, attempt):
        return int(attempt) or None
    return None


def _first(templates: tuple[str, ...], known: Mapping[str, str]) -> str | None:
    for template in templates:
        if all(name in known for name in re.findall(_NAME, template)):
            return re.sub(_NAME, lambda found: known[found[1]], template)
    return None


def _claimed(actor: str) -> Actor:
    return Actor(type="user", id=actor[:512], auth=Auth(method="ci_variables", assurance=0))
