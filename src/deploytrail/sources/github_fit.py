"""Which body may be which event: GitHub names the event in a header that it does not sign.

Pure. Each event has marks in its body by which it is told from all others; whoever changes the
header alone makes a delivery that does not fit, and is refused for that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw

from deploytrail.errors import Malformed
from deploytrail.kit.shape import read

ENVELOPE: Final = frozenset(
    {"action", "sender", "repository", "organization", "installation", "enterprise"}
)
Body = Mapping[str, Raw]


class Marks(NamedTuple):
    """`needs` are fields that must be there, `a.b` one within another; `may` are marks of other
    events that this one has, too. `is_whole`: no field beside these and the envelope is taken,
    for events that have no block of their own and would fit almost every body. `lacks` are fields
    of the envelope that it never has; `verbs` all its actions, where nothing else tells it.
    """

    needs: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    is_whole: bool = False
    lacks: tuple[str, ...] = ()
    has_action: bool = True
    verbs: tuple[str, ...] = ()


def _own(*needs: str, may: tuple[str, ...] = ()) -> Marks:
    return Marks(needs, may)


_PULL: Final = "pull_request"
_RUN_MAY: Final = ("workflow", "workflow_run", "check_run")
EVENTS: Final[Mapping[str, Marks]] = {
    "branch_protection_configuration": Marks(
        ("repository",), is_whole=True, verbs=("enabled", "disabled")
    ),
    "branch_protection_rule": _own("rule", may=("changes",)),
    "bypass_request_push_ruleset": _own("exemption_request", may=("exemption_response",)),
    "bypass_request_secret_scanning": _own("exemption_request", may=("exemption_response",)),
    "cache_sync": Marks(("cache_location",), ("before", "after", "ref"), has_action=False),
    "check_run": _own("check_run", may=("requested_action",)),
    "check_suite": _own("check_suite"),
    "code_scanning_alert": _own("alert.rule", "alert.tool", may=("ref", "commit_oid")),
    "commit_comment": _own("comment"),
    "content_reference": _own("content_reference"),
    "create": Marks(
        ("ref_type", "ref", "master_branch"), ("pusher_type", "description"), has_action=False
    ),
    "custom_property": Marks(("definition",)),
    "custom_property_values": _own("new_property_values", "repository"),
    "delete": Marks(("ref_type", "ref"), ("pusher_type",), has_action=False),
    "dependabot_alert": _own("alert.security_advisory"),
    "deploy_key": _own("key"),
    "deployment": _own("deployment", may=("workflow", "workflow_run")),
    "deployment_protection_rule": _own(
        "deployment", "deployment_callback_url", may=("environment", "pull_requests", "event")
    ),
    "deployment_review": _own(
        "workflow_run",
        "since",
        may=(
            "workflow_job_run",
            "workflow_job_runs",
            "reviewers",
            "requestor",
            "approver",
            "environment",
            "comment",
        ),
    ),
    "deployment_status": _own("deployment_status", "deployment", may=_RUN_MAY),
    "discussion": _own("discussion", may=("label", "answer", "old_answer", "changes")),
    "discussion_comment": _own("discussion", "comment", may=("changes",)),
    "dismissal_request_code_scanning": _own("exemption_request", may=("exemption_response",)),
    "dismissal_request_dependabot": _own("exemption_request", may=("exemption_response",)),
    "dismissal_request_secret_scanning": _own("exemption_request", may=("exemption_response",)),
    "exemption_request_push_ruleset": _own("exemption_request", may=("exemption_response",)),
    "enterprise": Marks(
        is_whole=True,
        lacks=("repository", "organization"),
        verbs=("anonymous_access_enabled", "anonymous_access_disabled"),
    ),
    "fork": Marks(("forkee",), has_action=False),
    "github_app_authorization": Marks(
        is_whole=True,
        lacks=("repository", "organization", "enterprise", "installation"),
        verbs=("revoked",),
    ),
    "gollum": Marks(("pages",), has_action=False),
    "installation": Marks(
        ("installation.permissions",),
        ("repositories", "requester"),
        is_whole=True,
        lacks=("repository",),
    ),
    "installation_repositories": _own(
        "repositories_added", may=("repositories_removed", "repository_selection", "requester")
    ),
    "installation_target": _own("account", "target_type", may=("changes",)),
    "issue_comment": _own("comment", "issue", may=("changes",)),
    "issue_dependencies": _own("blocking_issue", may=("blocked_issue",)),
    "issue_relates_to": _own("related_issue"),
    "issues": _own("issue", may=("assignee", "label", "milestone", "changes", "type")),
    "label": _own("label", may=("changes",)),
    "marketplace_purchase": _own(
        "marketplace_purchase", may=("effective_date", "previous_marketplace_purchase")
    ),
    "member": _own("member", "repository", may=("changes",)),
    "membership": _own("member", "team", "scope"),
    "merge_group": _own("merge_group", may=("reason",)),
    "meta": _own("hook", "hook_id"),
    "milestone": _own("milestone", may=("changes",)),
    "org_block": _own("blocked_user"),
    "organization": Marks(
        ("organization",),
        ("membership", "invitation", "user", "changes"),
        is_whole=True,
        lacks=("repository",),
    ),
    "organization_custom_property": Marks(("definition", "enterprise"), lacks=("organization",)),
    "organization_custom_property_values": Marks(
        ("new_property_values", "enterprise"), ("old_property_values",), lacks=("repository",)
    ),
    "package": _own("package"),
    "page_build": Marks(("build", "id"), has_action=False),
    "personal_access_token_request": _own("personal_access_token_request"),
    "ping": Marks(("hook", "hook_id", "zen"), has_action=False),
    "project": _own("project", may=("changes",)),
    "project_card": _own("project_card", may=("changes",)),
    "project_column": _own("project_column", may=("changes",)),
    "projects_v2": _own("projects_v2", may=("changes",)),
    "projects_v2_item": _own("projects_v2_item", may=("changes",)),
    "projects_v2_status_update": _own("projects_v2_status_update", may=("changes",)),
    "public": Marks(("repository",), is_whole=True, has_action=False),
    "pull_request": _own(
        _PULL,
        "number",
        may=(
            "assignee",
            "label",
            "milestone",
            "changes",
            "before",
            "after",
            "reason",
            "requested_reviewer",
            "requested_team",
        ),
    ),
    "pull_request_review": _own(_PULL, "review", may=("changes",)),
    "pull_request_review_comment": _own(_PULL, "comment", may=("changes",)),
    "pull_request_review_thread": _own(_PULL, "thread", may=("updated_at",)),
    "push": Marks(
        ("ref", "before", "after", "created", "deleted", "forced"),
        ("commits", "pusher"),
        has_action=False,
    ),
    "registry_package": _own("registry_package"),
    "release": _own("release", may=("changes",)),
    "repository": Marks(
        ("repository",),
        ("changes",),
        is_whole=True,
        verbs=(
            "created",
            "deleted",
            "archived",
            "unarchived",
            "edited",
            "renamed",
            "transferred",
            "publicized",
            "privatized",
        ),
    ),
    "repository_advisory": _own("repository_advisory"),
    "repository_dispatch": _own("client_payload", may=("branch",)),
    "repository_import": Marks(("repository", "status"), is_whole=True, has_action=False),
    "repository_ruleset": _own("repository_ruleset", may=("changes",)),
    "repository_vulnerability_alert": _own("alert.affected_package_name"),
    "secret_scanning_alert": _own("alert.secret_type", may=("assignee",)),
    "secret_scanning_alert_location": _own("alert.secret_type", "location"),
    "secret_scanning_scan": _own("source", "type", "completed_at", may=("started_at",)),
    "security_advisory": _own("security_advisory"),
    "security_and_analysis": Marks(("repository", "changes"), is_whole=True, has_action=False),
    "sponsorship": _own("sponsorship", may=("changes", "effective_date")),
    "star": Marks(("repository", "starred_at"), is_whole=True),
    "status": Marks(
        ("sha", "state", "context"),
        (
            "id",
            "name",
            "commit",
            "branches",
            "created_at",
            "updated_at",
            "description",
            "target_url",
            "avatar_url",
        ),
        has_action=False,
    ),
    "sub_issues": _own("sub_issue", "parent_issue"),
    "team": _own("team", may=("changes",)),
    "team_add": Marks(("team", "repository"), has_action=False),
    "user": Marks(("user",), is_whole=True, lacks=("repository",)),
    "watch": Marks(("repository",), is_whole=True, verbs=("started",)),
    "workflow_dispatch": Marks(("workflow", "ref", "inputs"), has_action=False),
    "workflow_job": _own("workflow_job", may=("deployment",)),
    "workflow_run": _own("workflow_run", "workflow"),
}
ALIASES: Final[Mapping[str, str]] = {
    "integration_installation": "installation",
    "integration_installation_repositories": "installation_repositories",
}
"""Former names, under which GitHub Enterprise Server sends the same bodies a second time."""
_ALL: Final = (
    frozenset(need.partition(".")[0] for marks in EVENTS.values() for need in marks.needs)
    - ENVELOPE
)
"""Fields at the top of a body that tell some event from others."""


class _Ready(NamedTuple):
    needs: frozenset[str]
    within: tuple[tuple[str, str], ...]
    taken: frozenset[str]


def _ready(marks: Marks) -> _Ready:
    top = frozenset(need.partition(".")[0] for need in marks.needs)
    within = tuple(
        (outer, inner) for outer, _, inner in (need.partition(".") for need in marks.needs) if inner
    )
    return _Ready(top, within, top | frozenset(marks.may) | (ENVELOPE - frozenset(marks.lacks)))


_READY: Final = {event: _ready(marks) for event, marks in EVENTS.items()}


def fault(event: str, body: Body) -> str | None:
    """Why a body is none of that event; None where it may be. `event` is a key of EVENTS."""
    marks, ready = EVENTS[event], _READY[event]
    for need in ready.needs:
        if need not in body:
            return f"body.{need}: is missing"
    if marks.has_action != ("action" in body):
        return "body.action: is missing" if marks.has_action else "body.action: expected none"
    if marks.verbs and action(body) not in marks.verbs:
        return f"body.action: expected one of {', '.join(marks.verbs)}, found another"
    strange = body.keys() - ready.taken if marks.is_whole else _strange(body, ready.taken)
    if strange or any(lack in body for lack in marks.lacks):
        return f"body: expected a body of {event}, found fields of another event"
    for outer, inner in ready.within:
        if not _has(body[outer], inner):
            return f"body.{outer}.{inner}: is missing"
    return None


def _strange(body: Body, taken: frozenset[str]) -> frozenset[str]:
    return (_ALL & body.keys()) - taken


def _has(block: Raw, name: str) -> bool:
    try:
        fields = read(block, dict[str, Raw])
    except Malformed:
        return False
    return name in fields


def fitting(body: Body) -> Iterator[str]:
    """All events of which this may be the body, but for those without a block of their own."""
    return (
        event
        for event, marks in EVENTS.items()
        if not marks.is_whole and fault(event, body) is None
    )


def action(body: Body) -> str | None:
    said = body.get("action")
    if said is None:
        return None
    try:
        return msgspec.json.decode(said, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Malformed("body.action: expected text, found something else") from None
