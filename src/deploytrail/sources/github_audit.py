"""GitHub's audit log, of organisations and enterprises: streamed, exported, or asked for.

Pure. An entry is a JSON object; they come one a line, in an array, or each within the `event` of a
Splunk HTTP Event Collector's envelope. docs.github.com/en/enterprise-cloud@latest/admin/
monitoring-activity-in-your-enterprise/reviewing-audit-logs-for-your-enterprise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Raw, structs

from deploytrail.errors import Malformed
from deploytrail.event import (
    Access,
    Actor,
    Approval,
    Approves,
    Change,
    Client,
    Error,
    Outcome,
    Target,
)
from deploytrail.event import Raw as Words
from deploytrail.kit.delivery import Delivery
from deploytrail.kit.draft import CLAIMED, UNKNOWN, Draft, Place
from deploytrail.kit.schemes import SCHEMES
from deploytrail.kit.shape import Shape, read, texts
from deploytrail.kit.source import Circumstances, Kind, Source, Telling
from deploytrail.sources.github_audit_actions import ACTIONS, CATEGORIES_ASIDE, How
from deploytrail.sources.github_build import OUTCOMES
from deploytrail.sources.github_shapes import REALM, Repository, known, links, moment, run_id

Text = str | int | float | bool | None
Names = str | tuple[str, ...] | None


class Entry(Shape, frozen=True, rename={"at": "@timestamp", "document": "_document_id"}):
    """The fields of all actions that are read. Values of tokens (`hashed_token`) are not."""

    action: str
    at: Text = None
    created_at: Text = None
    actor: str | None = None
    actor_is_bot: bool | None = None
    actor_is_agent: bool | None = None
    actor_ip: str | None = None
    user_agent: str | None = None
    user: str | None = None
    org: Names = None
    repo: Names = None
    business: str | None = None
    team: str | None = None
    name: str | None = None
    old_name: str | None = None
    branch: str | None = None
    key: str | None = None
    title: str | None = None
    number: Text = None
    ghsa_id: str | None = None
    hook_id: Text = None
    runner_name: str | None = None
    runner_group_name: str | None = None
    oauth_application_name: str | None = None
    user_programmatic_access_name: str | None = None
    environment_name: str | None = None
    ruleset_name: str | None = None
    ruleset_enforcement: str | None = None
    ruleset_old_enforcement: str | None = None
    pull_request_url: str | None = None
    pull_request_title: str | None = None
    workflow_run_id: Text = None
    run_attempt: int | None = None
    job_name: str | None = None
    head_sha: str | None = None
    head_branch: str | None = None
    conclusion: str | None = None
    permission: Text = None
    old_permission: Text = None
    visibility: str | None = None
    previous_visibility: str | None = None
    token_id: Text = None
    programmatic_access_type: str | None = None


_PAIRS: Final = (
    ("name", "old_name"),
    ("permission", "old_permission"),
    ("ruleset_enforcement", "ruleset_old_enforcement"),
    ("visibility", "previous_visibility"),
)
_PULL: Final = re.compile(r"/([^/]+/[^/]+)/pull/([0-9]{1,12})$")
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|\+00:00)?")
_DAY_SECONDS: Final = 86_400
_MILLISECONDS_MAX: Final = 1e15


def _first(said: Names) -> str | None:
    if said is None or isinstance(said, str):
        return said or None
    return said[0] if said else None


def _time(body: Entry, at: Circumstances) -> datetime:
    """`created_at` is when it happened; milliseconds since 1970, or text in UTC."""
    for said in (body.created_at, body.at):
        if isinstance(said, bool):
            continue
        if isinstance(said, int | float):
            if abs(said) > _MILLISECONDS_MAX:
                continue
            seconds = said / 1000
            if 0 < seconds <= at.received.timestamp() + _DAY_SECONDS:
                return moment(datetime.fromtimestamp(seconds, UTC), at)
        elif said:
            found = _text_time(said)
            if found is not None:
                return moment(found, at)
    return at.received


def _text_time(said: str) -> datetime | None:
    found = _TIME.fullmatch(said)
    if found is None:
        return None
    day, clock, fraction, _ = found.groups()
    try:
        whole = datetime.fromisoformat(f"{day}T{clock}+00:00")
    except ValueError:
        return None
    return whole.replace(microsecond=int((fraction or "0")[:6].ljust(6, "0")))


def _actor(body: Entry) -> Actor:
    name = body.actor
    if not name:
        return UNKNOWN
    if body.actor_is_agent:
        return Actor(type="agent", id=f"{REALM}:{name}")
    is_service = body.actor_is_bot or name.endswith("[bot]") or name in {"deploy_key", "github"}
    return Actor(type="service" if is_service else "user", id=f"{REALM}:{name}")


def _targets(body: Entry, how: How) -> Iterator[Target]:
    value = getattr(body, how.field)
    said = _first(value) if how.field in {"org", "repo"} else texts(value)
    if how.target == "user":
        yield Target(type="user", name=f"{REALM}:{said}" if said else None)
    elif how.target == "change_request":
        found = _PULL.search(said) if said else None
        name = f"{found[1]}#{found[2]}" if found else said
        yield Target(type=how.target, id=name, name=body.pull_request_title)
    else:
        yield Target(type=how.target, id=said)
    if body.team and how.field != "team":
        yield Target(type="team", id=body.team)
    if body.token_id is not None:
        kind = body.programmatic_access_type
        yield Target(type="token", id=texts(body.token_id), change=kind or None)


def _changes(body: Entry) -> Iterator[Change]:
    for new, old in _PAIRS:
        before, after = texts(getattr(body, old)), texts(getattr(body, new))
        if before is not None:
            yield Change(path=new, op="update", old=_json(before), new=_json(after))


def _json(text: str | None) -> str | None:
    return None if text is None else msgspec.json.encode(text).decode()


def _approval(body: Entry, action: str, run: str | None) -> Approval | None:
    if action not in {"approval.granted", "approval.rejected"}:
        return None
    sha = body.head_sha
    return Approval(
        decision="granted" if action == "approval.granted" else "rejected",
        request=run,
        approves=Approves(kind="commit", digest=sha) if sha else None,
    )


def _run(body: Entry, repository: str | None) -> str | None:
    said = texts(body.workflow_run_id)
    if repository is None or said is None or not said.isascii() or not said.isdigit():
        return None
    return run_id(repository, int(said)) if len(said) <= 20 else None


def entry(body: Entry, at: Circumstances) -> Iterator[Draft]:
    yield _draft(body, at, ACTIONS[body.action], None)


def completed(body: Entry, at: Circumstances) -> Iterator[Draft]:
    """A run's end; its conclusion is its outcome."""
    if body.conclusion is None:
        raise Malformed("body.conclusion: is missing")
    known(body.conclusion, OUTCOMES, "conclusion")
    yield _draft(body, at, ACTIONS[body.action], OUTCOMES[body.conclusion])


def failed_sign_in(body: Entry, at: Circumstances) -> Iterator[Draft]:
    draft = _draft(body, at, ACTIONS[body.action], "denied")
    # Nobody proved to be whom it names.
    yield structs.replace(draft, actor=structs.replace(draft.actor, auth=CLAIMED))


_VISIBLE: Final = {
    "public": "code.repository.exposed",
    "private": "code.repository.hidden",
    "internal": "code.repository.hidden",
}


def access(body: Entry, at: Circumstances) -> Iterator[Draft]:
    """Who may see a repository was changed."""
    if body.visibility is None:
        raise Malformed("body.visibility: is missing")
    action = known(body.visibility, _VISIBLE, "visibility")
    yield _draft(body, at, How(action, "repository", "repo"), None)


def _draft(body: Entry, at: Circumstances, how: How, outcome: Outcome | None) -> Draft:
    repository, organization = _first(body.repo), _first(body.org)
    run, permission = _run(body, repository), texts(body.permission)
    pull = _PULL.search(body.pull_request_url or "")
    has_failed = outcome == "failure" and body.conclusion is not None
    return Draft(
        action=how.action,
        time=_time(body, at),
        actor=_actor(body),
        outcome=outcome,
        attempt=body.run_attempt if body.run_attempt and 0 < body.run_attempt < 2**53 else None,
        error=Error(code=body.conclusion) if has_failed else None,
        client=Client(address=body.actor_ip or None, user_agent=body.user_agent)
        if body.actor_ip or body.user_agent
        else None,
        place=Place(
            raw=Words(repository=repository, account=organization or body.business or None),
            environment=body.environment_name or None,
        ),
        targets=tuple(_targets(body, how)),
        changes=tuple(_changes(body)),
        links=links(
            Repository(repository) if repository else None,
            sha=body.head_sha,
            ref=body.head_branch or body.branch,
            run=run,
            number=int(pull[2]) if pull and pull[1] == repository else None,
        ),
        approval=_approval(body, how.action, run),
        access=Access(permission=permission, resource=repository or organization)
        if permission
        else None,
    )


class _Head(Shape, frozen=True, rename={"document": "_document_id"}):
    action: str | None = None
    document: str | None = None
    event: Raw = Raw(b"")


def tell(delivery: Delivery) -> Iterator[Telling]:
    body = delivery.body.strip()
    if body.startswith(b"["):
        parts: Any = read(body, list[Raw])
    else:
        parts = (line for line in body.split(b"\n") if line.strip())
    for part in parts:
        yield _telling(part)


def _telling(part: bytes | Raw) -> Telling:
    head = read(part, _Head)
    # An entry of a run has an `event`, too: the word for what started it.
    if head.action is None and bytes(head.event).startswith(b"{"):
        part = head.event
        head = read(part, _Head)
    if head.action is None:
        raise Malformed("body.action: is missing")
    return Telling(_kind(head.action), part, head.document or None)


def _kind(action: str) -> str:
    if action in KINDS or action in CATEGORIES_ASIDE:
        return action
    category = action.partition(".")[0]
    return category if category in CATEGORIES_ASIDE else action


KINDS: Final[Mapping[str, Kind[Any]]] = {
    **{action: Kind(Entry, entry) for action in ACTIONS},
    "workflows.completed_workflow_run": Kind(Entry, completed),
    "user.failed_login": Kind(Entry, failed_sign_in),
    "repo.access": Kind(Entry, access),
}

SOURCE: Final = Source(
    name="github-audit",
    title="GitHub audit log",
    page=(
        "https://docs.github.com/en/enterprise-cloud@latest/admin/"
        "monitoring-activity-in-your-enterprise/reviewing-audit-logs-for-your-enterprise/"
        "audit-log-events-for-your-enterprise"
    ),
    schemes=(SCHEMES["bearer"],),
    tell=tell,
    kinds=KINDS,
    set_aside=CATEGORIES_ASIDE,
    setup="""\
Enterprises stream the audit log; organisations export it, or ask the API for it.
1. Open the enterprise on GitHub: Settings > Audit log > Log streaming > Configure stream.
2. Stream to a bucket (Amazon S3, Azure Blob Storage, Google Cloud Storage): GitHub writes files of
   one entry a line, YYYY/MM/DD/HH/MM/<uuid>.json.gz. Unpack and import them as {name}.
3. Or let a forwarder of your own send the entries, one a line or as a JSON array, to
   {url}
   with the header "Authorization: Bearer {secret}".
4. An organisation: Settings > Logs > Audit log > Export > JSON, and import the file.
""",
    is_lines=True,
    file_names=("*github*audit*.ndjson", "*github*audit*.jsonl", "*github*audit*.json"),
)
