"""GitHub: its webhooks, of repositories, organisations, enterprises and apps.

Pure. Which event a body is, GitHub says in the header X-GitHub-Event, which its signature does not
cover; `github_fit` holds each body against that word. Files have no headers: there a body is
`{"event": …, "payload": …}`, or is told by its fields alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Raw

from deploytrail.errors import Malformed
from deploytrail.kit.delivery import Delivery
from deploytrail.kit.schemes import SCHEMES
from deploytrail.kit.shape import Shape, read
from deploytrail.kit.source import Kind, Source, Telling
from deploytrail.sources import (
    github_access,
    github_alert,
    github_app,
    github_build,
    github_check,
    github_code,
    github_deploy,
    github_exemption,
    github_package,
    github_repository,
    github_review,
)
from deploytrail.sources.github_deliveries import POLLER
from deploytrail.sources.github_fit import ALIASES, EVENTS, Body, action, fault, fitting

HEADER: Final = "X-GitHub-Event"
KINDS: Final[Mapping[str, Kind[Any]]] = {
    **github_code.KINDS,
    **github_review.KINDS,
    **github_build.KINDS,
    **github_package.KINDS,
    **github_deploy.KINDS,
    **github_access.KINDS,
    **github_alert.KINDS,
    **github_repository.KINDS,
    **github_check.KINDS,
    **github_exemption.KINDS,
    **github_app.KINDS,
}
_DISCUSSED: Final = "people talk; nothing of code, builds or access changes"
_PLANNED: Final = "plans and boards, not what is deployed"
_ADVISED: Final = "advisories are published for everybody; the alerts about them are read"
_TOLD: Final = "another event of the same action tells it with more: "
_EVENTS_ASIDE: Final[Mapping[str, str]] = {
    "cache_sync": "GitHub Enterprise Server's own caches",
    "content_reference": "a link was shown",
    "custom_property": "what properties there may be; their values are read",
    "discussion": _DISCUSSED,
    "discussion_comment": _DISCUSSED,
    "enterprise": "anonymous reading of a whole GitHub Enterprise Server; its audit log tells it",
    "gollum": "the wiki",
    "installation_target": "an account was renamed; organization.renamed is read",
    "issue_dependencies": _PLANNED,
    "issue_relates_to": _PLANNED,
    "issues": _PLANNED,
    "label": _PLANNED,
    "marketplace_purchase": "billing",
    "milestone": _PLANNED,
    "org_block": "who may comment on public repositories",
    "organization_custom_property": "what properties there may be",
    "organization_custom_property_values": "how an enterprise sorts its organisations",
    "page_build": "GitHub Pages; its deployments come as deployment events",
    "project": _PLANNED,
    "project_card": _PLANNED,
    "project_column": _PLANNED,
    "projects_v2": _PLANNED,
    "projects_v2_item": _PLANNED,
    "projects_v2_status_update": _PLANNED,
    "repository_advisory": _ADVISED,
    "repository_import": "repository.created tells of the repository",
    "repository_vulnerability_alert": _TOLD + "dependabot_alert",
    "secret_scanning_alert_location": "where a secret stands; the alert itself is read",
    "secret_scanning_scan": "a scan ended; what it found comes as alerts",
    "security_advisory": _ADVISED,
    "sponsorship": "billing",
    "star": "says nothing of deployments",
    "sub_issues": _PLANNED,
    "watch": "says nothing of deployments",
}
_KINDS_ASIDE: Final[Mapping[str, str]] = {
    **{
        f"pull_request.{verb}": "whom or what plan it concerns, not its code"
        for verb in ("assigned", "unassigned", "locked", "unlocked", "milestoned", "demilestoned")
    },
    "pull_request_review.edited": "the words of a review; its decision stands",
    **{
        f"{event}.{verb}": "the words of a comment that was read when it came"
        for event in ("pull_request_review_comment", "issue_comment")
        for verb in ("edited", "deleted", "pinned", "unpinned")
    },
    "release.released": _TOLD + "release.published, release.edited",
    "release.prereleased": _TOLD + "release.published",
    "merge_group.destroyed": _TOLD + "pull_request.closed, pull_request.dequeued",
    **{
        f"secret_scanning_alert.{verb}": "who looks at a finding, and whether it is live"
        for verb in ("assigned", "unassigned", "validated")
    },
    "code_scanning_alert.updated_assignment": "who looks at a finding",
    "dependabot_alert.assignees_changed": "who looks at a finding",
}


class _Wrapped(Shape, frozen=True):
    event: str
    payload: Raw


def tell(delivery: Delivery) -> Iterator[Telling]:
    """One: a delivery is one event. Its id stands in a header alone, which nothing proves."""
    octets: bytes | Raw = delivery.body
    event = delivery.header(HEADER)
    body = read(octets, dict[str, Raw])
    if event is None and delivery.headers:
        raise Malformed(f"{HEADER}: expected the name of the event, found nothing; send it along")
    if event is None and body.keys() == {"event", "payload"}:
        wrapped = read(octets, _Wrapped)
        event, octets = wrapped.event, wrapped.payload
        body = read(octets, dict[str, Raw], what="body.payload")
    event = event or _told_by_fields(body)
    event = ALIASES.get(event, event)
    if "." in event:
        # So our own kinds are written, whose marks would not be looked at.
        raise Malformed(f"{HEADER}: expected the name of an event, found one with a full stop")
    if event in EVENTS:
        why = fault(event, body)
        if why is not None:
            raise Malformed(f"{why}; {HEADER} names an event that this body is not")
    yield Telling(_kind(event, body), octets)


def _told_by_fields(body: Body) -> str:
    found = list(fitting(body))
    if len(found) != 1:
        some = " or ".join(found[:8]) or "of none"
        raise Malformed(
            f"body: expected the fields of one event, found those {some}; write each line as "
            '{"event": "push", "payload": {…}}'
        )
    return found[0]


def _kind(event: str, body: Body) -> str:
    # The action of a repository_dispatch is whatever its sender likes.
    if event in _EVENTS_ASIDE or event == "repository_dispatch":
        return event
    verb = action(body)
    return f"{event}.{verb}" if verb is not None else event


SOURCE: Final = Source(
    name="github",
    title="GitHub",
    page="https://docs.github.com/en/webhooks/webhook-events-and-payloads",
    schemes=(SCHEMES["github"],),
    tell=tell,
    kinds=KINDS,
    set_aside={**_EVENTS_ASIDE, **_KINDS_ASIDE},
    poller=POLLER,
    setup="""\
1. Open the organisation (or the repository) on GitHub: Settings > Webhooks > Add webhook.
2. Payload URL: {url}
3. Content type: application/json. The other one is not read.
4. Secret: {secret}
5. Leave SSL verification enabled.
6. Events: "Send me everything". To choose instead, take Pushes, Pull requests and all of their
   reviews, Workflow runs, jobs and dispatches, Deployments with statuses and reviews, Check runs,
   Statuses, Branch protection rules and configurations, Repository rulesets, Repositories,
   Visibility changes, Collaborators, Memberships, Teams, Organizations, Deploy keys, Meta, alerts.
7. Add webhook. GitHub sends a ping: {name} shows it as integration.webhook.tested.
""",
    is_lines=True,
    file_names=("*github*webhook*.ndjson", "*github*webhook*.jsonl"),
)
