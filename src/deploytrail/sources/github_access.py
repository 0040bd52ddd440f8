"""GitHub's webhooks on people, teams, organisations, apps, keys, tokens and hooks.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Raw

from deploytrail.event import Access, Change, Target
from deploytrail.kit.draft import Draft
from deploytrail.kit.shape import Shape
from deploytrail.kit.source import Circumstances, Kind
from deploytrail.sources.github_shapes import (
    Account,
    Differences,
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


KINDS: Final[Mapping[str, Kind[Any]]] = {
    **{kind: Kind(Membership, member) for kind in _MEMBER},
    **{kind: Kind(Grouped, membership) for kind in _MEMBERSHIP},
    **{kind: Kind(TeamChanged, team) for kind in _TEAM},
    **{kind: Kind(TeamGiven, team_given) for kind in _GIVEN},
    **{kind: Kind(OrganizationMember, organization_member) for kind in _ORGANIZATION},
    "organization.member_invited": Kind(Invited, invited),
    **{kind: Kind(OrganizationChanged, organization) for kind in _ACCOUNT},
}
