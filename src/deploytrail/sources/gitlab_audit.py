"""GitLab's audit events, as it streams them over HTTP: who changed which setting, right or secret.

Pure. GitLab Docs, "Audit event streaming" and "Audit event schema and examples". An event's type
is a field of its body; what a type means is data (`gitlab_audit_types`). `details` has no schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, cast

import msgspec

from deploytrail.errors import Malformed
from deploytrail.event import (
    Access,
    Actor,
    Approval,
    Change,
    Client,
    Error,
    Links,
    Outcome,
    Raw,
    Target,
)
from deploytrail.kit.delivery import Delivery
from deploytrail.kit.draft import CLAIMED, UNKNOWN, Draft, Place
from deploytrail.kit.schemes import SCHEMES
from deploytrail.kit.shape import Shape, read
from deploytrail.kit.source import Circumstances, Kind, Source, Telling
from deploytrail.sources.gitlab_audit_types import SET_ASIDE, TYPES
from deploytrail.sources.gitlab_shapes import account, moment, somebody

GIT: Final = "repository_git_operation"
VISIBILITY: Final = "project_visibility_level_updated"

_uuid: Final = re.compile(
    "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
).fullmatch
_hides: Final = re.compile("password|secret|token|key|private|credential", re.IGNORECASE).search
_SECRETS: Final = ("config.variable.", "secret.")
"""Families of actions whose values are left out, whatever they are called."""
_OWN: Final[Mapping[str, str]] = {"Project": "repository", "Group": "group"}


class Audited(Shape, frozen=True):
    """`entity` is where it happened (a project, a group, a user, the server), `target` to what."""

    event_type: str
    author_id: int
    entity_type: str
    author_name: str | None = None
    entity_path: str | None = None
    entity_id: int | str | None = None
    created_at: str | None = None
    ip_address: str | None = None
    target_type: str | None = None
    target_id: int | str | None = None
    target_details: Any = None
    details: dict[str, Any] | None = None


class _Git(Shape, frozen=True):
    action: str


class _GitDetails(Shape, frozen=True):
    custom_message: _Git


class GitOperation(Shape, frozen=True):
    """What a program of git asked for is in the details."""

    details: _GitDetails
    event_type: str
    author_id: int
    entity_type: str
    author_name: str | None = None
    entity_path: str | None = None
    entity_id: int | str | None = None
    created_at: str | None = None
    ip_address: str | None = None
    target_type: str | None = None
    target_id: int | str | None = None
    target_details: Any = None


class _To(Shape, frozen=True):
    to: str


class _Visibility(Shape, frozen=True):
    details: _To


class _Head(Shape, frozen=True):
    event_type: str
    id: int | str | None = None


def _tell(delivery: Delivery) -> Iterator[Telling]:
    """One event. Numbers as ids were seconds in some versions, so only the others are relied on."""
    head = read(delivery.body, _Head)
    id_ = head.id if isinstance(head.id, str) and _uuid(head.id) else None
    kind = head.event_type
    if kind == VISIBILITY:
        # Here, as what a project has become decides what is told of it.
        word = read(delivery.body, _Visibility).details.to.lower()
        kind = f"{VISIBILITY}.{word}"
    elif kind in KINDS and kind != GIT:
        raise Malformed("body.event_type: expected a type of GitLab's, found a name of ours")
    yield Telling(TYPES.get(kind, kind), delivery.body, id_)


def audited(body: Audited, at: Circumstances) -> Iterator[Draft]:
    action, _, outcome = at.kind.partition(":")
    details = body.details or {}
    yield _draft(
        body,
        at,
        action,
        targets=_branch(details) if action == "code.default_branch.changed" else (),
        outcome=cast("Outcome", outcome) if outcome else None,
        changes=tuple(_changes(action, details)),
        error=_error(details) if outcome in ("failure", "denied") else None,
        access=_access(action, body, details),
        approval=_approval(action),
    )


def _branch(details: Mapping[str, Any]) -> tuple[Target, ...]:
    """That which is the default now."""
    name = _text(details.get("to"))
    return (Target(type="branch", name=name),) if name else ()


_VISIBILITIES: Final = {
    f"{VISIBILITY}.public": "code.repository.exposed",
    f"{VISIBILITY}.internal": "code.repository.updated",
    f"{VISIBILITY}.private": "code.repository.hidden",
}


def shown(body: Audited, at: Circumstances) -> Iterator[Draft]:
    """Another visibility of a project, by what it is now."""
    action = _VISIBILITIES[at.kind]
    yield _draft(body, at, action, changes=tuple(_changes(action, body.details or {})))


def fetched(body: GitOperation, at: Circumstances) -> Iterator[Draft]:
    """A clone, a fetch or a push; GitLab does not say of what."""
    word = body.details.custom_message.action
    action = {
        "git-upload-pack": "code.repository.cloned",
        "git-upload-archive": "code.repository.cloned",
        "git-receive-pack": "code.pushed",
    }.get(word)
    if action is None:
        raise Malformed(
            "body.details.custom_message.action: expected a program of git, found another word"
        )
    yield _draft(body, at, action)


def _draft(
    body: Audited | GitOperation,
    at: Circumstances,
    action: str,
    *,
    targets: tuple[Target, ...] = (),
    outcome: Outcome | None = None,
    changes: tuple[Change, ...] = (),
    error: Error | None = None,
    access: Access | None = None,
    approval: Approval | None = None,
) -> Draft:
    path = body.entity_path or None
    is_project = body.entity_type == "Project"
    return Draft(
        action=action,
        outcome=outcome,
        time=moment(body.created_at, "created_at") or at.received,
        actor=_actor(body),
        client=Client(address=body.ip_address) if body.ip_address else None,
        place=Place(
            raw=Raw(
                repository=path if is_project else None,
                account=path if body.entity_type == "Group" else None,
            )
        ),
        targets=targets or tuple(_targets(body, action)),
        changes=changes,
        error=error,
        access=access,
        approval=approval,
        links=Links(repository=path) if is_project and path else None,
    )


def _actor(body: Audited | GitOperation) -> Actor:
    """Negative numbers stand for who is no user: nobody signed in, keys and tokens."""
    details = body.details if isinstance(body, Audited) else None
    class_ = _text((details or {}).get("author_class")) if details else None
    if body.author_id >= 0:
        return account(None, body.author_id, body.author_name)
    if body.author_id == _NOBODY:
        return Actor(type="anonymous", name=body.author_name or None, auth=CLAIMED)
    if not body.author_name:
        return UNKNOWN
    kind = _MACHINES.get(body.author_id) or _word(class_ or "machine")
    return Actor(type="service", id=f"gitlab:{kind}/{body.author_name}")


_NOBODY: Final = -1
_MACHINES: Final = {-2: "deploy_token", -3: "deploy_key"}


def _targets(body: Audited | GitOperation, action: str) -> Iterator[Target]:
    """The thing, else where it is; of a person's key or token, also whose it is."""
    if action == "identity.signed_in" and body.entity_type == "User":
        return
    name, kind = _text(body.target_details), body.target_type
    if kind == "User":
        yield somebody(None, _number(body.target_id)) if body.target_id else _person(name)
    elif kind and not _is_entity(body):
        yield Target(type=_OWN.get(kind) or _word(kind), id=_text(body.target_id), name=name)
        if body.entity_type == "User":
            yield _person(body.entity_path)
    elif body.entity_type in _OWN:
        yield Target(type=_OWN[body.entity_type], id=body.entity_path or None)
    elif body.entity_type == "User":
        yield _person(body.entity_path)


def _is_entity(body: Audited | GitOperation) -> bool:
    """Whether the target is where it happened; a group that is invited to another is not."""
    same = body.target_id is None or body.target_id == body.entity_id
    return same and body.target_type == body.entity_type


def _person(name: str | None) -> Target:
    return Target(type="user", name=name or None)


def _number(id_: int | str | None) -> int | None:
    if isinstance(id_, str):
        return int(id_) if re.fullmatch("[0-9]{1,18}", id_) else None
    return id_


def _word(class_: str) -> str:
    """`Gitlab::ProtectedBranch` as `protected_branch`. What is no name of a class is not written in
    another case: a mask would not know what it was.
    """
    last = class_.rpartition("::")[2]
    if re.fullmatch("[A-Za-z]{1,64}", last) is None:
        return "unknown"
    return re.sub("(?<=[a-z])(?=[A-Z])", "_", last).lower()


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    return msgspec.json.encode(value).decode()


_Op = Literal["add", "update", "remove"]
_WAYS: Final[tuple[tuple[str, _Op], ...]] = (
    ("change", "update"),
    ("add", "add"),
    ("remove", "remove"),
)


def _changes(action: str, details: Mapping[str, Any]) -> Iterator[Change]:
    """What the details tell, in any of the three ways that GitLab has; secrets by name alone."""
    is_secret = action.startswith(_SECRETS)
    for word, op in _WAYS:
        path = _text(details.get(word))
        if path is None:
            continue
        if is_secret or _hides(path):
            # GitLab's own sentence about it repeats the values.
            is_secret = True
            yield Change(path=path, op=op, sensitive=True)
        elif op == "update":
            yield _change(path, op, details.get("from"), details.get("to"))
        elif op == "add":
            yield _change(path, op, None, details.get("as"))
        else:
            yield _change(path, op, details.get("as"), None)
    told = details.get("custom_message")
    if isinstance(told, str) and told:
        if is_secret:
            yield Change(path="custom_message", op="update", sensitive=True)
        else:
            yield _change("custom_message", "update", None, told)


def _change(path: str, op: _Op, old: Any, new: Any) -> Change:
    before, after = (
        None if value is None else msgspec.json.encode(value).decode() for value in (old, new)
    )
    return Change(path=path, op=op, old=before, new=after)


def _error(details: Mapping[str, Any]) -> Error | None:
    code, text = _text(details.get("failed_login")), _text(details.get("custom_message"))
    return Error(code=code, text=text) if code or text else None


def _access(action: str, body: Audited, details: Mapping[str, Any]) -> Access | None:
    if not action.startswith(("access.member.", "access.granted", "access.updated")):
        return None
    role = _text(details.get("as")) or _text(details.get("to"))
    return Access(permission=role or "unknown", resource=body.entity_path or None)


def _approval(action: str) -> Approval | None:
    """Of what exactly, GitLab does not say: such a consent binds to nothing."""
    if action in ("approval.granted", "code.review.approved"):
        return Approval(decision="granted")
    return Approval(decision="rejected") if action == "approval.rejected" else None


KINDS: Final[dict[str, Kind[Any]]] = {
    **{action: Kind(Audited, audited) for action in sorted(set(TYPES.values()))},
    **{kind: Kind(Audited, shown) for kind in _VISIBILITIES},
    GIT: Kind(GitOperation, fetched),
}

_SETUP: Final = """\
1. In GitLab (Ultimate), open the top-level group: Secure > Audit events > Streams. For a whole
   server of your own: Admin > Monitoring > Audit events > Streams.
2. Add streaming destination > HTTP endpoint. Name: {name}. Destination URL: {url}
3. Select Add. Open the stream again, copy its Verification token, and store it as the secret of
   this connection: GitLab makes it and sends it along with each event.
4. Leave the filters empty: what decides nothing is set aside here, and counted.
"""

SOURCE: Final = Source(
    name="gitlab-audit",
    title="GitLab audit events",
    page="https://docs.gitlab.com/user/compliance/audit_event_streaming/",
    schemes=(SCHEMES["gitlab-audit"],),
    tell=_tell,
    kinds=KINDS,
    set_aside=SET_ASIDE,
    setup=_SETUP,
)
