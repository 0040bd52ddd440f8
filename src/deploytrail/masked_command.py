"""A command's arguments and environment without the values that may be secret.

Pure, and by allow-list: what isn't known to be harmless is not shown, whatever it looks like.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from deploytrail.redact import HIDDEN, mask


def mask_arguments(argv: Sequence[str]) -> tuple[str, ...]:
    """The arguments of a command, its name first, with every value masked that may be a secret.

    A flag that is listed for the tool, or for all, is shown with its value, or with the word after
    it. Any other flag is shown without: the word after it, or after its `=`, becomes
    `[masked:value]`. A flag that assigns (`-var name=value`) shows the name; so does a word
    `NAME=value`. Other words are shown. What is shown passes `mask`. As many words as came in.
    """
    return tuple(_masked_words(argv))


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What follows these, or stands behind their `=`, is no secret: places, names, sizes, switches.
_SHOWN: Final = _words(
    """
    all atomic auto-approve autoapprove C chart check cluster config config-file context debug diff
    dir directory dry-run env environment f file filename force format h help image install j jobs
    json kube-context kubeconfig label-columns labels limit log-level loglevel n namespace no-color
    no-input non-interactive o out output parallel parallelism password-stdin path profile progress
    project prune q quiet recursive refresh region release replicas retries revision selector
    server-side silent stack stdin tag tags target targets timeout v verbose version vv vvv wait
    watch workspace y yes
    """
)
_SHOWN_BY_TOOL: Final[Mapping[str, frozenset[str]]] = {
    tool: _words(flags)
    for tools, flags in {
        "terraform tofu terragrunt": """
            allow-deferral allow-missing backend backup chdir compact-warnings concise destroy
            detailed-exitcode exclude force-copy from-module fs-mirror generate-config-out get id
            ignore-remote-version input list lock lock-timeout lockfile migrate-state module-depth
            net-mirror platform plugin-dir raw reconfigure refresh-only replace show-sensitive
            state state-out target-file test-directory upgrade var-file working-dir write
            terragrunt-config terragrunt-log-level terragrunt-non-interactive
            terragrunt-working-dir""",
        "kubectl oc kustomize": """
            A R i l w all-namespaces cascade container containers field-manager field-selector
            force-conflicts grace-period ignore-not-found it k kustomize local overwrite
            prune-allowlist record show-labels sort-by subresource to-revision type validate""",
        "helm helmfile": """
            api-versions a cleanup-on-fail create-namespace dependency-update devel
            disable-openapi-validation history-max no-hooks repo reset-then-reuse-values
            reset-values reuse-values rollback-on-failure skip-crds take-ownership values verify
            wait-for-jobs""",
        "ansible ansible-playbook ansible-pull": """
            B K P U D b i l become become-method become-user connection flush-cache force-handlers
            forks inventory k key-file list-hosts list-tags list-tasks m module-name
            module-path private-key skip-tags start-at-task step syntax-check u user
            vault-id vault-password-file""",
        "pulumi": """
            cwd d exclude expect-no-changes plaintext r replace s secret skip-preview
            suppress-outputs""",
        "docker podman buildah": "i a build-context no-cache platform pull push rm d it w",
        "git": "a b branch depth m no-edit no-verify rebase tags u",
        "aws gcloud az": "account g location output query resource-group stack-name",
        "argocd flux": "app-namespace grpc-web health kind operation resource source sync",
        "make": "B k",
    }.items()
    for tool in tools.split()
}
_ASSIGNING: Final = _words(
    """
    var backend-config set set-string set-json set-literal extra-vars e env build-arg label
    from-literal D parameter-overrides plugin-option
    """
)
# Names that tell a place whoever is called; `key` and `path` do so of a backend only.
_SHOWN_NAMES: Final = _words("env environment region workspace")
_SHOWN_OF_BACKEND: Final = _words(
    """
    address app application bucket cluster container_name debug dynamodb_table encrypt endpoint env
    environment hostname image_tag key namespace organization path prefix project region release
    resource_group_name stack stage storage_account_name tag tf_workspace use_lockfile verbose
    version workspace workspace_key_prefix
    """
)
_SHOWN_BY_FLAG: Final[Mapping[str, frozenset[str]]] = {
    "backend-config": _SHOWN_OF_BACKEND,
    # What is written into a secret.
    "from-literal": frozenset(),
}
_SHELLS: Final = frozenset({"sh", "bash", "dash", "zsh", "ksh", "busybox"})
_SWITCH: Final = frozenset({"true", "false", "yes", "no", "on", "off", "auto", "none"})
_ENDS_OF_SECRETS: Final = (
    *("PASSWORD", "PASSWD", "PASSPHRASE", "PASS", "PWD", "TOKEN", "SECRET"),
    *("API_KEY", "APIKEY", "ACCESS_KEY"),
)
_name: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.\[\]-]{0,127}+").fullmatch
_bundle: Final = re.compile(r"-(?:[A-Za-z]{1,3}|[jlvO]\d{1,4})").fullmatch


def _masked_words(argv: Sequence[str]) -> Iterator[str]:
    tool = ""
    before = ""  # The flag that the next word may be the value of.
    is_named = False  # `setenv PGPASSWORD value`: the word before is a secret's variable.
    since_set = 0  # `pulumi config set name value`: 1 at `set`, 2 at the name, then values.
    for at, word in enumerate(argv):
        if word.startswith("-") and word != "-":
            before, shown = _flag(word, tool)
            is_named = False
            yield shown
            continue
        since_set += 1 if since_set or word == "set" else 0
        if before and not _is_shown(before, tool):
            yield _value(before, word, tool)
        elif since_set > 2 or is_named:
            yield HIDDEN
        else:
            base = word.rpartition("/")[2]
            # `sudo terraform apply`: from here on, the flags are those of terraform.
            tool = base if at == 0 or base in _SHOWN_BY_TOOL or base in _SHELLS else tool
            # A whole line as the name of a command is found nowhere, but is told.
            yield _script(word) if at == 0 and " " in word.strip() else _word(word)
        before, is_named = "", _is_secrets_name(word)


def _is_secrets_name(word: str) -> bool:
    """Whether a word is the name of a variable for a secret, by its end."""
    return word.endswith(_ENDS_OF_SECRETS) and word.replace("_", "").isalnum()


def _flag(word: str, tool: str) -> tuple[str, str]:
    """The name of the flag whose value is still to come, or "", and the word as it is shown."""
    dashes = "--" if word.startswith("--") else "-"
    name, equals, value = word.removeprefix(dashes).partition("=")
    if word == "--":
        return "", word
    if equals and _name(name):
        shown = _is_shown(name, tool) or value in _SWITCH
        return "", f"{dashes}{name}={mask(value) if shown else _value(name, value, tool)}"
    if _is_shown(name, tool) or _bundle(word) or (_name(name) and dashes == "--"):
        return name, mask(word)
    if _name(name) and (name in _ASSIGNING or (name.isalpha() and tool in _SINGLE_DASH)):
        return name, word
    # `-phunter2`, `-DtoKen`: a letter, and its value behind it.
    return "", f"{word[:2]}{HIDDEN}"


_SINGLE_DASH: Final = frozenset({"terraform", "tofu", "terragrunt", "java", "go"})
"""Tools whose long flags have one dash; with others `-password` may be `-p assword`."""


def _is_shown(flag: str, tool: str) -> bool:
    if flag in _ASSIGNING:
        return False
    return flag in _SHOWN or flag in _SHOWN_BY_TOOL.get(tool, ())


def _value(flag: str, value: str, tool: str) -> str:
    """The value of a flag that is not simply shown."""
    if flag in _ASSIGNING:
        name, equals, _ = value.partition("=")
        if equals and _name(name):
            return _assigned(value, _SHOWN_BY_FLAG.get(flag, _SHOWN_NAMES))
        # `-e @vars.yml`, `-backend-config=prod.hcl`: a file, not a value.
        is_file = value.startswith("@") or flag == "backend-config"
        return mask(value) if is_file and not equals else HIDDEN
    if flag.endswith("c") and tool in _SHELLS:
        return _script(value)
    return HIDDEN


def is_shown_name(name: str) -> bool:
    """Whether an assignment to this name is shown with its value, whatever tool it is for."""
    return name.lower() in _SHOWN_NAMES


def _word(word: str) -> str:
    name, equals, _ = word.partition("=")
    return _assigned(word, _SHOWN_NAMES) if equals and _name(name) else mask(word)


def _assigned(word: str, shown_names: frozenset[str]) -> str:
    """`name=value`, with its value for the names that are shown."""
    name, _, value = word.partition("=")
    is_shown = name.lower() in shown_names or value.lower() in _SWITCH
    return mask(word) if is_shown else f"{name}={HIDDEN}"


def _script(text: str) -> str:
    """The script of `sh -c` in one line, its words masked as arguments."""
    import shlex

    try:
        return " ".join(mask_arguments(shlex.split(text)))
    except ValueError:
        return HIDDEN


def mask_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of an environment that may be shown, sorted by name; names are ASCII.

    By allow-list: the context of a CI job, where a tool works, never what opens anything.
    `TF_CLI_ARGS*` are masked as arguments; of `TF_VAR_*` the name is shown, never the value.
    """
    return {
        name: _variable(name, environ[name])
        for name in sorted(environ)
        if name.isascii() and (name in _VARIABLES or name.startswith(("TF_VAR_", "TF_CLI_ARGS")))
    }


def _variable(name: str, value: str) -> str:
    if name.startswith("TF_VAR_"):
        return HIDDEN
    if name.startswith("TF_CLI_ARGS"):
        return _script(f"terraform {value}").removeprefix("terraform").strip()
    return mask(value)


_VARIABLES: Final = _words(
    """
    CI AWS_PROFILE AWS_REGION AWS_DEFAULT_REGION GOOGLE_CLOUD_PROJECT CLOUDSDK_CORE_PROJECT
    ARM_SUBSCRIPTION_ID ARM_TENANT_ID ARM_ENVIRONMENT KUBECONFIG KUBE_CONTEXT HELM_NAMESPACE
    HELM_KUBECONTEXT ANSIBLE_INVENTORY ANSIBLE_CONFIG PULUMI_STACK
    TF_WORKSPACE TF_IN_AUTOMATION TF_DATA_DIR TF_INPUT TF_LOG TF_CLI_CONFIG_FILE
    TF_PLUGIN_CACHE_DIR TF_CLOUD_ORGANIZATION TF_CLOUD_HOSTNAME TF_CLOUD_PROJECT
    DEPLOYTRAIL_PROJECT DEPLOYTRAIL_UNIT DEPLOYTRAIL_ENVIRONMENT DEPLOYTRAIL_MODE
    DEPLOYTRAIL_DEPLOYMENT
    GITHUB_ACTIONS GITHUB_ACTION GITHUB_ACTOR GITHUB_ACTOR_ID GITHUB_BASE_REF GITHUB_EVENT_NAME
    GITHUB_HEAD_REF GITHUB_JOB GITHUB_REF GITHUB_REF_NAME GITHUB_REF_PROTECTED GITHUB_REF_TYPE
    GITHUB_REPOSITORY GITHUB_REPOSITORY_ID GITHUB_RUN_ATTEMPT GITHUB_RUN_ID GITHUB_RUN_NUMBER
    GITHUB_SERVER_URL GITHUB_SHA GITHUB_TRIGGERING_ACTOR GITHUB_WORKFLOW GITHUB_WORKFLOW_REF
    GITHUB_WORKFLOW_SHA RUNNER_ARCH RUNNER_ENVIRONMENT RUNNER_NAME RUNNER_OS
    GITLAB_CI GITLAB_USER_ID GITLAB_USER_LOGIN CI_COMMIT_BRANCH CI_COMMIT_REF_NAME
    CI_COMMIT_REF_PROTECTED CI_COMMIT_SHA CI_COMMIT_TAG CI_ENVIRONMENT_NAME CI_ENVIRONMENT_TIER
    CI_JOB_ID CI_JOB_NAME CI_JOB_STAGE CI_JOB_URL CI_MERGE_REQUEST_IID CI_PIPELINE_ID
    CI_PIPELINE_SOURCE CI_PIPELINE_URL CI_PROJECT_ID CI_PROJECT_PATH CI_RUNNER_ID CI_SERVER_URL
    JENKINS_URL BRANCH_NAME BUILD_ID BUILD_NUMBER BUILD_URL CHANGE_ID CHANGE_TARGET GIT_BRANCH
    GIT_COMMIT JOB_NAME NODE_NAME STAGE_NAME
    TF_BUILD AGENT_NAME BUILD_BUILDID BUILD_BUILDNUMBER BUILD_DEFINITIONNAME BUILD_REASON
    BUILD_REPOSITORY_NAME BUILD_REQUESTEDFOR BUILD_SOURCEBRANCH BUILD_SOURCEVERSION
    ENVIRONMENT_NAME RELEASE_ENVIRONMENTNAME RELEASE_RELEASEID SYSTEM_COLLECTIONURI SYSTEM_JOBID
    SYSTEM_JOBNAME SYSTEM_PULLREQUEST_PULLREQUESTID SYSTEM_STAGENAME SYSTEM_TEAMPROJECT
    BUILDKITE BUILDKITE_AGENT_NAME BUILDKITE_BRANCH BUILDKITE_BUILD_CREATOR BUILDKITE_BUILD_ID
    BUILDKITE_BUILD_NUMBER BUILDKITE_BUILD_URL BUILDKITE_COMMIT BUILDKITE_JOB_ID
    BUILDKITE_ORGANIZATION_SLUG BUILDKITE_PIPELINE_SLUG BUILDKITE_PULL_REQUEST BUILDKITE_SOURCE
    BUILDKITE_TAG
    CIRCLECI CIRCLE_BRANCH CIRCLE_BUILD_NUM CIRCLE_BUILD_URL CIRCLE_JOB CIRCLE_PIPELINE_ID
    CIRCLE_PROJECT_REPONAME CIRCLE_PROJECT_USERNAME CIRCLE_PULL_REQUEST CIRCLE_SHA1 CIRCLE_TAG
    CIRCLE_USERNAME CIRCLE_WORKFLOW_ID
    BITBUCKET_BRANCH BITBUCKET_BUILD_NUMBER BITBUCKET_COMMIT BITBUCKET_DEPLOYMENT_ENVIRONMENT
    BITBUCKET_PIPELINE_UUID BITBUCKET_PR_ID BITBUCKET_REPO_FULL_NAME BITBUCKET_STEP_TRIGGERER_UUID
    CODEBUILD_BUILD_ID CODEBUILD_INITIATOR CODEBUILD_RESOLVED_SOURCE_VERSION
    DRONE_BRANCH DRONE_BUILD_NUMBER DRONE_COMMIT_SHA DRONE_REPO TEAMCITY_VERSION
    TRAVIS TRAVIS_BRANCH TRAVIS_BUILD_ID TRAVIS_COMMIT TRAVIS_EVENT_TYPE TRAVIS_REPO_SLUG
    ATLANTIS_TERRAFORM_VERSION BASE_REPO_NAME BASE_REPO_OWNER PULL_NUM PULL_AUTHOR HEAD_COMMIT
    PROJECT_NAME TFC_RUN_ID TFC_WORKSPACE_NAME TFC_PROJECT_NAME SPACELIFT SPACELIFT_RUN_ID
    SPACELIFT_STACK_ID ARGOCD_APP_NAME ARGOCD_APP_NAMESPACE ARGOCD_APP_REVISION
    """
)
