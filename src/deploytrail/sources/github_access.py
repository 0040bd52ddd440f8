"""GitHub's webhooks on people, teams, organisations, apps, keys, tokens and hooks.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import msgspec
from msgspec import Raw

from deploytrail.event import Access, Approval, Change, Reason, Target
from deploytrail.kit.draft import Draft, Place
from deploytrail.kit.shape import Shape
from deploytrail.kit.source import Circumstances, Kind
from deploytrail.sources.github_code import Differences
from deploytrail.sources.github_shapes import (
    REALM,
    Account,
    Organization,
    Repository,
    Sent,
    Time,
    actor,
    differences,
    json_text,
    links,
    moment,
    person,
    place,
    principal,
    quoted,
)


class OfOrganization(Shape, frozen=True):
    sender: Account
    organization: Organization


class Membership(Sent, frozen=True):
    """docs.github.com/en/webhooks/webhook-events-and-payloads#member"""

    member: Account
    changes: dict[str, dict[str, Raw]] | None = None


_MEMBER: Final = {
    "member.added": "access.collaborator.added",
    "member.edited": "access.updated",
    "member.removed": "access.collaborator.removed",
}


def member(body: Membership, at: Circumstances) -> Iterator[Draft]:
    changes = body.changes or {}
    permission = changes.get("permission") or changes.get("role_name") or {}
    given = (json_text(permission.get("to")) or "").strip('"')
    yield Draft(
        action=_MEMBER[at.kind],
        time=at.received,
        actor=actor(body.sender),
        place=place(body.repository),
        targets=(person(body.member),),
        changes=differences(changes, {}),
        links=links(body.repository),
        access=Access(permission=given or "collaborator", resource=body.repository.full_name),
    )


class Team(Shape, frozen=True):
    name: str
    slug: str | None = None
    permission: str | None = None


class Grouped(OfOrganization, frozen=True):
    member: Account
    team: Team


_MEMBERSHIP: Final = {
    "membership.added": "access.group.joined",
    "membership.removed": "access.group.left",
}


def membership(body: Grouped, at: Circumstances) -> Iterator[Draft]:
    yield Draft(
        action=_MEMBERSHIP[at.kind],
        time=at.received,
        actor=actor(body.sender),
        place=place(None, organization=body.organization),
        targets=(person(body.member), _team(body.organization, body.team)),
    )


def _team(organization: Organization, team: Team) -> Target:
    return Target(type="team", id=f"{organization.login}/{team.slug or team.name}")


class TeamChanged(OfOrganization, frozen=True):
    team: Team
    repository: Repository | None = None
    changes: dict[str, Raw] | None = None


_TEAM: Final = {
    "team.created": "access.group.created",
    "team.edited": "access.group.updated",
    "team.deleted": "access.group.deleted",
}


def team(body: TeamChanged, at: Circumstances) -> Iterator[Draft]:
    yield Draft(
        action=_TEAM[at.kind],
        time=at.received,
        actor=actor(body.sender),
        place=place(body.repository, organization=body.organization),
        targets=(_team(body.organization, body.team),),
        changes=tuple(
            Change(path=name, op="update", new=json_text(value))
            for name, value in (body.changes or {}).items()
        ),
    )


class TeamGiven(OfOrganization, frozen=True):
    team: Team
    repository: Repository


_GIVEN: Final = {
    "team_add": "access.granted",
    "team.added_to_repository": "access.granted",
    "team.removed_from_repository": "access.revoked",
}


def team_given(body: TeamGiven, at: Circumstances) -> Iterator[Draft]:
    yield Draft(
        action=_GIVEN[at.kind],
        time=at.received,
        actor=actor(body.sender),
        place=place(body.repository),
        targets=(_team(body.organization, body.team),),
        links=links(body.repository),
        access=Access(
            permission=body.team.permission or "unknown", resource=body.repository.full_name
        ),
    )


class OrganizationMembership(Shape, frozen=True):
    user: Account
    role: str | None = None


class OrganizationMember(OfOrganization, frozen=True):
    membership: OrganizationMembership


_ORGANIZATION: Final = {
    "organization.member_added": "access.member.added",
    "organization.member_removed": "access.member.removed",
}


def organization_member(body: OrganizationMember, at: Circumstances) -> Iterator[Draft]:
    said = body.membership
    yield Draft(
        action=_ORGANIZATION[at.kind],
        time=at.received,
        actor=actor(body.sender),
        place=place(None, organization=body.organization),
        targets=(person(said.user),),
        access=Access(permission=said.role or "member", resource=body.organization.login),
    )


class Invitation(Shape, frozen=True):
    login: str | None = None
    role: str | None = None
    created_at: Time | None = None


class Invited(OfOrganization, frozen=True):
    invitation: Invitation


def invited(body: Invited, at: Circumstances) -> Iterator[Draft]:
    """Who is invited by address has no name yet."""
    said = body.invitation
    yield Draft(
        action="access.invitation.sent",
        time=moment(said.created_at, at),
        actor=actor(body.sender),
        place=place(None, organization=body.organization),
        targets=(person(Account(login=said.login)),) if said.login else (),
        access=Access(permission=said.role or "member", resource=body.organization.login),
    )


class OrganizationChanged(OfOrganization, frozen=True):
    changes: Differences | None = None


_ACCOUNT: Final = {
    "organization.renamed": "environment.account.updated",
    "organization.deleted": "environment.account.closed",
}


def organization(body: OrganizationChanged, at: Circumstances) -> Iterator[Draft]:
    now = {"login": Raw(quoted(body.organization.login).encode())}
    yield Draft(
        action=_ACCOUNT[at.kind],
        time=at.received,
        actor=actor(body.sender),
        place=place(None, organization=body.organization),
        targets=(Target(type="organization", id=body.organization.login),),
        changes=differences(body.changes or {}, now),
    )


class Installation(Shape, frozen=True):
    id: int
    account: Account
    app_slug: str | None = None
    app_id: int | None = None
    permissions: dict[str, str] | None = None
    repository_selection: str | None = None
    created_at: Time | int | None = None
    suspended_at: Time | int | None = None


class InstalledRepository(Shape, frozen=True):
    full_name: str


class Installed(Shape, frozen=True):
    installation: Installation
    sender: Account
    repositories: tuple[InstalledRepository, ...] = ()
    requester: Account | None = None


_INSTALLATION: Final = {
    "installation.created": "integration.app.installed",
    "installation.deleted": "integration.app.removed",
    "installation.suspend": "integration.app.suspended",
    "installation.unsuspend": "integration.app.resumed",
    "installation.new_permissions_accepted": "integration.app.updated",
}


def _app(said: Installation) -> Target:
    name = said.app_slug or (f"app {said.app_id}" if said.app_id is not None else None)
    return Target(type="app", id=name or f"installation {said.id}")


def _repositories(some: tuple[InstalledRepository, ...], change: str) -> Iterator[Target]:
    return (Target(type="repository", id=each.full_name, change=change) for each in some)


def installation(body: Installed, at: Circumstances) -> Iterator[Draft]:
    said, verb = body.installation, at.kind.partition(".")[2]
    is_given = verb in {"created", "new_permissions_accepted"}
    time = {"created": said.created_at, "suspend": said.suspended_at}.get(verb)
    yield Draft(
        action=_INSTALLATION[at.kind],
        time=moment(time, at),
        actor=actor(body.sender),
        on_behalf_of=principal(body.requester, body.sender),
        place=place(None, organization=Organization(said.account.login)),
        targets=(_app(said), *_repositories(body.repositories, verb)),
        changes=tuple(
            Change(path=f"permissions.{name}", op="update", new=f'"{level}"')
            for name, level in (said.permissions or {}).items()
        )
        if is_given
        else (),
        access=Access(
            permission=said.repository_selection or "selected", resource=said.account.login
        ),
    )


class InstalledOn(Shape, frozen=True):
    installation: Installation
    sender: Account
    repositories_added: tuple[InstalledRepository, ...] = ()
    repositories_removed: tuple[InstalledRepository, ...] = ()
    requester: Account | None = None


def installed_on(body: InstalledOn, at: Circumstances) -> Iterator[Draft]:
    said = body.installation
    yield Draft(
        action="integration.app.updated",
        time=at.received,
        actor=actor(body.sender),
        on_behalf_of=principal(body.requester, body.sender),
        place=place(None, organization=Organization(said.account.login)),
        targets=(
            _app(said),
            *_repositories(body.repositories_added, "added"),
            *_repositories(body.repositories_removed, "removed"),
        ),
        access=Access(
            permission=said.repository_selection or "selected", resource=said.account.login
        ),
    )


class Sender(Shape, frozen=True):
    sender: Account


def authorization_revoked(body: Sender, at: Circumstances) -> Iterator[Draft]:
    """Of the app whose webhook this is."""
    yield Draft(
        action="identity.app.revoked",
        time=at.received,
        actor=actor(body.sender),
        targets=(person(body.sender),),
    )


class TokenRequest(Shape, frozen=True):
    id: int
    owner: Account
    token_name: str | None = None
    reason: str | None = None
    permissions_result: dict[str, dict[str, str]] | None = None
    repository_selection: str | None = None
    token_expires_at: Time | None = None
    created_at: Time | None = None


class TokenAsked(OfOrganization, frozen=True):
    personal_access_token_request: TokenRequest


_Decision = Literal["requested", "granted", "rejected", "dismissed"]
_TOKEN: Final[Mapping[str, tuple[str, _Decision]]] = {
    "personal_access_token_request.created": ("access.requested", "requested"),
    "personal_access_token_request.approved": ("access.granted", "granted"),
    "personal_access_token_request.denied": ("access.denied", "rejected"),
    "personal_access_token_request.cancelled": ("approval.withdrawn", "dismissed"),
}


def token_asked(body: TokenAsked, at: Circumstances) -> Iterator[Draft]:
    """`reason` is what the owner of the token wrote."""
    said = body.personal_access_token_request
    action, decision = _TOKEN[at.kind]
    is_asked = decision == "requested"
    yield Draft(
        action=action,
        time=moment(said.created_at if is_asked else None, at),
        actor=actor(body.sender),
        place=place(None, organization=body.organization),
        targets=(
            Target(type="personal_access_token_request", id=str(said.id), name=said.token_name),
            person(said.owner),
        ),
        changes=tuple(
            Change(path=f"permissions.{kind}.{name}", op="update", new=f'"{level}"')
            for kind, some in (said.permissions_result or {}).items()
            for name, level in some.items()
        ),
        reason=Reason(from_="stated", text=said.reason) if said.reason and is_asked else None,
        approval=Approval(decision=decision, request=str(said.id)),
        access=Access(
            permission="personal_access_token",
            resource=body.organization.login,
            expires=moment(said.token_expires_at, at) if said.token_expires_at else None,
        ),
    )


class Key(Shape, frozen=True):
    id: int
    title: str
    read_only: bool
    created_at: Time | None = None


class DeployKey(Sent, frozen=True):
    key: Key


def deploy_key(body: DeployKey, at: Circumstances) -> Iterator[Draft]:
    said, verb = body.key, at.kind.partition(".")[2]
    yield Draft(
        action=f"access.deploy_key.{verb}",
        time=moment(said.created_at if verb == "created" else None, at),
        actor=actor(body.sender),
        place=place(body.repository),
        targets=(Target(type="deploy_key", id=str(said.id), name=said.title),),
        links=links(body.repository),
        access=Access(
            permission="read" if said.read_only else "write", resource=body.repository.full_name
        ),
    )


class Hook(Shape, frozen=True):
    id: int
    type: str | None = None
    active: bool | None = None
    events: tuple[str, ...] = ()
    app_id: int | None = None
    updated_at: Time | None = None


class Hooked(Shape, frozen=True):
    """A repository's, an organisation's or an app's; `sender` of an app's is nobody."""

    hook: Hook
    sender: Account | None = None
    repository: Repository | None = None
    organization: Organization | None = None


_HOOK: Final = {
    "ping": "integration.webhook.tested",
    "meta.deleted": "integration.webhook.deleted",
}


def hooked(body: Hooked, at: Circumstances) -> Iterator[Draft]:
    yield Draft(
        action=_HOOK[at.kind],
        time=at.received,
        actor=actor(body.sender),
        place=_hook_place(body),
        targets=(Target(type="webhook", id=str(body.hook.id)),),
        changes=(
            Change(path="events", op="read", new=msgspec.json.encode(body.hook.events).decode()),
        ),
        links=links(body.repository) if body.repository else None,
    )


def _hook_place(body: Hooked) -> Place:
    return place(body.repository, organization=body.organization)


class User(Shape, frozen=True):
    sender: Account
    user: Account


_USER: Final = {"user.created": "identity.user.created", "user.deleted": "identity.user.deleted"}


def user(body: User, at: Circumstances) -> Iterator[Draft]:
    """GitHub Enterprise Server alone tells of these."""
    yield Draft(
        action=_USER[at.kind],
        time=at.received,
        actor=actor(body.sender),
        targets=(Target(type="user", name=f"{REALM}:{body.user.login}"),),
    )


KINDS: Final[Mapping[str, Kind[Any]]] = {
    **{kind: Kind(Membership, member) for kind in _MEMBER},
    **{kind: Kind(Grouped, membership) for kind in _MEMBERSHIP},
    **{kind: Kind(TeamChanged, team) for kind in _TEAM},
    **{kind: Kind(TeamGiven, team_given) for kind in _GIVEN},
    **{kind: Kind(OrganizationMember, organization_member) for kind in _ORGANIZATION},
    "organization.member_invited": Kind(Invited, invited),
    **{kind: Kind(OrganizationChanged, organization) for kind in _ACCOUNT},
    **{kind: Kind(Installed, installation) for kind in _INSTALLATION},
    "installation_repositories.added": Kind(InstalledOn, installed_on),
    "installation_repositories.removed": Kind(InstalledOn, installed_on),
    "github_app_authorization.revoked": Kind(Sender, authorization_revoked),
    **{kind: Kind(TokenAsked, token_asked) for kind in _TOKEN},
    "deploy_key.created": Kind(DeployKey, deploy_key),
    "deploy_key.deleted": Kind(DeployKey, deploy_key),
    **{kind: Kind(Hooked, hooked) for kind in _HOOK},
    **{kind: Kind(User, user) for kind in _USER},
}
