"""GitLab's webhooks on who may do what: members, groups, projects, accounts, keys and tokens.

Pure. GitLab Docs, "Webhook events" (of groups) and "System hooks". They say to whom something
happened, hardly ever by whom: the audit events do (`gitlab_audit`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from deploytrail.errors import Malformed
from deploytrail.event import Access, Links, Outcome, Raw, Target
from deploytrail.kit.draft import CLAIMED, UNKNOWN, Draft, Place
from deploytrail.kit.shape import Shape
from deploytrail.kit.source import Circumstances
from deploytrail.sources.gitlab_shapes import (
    Project,
    account,
    at_project,
    changed,
    moment,
    somebody,
)

# GitLab Docs, "Members API": roles as numbers.
_ROLES: Final = {
    5: "Minimal Access",
    10: "Guest",
    15: "Planner",
    20: "Reporter",
    30: "Developer",
    40: "Maintainer",
    50: "Owner",
}


class GroupMember(Shape, frozen=True):
    user_username: str
    group_path: str
    group_access: str | None = None
    user_id: int | None = None
    user_name: str | None = None
    created_at: str | None = None
    expires_at: str | None = None


class ProjectMember(Shape, frozen=True):
    user_username: str
    project_path_with_namespace: str
    access_level: str | None = None
    user_id: int | None = None
    user_name: str | None = None
    created_at: str | None = None
    expires_at: str | None = None


_MEMBERS: Final[dict[str, tuple[str, Outcome | None]]] = {
    "user_add_to_group": ("access.member.added", None),
    "user_add_to_team": ("access.member.added", None),
    "user_update_for_group": ("access.member.updated", None),
    "user_update_for_team": ("access.member.updated", None),
    "user_remove_from_group": ("access.member.removed", None),
    "user_remove_from_team": ("access.member.removed", None),
    "user_access_request_to_group": ("access.requested", None),
    "user_access_request_to_project": ("access.requested", None),
    "user_access_request_denied_for_group": ("access.requested", "denied"),
    # Refused by others, or taken back by whoever asked: GitLab doesn't say.
    "user_access_request_revoked_for_group": ("access.requested", "unknown"),
    "user_access_request_revoked_for_project": ("access.requested", "unknown"),
}
MEMBERS_OF_GROUPS: Final = tuple(name for name in _MEMBERS if name.endswith("group"))
MEMBERS_OF_PROJECTS: Final = tuple(name for name in _MEMBERS if not name.endswith("group"))


def member_of_group(body: GroupMember, at: Circumstances) -> Iterator[Draft]:
    place = Place(raw=Raw(account=body.group_path or None))
    yield _member(body, at, place, body.group_path, body.group_access)


def member_of_project(body: ProjectMember, at: Circumstances) -> Iterator[Draft]:
    path = body.project_path_with_namespace
    yield _member(body, at, at_project(path), path, body.access_level)


def _member(
    body: GroupMember | ProjectMember,
    at: Circumstances,
    place: Place,
    path: str,
    role: str | None,
) -> Draft:
    action, outcome = _MEMBERS[at.kind]
    has_asked = action == "access.requested" and outcome is None
    is_new = has_asked or action == "access.member.added"
    who = account(body.user_username, body.user_id, body.user_name)
    return Draft(
        action=action,
        outcome=outcome,
        # What changes or ends a membership tells no time of its own.
        time=(moment(body.created_at, "created_at") if is_new else None) or at.received,
        actor=who if has_asked else UNKNOWN,
        place=place,
        targets=(somebody(body.user_username, body.user_id),),
        access=Access(
            permission=role or "unknown", resource=path or None, expires=_expires(body.expires_at)
        ),
        links=Links(repository=path) if isinstance(body, ProjectMember) else None,
    )


def _expires(text: str | None) -> datetime | None:
    """A day is its midnight; what can't be read is left out, as it decides nothing."""
    try:
        return moment(f"{text} 00:00:00 UTC" if text and len(text) == 10 else text, "expires_at")
    except Malformed:
        return None


class Group(Shape, frozen=True):
    """A subgroup says its `full_path`, a group that is created or deleted only its `path`."""

    path: str
    full_path: str | None = None
    name: str | None = None
    created_at: str | None = None


class RenamedGroup(Shape, frozen=True):
    path: str
    old_path: str
    full_path: str | None = None
    old_full_path: str | None = None
    name: str | None = None


_GROUPS: Final = {
    "group_create": "access.group.created",
    "subgroup_create": "access.group.created",
    "group_destroy": "access.group.deleted",
    "subgroup_destroy": "access.group.deleted",
}


def grouped(body: Group, at: Circumstances) -> Iterator[Draft]:
    action, path = _GROUPS[at.kind], body.full_path or body.path
    is_new = action == "access.group.created"
    yield Draft(
        action=action,
        time=(moment(body.created_at, "created_at") if is_new else None) or at.received,
        actor=UNKNOWN,
        place=Place(raw=Raw(account=path or None)),
        targets=(Target(type="group", id=path or None, name=body.name or None),),
    )


def group_renamed(body: RenamedGroup, at: Circumstances) -> Iterator[Draft]:
    path, before = body.full_path or body.path, body.old_full_path or body.old_path
    yield Draft(
        action="access.group.updated",
        time=at.received,
        actor=UNKNOWN,
        place=Place(raw=Raw(account=path or None)),
        targets=(Target(type="group", id=path or None, name=body.name or None),),
        changes=(changed("path", before, path),),
    )


class ChangedProject(Shape, frozen=True):
    path_with_namespace: str
    created_at: str | None = None
    project_visibility: str | None = None


class MovedProject(Shape, frozen=True):
    path_with_namespace: str
    old_path_with_namespace: str


_PROJECTS: Final = {
    "project_create": "code.repository.created",
    "project_destroy": "code.repository.deleted",
    "project_update": "code.repository.updated",
    "project_rename": "code.repository.renamed",
    "project_transfer": "code.repository.transferred",
}


def project_changed(body: ChangedProject, at: Circumstances) -> Iterator[Draft]:
    """`project_update` tells neither what changed nor what was there before."""
    action, path = _PROJECTS[at.kind], body.path_with_namespace
    is_new = at.kind == "project_create"
    yield Draft(
        action=action,
        time=(moment(body.created_at, "created_at") if is_new else None) or at.received,
        actor=UNKNOWN,
        place=at_project(path),
        targets=(Target(type="repository", id=path or None),),
        links=Links(repository=path or None),
        changes=(changed("visibility", new=body.project_visibility),)
        if is_new and body.project_visibility
        else (),
    )


def project_moved(body: MovedProject, at: Circumstances) -> Iterator[Draft]:
    path = body.path_with_namespace
    yield Draft(
        action=_PROJECTS[at.kind],
        time=at.received,
        actor=UNKNOWN,
        place=at_project(path),
        targets=(Target(type="repository", id=path or None),),
        links=Links(repository=path or None),
        changes=(changed("path", body.old_path_with_namespace, path),),
    )


class Account(Shape, frozen=True):
    username: str
    user_id: int | None = None
    name: str | None = None
    created_at: str | None = None


class RenamedAccount(Shape, frozen=True):
    username: str
    old_username: str


def user_changed(body: Account, at: Circumstances) -> Iterator[Draft]:
    is_new = at.kind == "user_create"
    yield Draft(
        action="identity.user.created" if is_new else "identity.user.deleted",
        time=(moment(body.created_at, "created_at") if is_new else None) or at.received,
        actor=UNKNOWN,
        targets=(somebody(body.username, body.user_id),),
    )


def user_renamed(body: RenamedAccount, at: Circumstances) -> Iterator[Draft]:
    yield Draft(
        action="identity.user.updated",
        time=at.received,
        actor=UNKNOWN,
        targets=(somebody(body.username),),
        changes=(changed("username", body.old_username, body.username),),
    )


def sign_in_refused(body: Account, at: Circumstances) -> Iterator[Draft]:
    """A blocked account; `created_at` is when it was made. Who tried is not proven by that."""
    who = account(body.username, body.user_id, body.name)
    yield Draft(
        action="identity.signed_in",
        outcome="denied",
        time=at.received,
        actor=type(who)(type=who.type, id=who.id, name=who.name, auth=CLAIMED),
    )


class Key(Shape, frozen=True):
    """An SSH key; that of a machine (a deploy key) has no user. Its text is not read."""

    id: int
    username: str | None = None
    created_at: str | None = None


def key_changed(body: Key, at: Circumstances) -> Iterator[Draft]:
    is_new = at.kind == "key_create"
    whose = (somebody(body.username),) if body.username else ()
    yield Draft(
        action="identity.key.created" if is_new else "identity.key.deleted",
        time=(moment(body.created_at, "created_at") if is_new else None) or at.received,
        actor=UNKNOWN,
        targets=(Target(type="ssh_key", id=str(body.id)), *whose),
    )


class TokenAttributes(Shape, frozen=True):
    id: int
    name: str | None = None
    expires_at: str | None = None


class GroupOfToken(Shape, frozen=True):
    group_path: str
    full_path: str | None = None


class ExpiringToken(Shape, frozen=True):
    object_attributes: TokenAttributes
    project: Project | None = None
    group: GroupOfToken | None = None


def expiring(body: ExpiringToken, at: Circumstances) -> Iterator[Draft]:
    token = body.object_attributes
    path = body.project.path_with_namespace if body.project else None
    group = (body.group.full_path or body.group.group_path) if body.group else None
    yield Draft(
        action="identity.expiry.announced",
        time=at.received,
        actor=UNKNOWN,
        place=Place(raw=Raw(repository=path or None, account=group or None)),
        targets=(Target(type="access_token", id=str(token.id), name=token.name or None),),
        access=Access(
            permission="access_token",
            resource=path or group or None,
            expires=_expires(token.expires_at),
        ),
        links=Links(repository=path) if path else None,
    )


class PromotionAttributes(Shape, frozen=True):
    new_access_level: int | None = None


class Promotion(Shape, frozen=True):
    """A role that costs a seat, which an administrator has to allow; people are numbers here."""

    user_id: int
    object_attributes: PromotionAttributes
    requested_by_user_id: int | None = None
    reviewed_by_user_id: int | None = None
    updated_at: str | None = None


_PROMOTIONS: Final[dict[str, tuple[str, Outcome | None]]] = {
    "gitlab_subscription_member_approval.enqueue": ("access.requested", None),
    "gitlab_subscription_member_approvals.approve": ("access.granted", None),
    "gitlab_subscription_member_approvals.deny": ("access.requested", "denied"),
}
PROMOTIONS: Final = tuple(_PROMOTIONS)


def promoted(body: Promotion, at: Circumstances) -> Iterator[Draft]:
    action, outcome = _PROMOTIONS[at.kind]
    is_asked = at.kind.endswith(".enqueue")
    by = body.requested_by_user_id if is_asked else body.reviewed_by_user_id
    role = _ROLES.get(body.object_attributes.new_access_level or 0, "unknown")
    yield Draft(
        action=action,
        outcome=outcome,
        time=moment(body.updated_at, "updated_at") or at.received,
        actor=account(None, by),
        targets=(somebody(None, body.user_id),),
        access=Access(permission=role),
    )
