"""What CI systems claim."""

from __future__ import annotations

import pytest

from deploytrail.wrapper.ci import CiContext, ci_context

JOBS = {
    "github": {
        "GITHUB_ACTIONS": "true",
        "GITHUB_REPOSITORY": "acme/infra",
        "GITHUB_RUN_ID": "77",
        "GITHUB_RUN_ATTEMPT": "2",
        "GITHUB_SHA": "a" * 40,
        "GITHUB_REF": "refs/pull/12/merge",
        "GITHUB_HEAD_REF": "wider-subnet",
        "GITHUB_ACTOR": "alice",
        "GITHUB_EVENT_NAME": "workflow_dispatch",
        "RUNNER_NAME": "runner-1",
    },
    "gitlab": {
        "GITLAB_CI": "true",
        "CI_PROJECT_PATH": "acme/infra",
        "CI_PIPELINE_ID": "77",
        "CI_COMMIT_SHA": "a" * 40,
        "CI_COMMIT_REF_NAME": "wider-subnet",
        "CI_MERGE_REQUEST_PROJECT_PATH": "acme/infra",
        "CI_MERGE_REQUEST_IID": "12",
        "GITLAB_USER_LOGIN": "alice",
        "CI_PIPELINE_SOURCE": "web",
        "CI_RUNNER_DESCRIPTION": "runner-1",
    },
    "azure": {
        "TF_BUILD": "True",
        "SYSTEM_TEAMPROJECT": "shop",
        "BUILD_BUILDID": "77",
        "BUILD_SOURCEVERSION": "a" * 40,
        "BUILD_REPOSITORY_NAME": "acme/infra",
        "SYSTEM_PULLREQUEST_SOURCEBRANCH": "wider-subnet",
        "SYSTEM_PULLREQUEST_PULLREQUESTID": "12",
        "BUILD_REQUESTEDFOREMAIL": "alice",
        "BUILD_REASON": "Manual",
        "AGENT_NAME": "runner-1",
    },
    "buildkite": {
        "BUILDKITE": "true",
        "BUILDKITE_ORGANIZATION_SLUG": "acme",
        "BUILDKITE_PIPELINE_SLUG": "infra",
        "BUILDKITE_BUILD_NUMBER": "77",
        "BUILDKITE_COMMIT": "a" * 40,
        "BUILDKITE_REPO": "git@github.com:acme/infra.git",
        "BUILDKITE_BRANCH": "wider-subnet",
        "BUILDKITE_PULL_REQUEST": "12",
        "BUILDKITE_BUILD_CREATOR": "alice",
        "BUILDKITE_SOURCE": "ui",
        "BUILDKITE_AGENT_NAME": "runner-1",
    },
    "circleci": {
        "CIRCLECI": "true",
        "CIRCLE_WORKFLOW_ID": "77",
        "CIRCLE_SHA1": "a" * 40,
        "CIRCLE_PROJECT_USERNAME": "acme",
        "CIRCLE_PROJECT_REPONAME": "infra",
        "CIRCLE_BRANCH": "wider-subnet",
        "CIRCLE_PR_NUMBER": "12",
        "CIRCLE_USERNAME": "alice",
    },
    "jenkins": {
        "JENKINS_URL": "https://ci.example.test/",
        "JOB_NAME": "infra",
        "BUILD_NUMBER": "77",
        "GIT_COMMIT": "a" * 40,
        "GIT_URL": "https://alice:hunter2@git.example.test/acme/infra.git",
        "CHANGE_BRANCH": "wider-subnet",
        "CHANGE_ID": "12",
        "BUILD_USER_ID": "alice",
        "NODE_NAME": "runner-1",
    },
}


def claimed(name: str, **more: str) -> CiContext:
    found = ci_context(JOBS[name] | more)
    assert found is not None
    return found


@pytest.mark.parametrize("name", JOBS)
def test_a_job_tells_where_it_belongs(name: str) -> None:
    found = claimed(name)
    assert found.system == name
    assert found.run is not None
    assert "77" in found.run
    assert (found.commit, found.repository, found.ref) == ("a" * 40, "acme/infra", "wider-subnet")
    assert found.change_request in ("acme/infra#12", "acme/infra!12")


@pytest.mark.parametrize("name", JOBS)
def test_whom_a_job_names_is_only_claimed(name: str) -> None:
    actor = claimed(name).on_behalf_of
    assert actor is not None
    assert actor.auth is not None
    assert (actor.id, actor.auth.assurance) == (f"{name}:alice", 0)


@pytest.mark.parametrize("name", sorted(JOBS.keys() - {"circleci", "jenkins"}))
def test_a_job_started_by_hand_was_triggered_by_a_human(name: str) -> None:
    assert claimed(name).trigger == "human"


def test_a_schedule_is_no_human() -> None:
    assert claimed("github", GITHUB_EVENT_NAME="schedule").trigger == "schedule"


def test_an_unknown_trigger_is_not_guessed() -> None:
    assert claimed("github", GITHUB_EVENT_NAME="newfangled").trigger is None


def test_a_build_without_change_request_names_none() -> None:
    assert claimed("buildkite", BUILDKITE_PULL_REQUEST="false").change_request is None
    assert claimed("github", GITHUB_REF="refs/heads/main").change_request is None


def test_an_attempt_that_is_no_number_is_left_out() -> None:
    assert claimed("github").attempt == 2
    assert claimed("github", GITHUB_RUN_ATTEMPT="\u0663").attempt is None


def test_retries_are_counted_from_nothing() -> None:
    assert claimed("buildkite", BUILDKITE_RETRY_COUNT="0").attempt == 1
    assert claimed("buildkite", BUILDKITE_RETRY_COUNT="2").attempt == 3


def test_a_commit_that_is_a_name_is_left_out() -> None:
    assert claimed("buildkite", BUILDKITE_COMMIT="HEAD").commit is None


def test_a_job_of_a_pipeline_that_was_started_by_hand_has_a_human_behind_it() -> None:
    found = claimed("gitlab", CI_PIPELINE_SOURCE="push", CI_JOB_MANUAL="true")
    assert found.trigger == "human"
    assert claimed("gitlab", CI_PIPELINE_SOURCE="push").trigger == "webhook"


def test_a_change_request_belongs_to_the_project_that_it_is_made_to() -> None:
    fork = {"CI_PROJECT_PATH": "bob/infra", "CI_MERGE_REQUEST_PROJECT_PATH": "acme/infra"}
    assert claimed("gitlab", **fork).change_request == "acme/infra!12"


def test_a_pull_request_is_read_off_its_address() -> None:
    address = "https://github.com/acme/infra/pull/34"
    assert claimed("circleci", CIRCLE_PULL_REQUEST=address).change_request == "acme/infra#34"


@pytest.mark.parametrize(
    ("name", "author"), [("jenkins", "CHANGE_AUTHOR"), ("circleci", "CIRCLE_PR_USERNAME")]
)
def test_who_wrote_a_change_did_not_start_the_job(name: str, author: str) -> None:
    found = claimed(name, BUILD_USER_ID="", CIRCLE_USERNAME="", **{author: "mallory"})
    assert found.on_behalf_of is None


def test_credentials_of_a_remote_are_left_out() -> None:
    assert "hunter2" not in str(claimed("jenkins"))


def test_outside_of_ci_nothing_is_claimed() -> None:
    assert ci_context({"GITHUB_REPOSITORY": "acme/infra", "CI": "true"}) is None
    assert ci_context({"GITHUB_ACTIONS": "false"}) is None


@pytest.mark.parametrize(
    "url",
    [
        "alice@hunter2/acme/infra",
        "https://alice:hun/hunter2@git.example.test/acme",
        "https://git.example.test/acme/infra?private_token=a@hunter2/x",
        "/srv/hunter2",
    ],
)
def test_of_an_odd_url_nothing_is_told(url: str) -> None:
    environ = {"JENKINS_URL": "https://ci.example.test/", "GIT_URL": url, "CHANGE_ID": "7"}
    assert "hunter2" not in repr(ci_context(environ))
