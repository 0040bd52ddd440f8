"""GitHub's webhooks on apps, tokens, keys and hooks.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

from deploytrail.event import Access, Approval, Change, Reason, Target
from deploytrail.kit.draft import Draft, Place
from deploytrail.kit.shape import Shape
from deploytrail.kit.source import Circumstances, Kind
from deploytrail.sources.github_access import OfOrganization
from deploytrail.sources.github_shapes import (
    REALM,
    Account,
    Organization,
    Repository,
    Sent,
    Time,
    actor,
    links,
    moment,
    person,
    place,
    principal,
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
