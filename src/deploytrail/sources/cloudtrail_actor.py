"""Who called AWS: the actor, who stands behind it, and the run of which its session tells.

Pure. A role is a service; the name of its session is what whoever took the role chose to say, so a
person named there is claimed. Sessions of IAM Identity Center are named by AWS itself. Source: AWS
CloudTrail User Guide, "CloudTrail userIdentity element".
"""

from __future__ import annotations

import hashlib
import re
from typing import Final, NamedTuple

from deploytrail.event import Actor, ActorType
from deploytrail.kit.draft import CLAIMED, UNKNOWN
from deploytrail.sources.cloudtrail_shape import Identity

_HIDDEN: Final = "HIDDEN_DUE_TO_SECURITY_REASONS"
"""What CloudTrail writes for the name in a failed sign-in: it may be a password."""
_SSO_ROLE: Final = "AWSReservedSSO_"
"""Of a role that only IAM Identity Center can hand out, and names the session by the person."""
_SERVICE_ROLE: Final = "AWSServiceRoleFor"

_arn_role = re.compile(r"assumed-role/([^/]+)(?:/(.+))?$").search
_github_subject = re.compile(
    r"repo:([\w.-]+)(?:@\d+)?/([\w.-]+?)(?:@\d+)?:(?:(ref|environment):)?(.*)", re.DOTALL
).fullmatch
_gitlab_subject = re.compile(r"project_path:([\w./-]+):ref_type:\w+:ref:(.+)", re.DOTALL).fullmatch
_hcp_subject = re.compile(r"organization:([^:]+):project:[^:]*:workspace:([^:]+):.*").fullmatch
_github_session = re.compile(r"github=([\w.-]+)=([\w.-]+)=(\d{1,20})").fullmatch
_gitlab_session = re.compile(r"gitlab=([\w.-]+(?:=[\w.-]+)+)=(\d{1,20})").fullmatch
_hcp_session = re.compile(r"(?:.*-)?(run-[A-Za-z0-9]{16})").fullmatch


class Work(NamedTuple):
    """What a session, or the token that it began with, tells of the work behind it."""

    run: str | None = None
    repository: str | None = None
    ref: str | None = None
    environment: str | None = None
    workspace: str | None = None


class Who(NamedTuple):
    """`session` is a role's session by its name, `trace` what its events have in common."""

    actor: Actor
    on_behalf_of: Actor | None = None
    session: str | None = None
    trace: str | None = None
    work: Work = Work()


def who(identity: Identity | None, account: str | None) -> Who:
    """Whoever called; `account` is that of the event, where the identity tells none."""
    if identity is None:
        return Who(UNKNOWN)
    home = identity.account_id or account or "unknown"
    kind = identity.type
    if kind == "AssumedRole" or kind == "Role":
        return _role(identity, home)
    if kind == "IAMUser" or kind == "SAMLUser":
        word = "user" if kind == "IAMUser" else "saml"
        return Who(_person(home, word, identity.user_name or _tail(identity.arn)))
    if kind == "Root" or is_root(identity):
        return Who(Actor(type="user", id=f"aws:{home}:root", name="root"))
    if kind == "WebIdentityUser":
        return _web_identity(identity, home)
    if kind == "FederatedUser":
        return _federated(identity, home)
    if kind == "IdentityCenterUser":
        return Who(_center(identity, home) or UNKNOWN)
    return Who(_other(identity, home))


def is_root(identity: Identity | None) -> bool:
    """Whether the all-powerful account itself acted, and no service in its name."""
    if identity is None or identity.invoked_by:
        return False
    return identity.type == "Root" or bool(identity.arn and identity.arn.endswith(":root"))


def _other(identity: Identity, home: str) -> Actor:
    if identity.type == "AWSAccount" and identity.account_id:
        return Actor(type="unknown", id=f"aws:{identity.account_id}", name=identity.principal_id)
    if identity.invoked_by and identity.type in {None, "AWSService"}:
        return Actor(type="system", id=f"aws:{identity.invoked_by}", name=identity.invoked_by)
    if identity.type == "AWSService":
        return Actor(type="system", id="aws:service")
    name = identity.user_name or _tail(identity.arn) or identity.principal_id
    return Actor(type="unknown", id=f"aws:{home}:{name}", name=name) if name else UNKNOWN


def _person(home: str, word: str, name: str | None) -> Actor:
    if not name or name == _HIDDEN:
        return UNKNOWN
    return Actor(type="user", id=f"aws:{home}:{word}/{name}", name=name)


def _role(identity: Identity, home: str) -> Who:
    context = identity.session_context
    issuer = context.session_issuer if context else None
    found = _arn_role(identity.arn or "")
    role = (issuer and issuer.user_name) or (found[1] if found else None)
    session = found[2] if found else None
    if not session and identity.principal_id and ":" in identity.principal_id:
        session = identity.principal_id.partition(":")[2]
    if not role:
        return Who(_person(home, "session", session), session=session)
    if role.startswith(_SSO_ROLE) and session:
        person = Actor(type="user", id=f"aws:{home}:sso/{session}", name=session, roles=(role,))
        return Who(person)
    kind: ActorType = "system" if role.startswith(_SERVICE_ROLE) else "service"
    actor = Actor(type=kind, id=f"aws:{home}:role/{role}", name=role, roles=(role,))
    behind = _center(identity, home) or _behind(
        home, context.source_identity if context else None, session
    )
    return Who(actor, behind, session, _trace(home, role, session), work_of_session(session))


def _behind(home: str, source: str | None, session: str | None) -> Actor | None:
    # A source identity stays the same through every change of role, so it says who it was.
    if source:
        return Actor(type="user", id=f"aws:{home}:source/{source}", name=source)
    if session and "@" in session:
        return Actor(type="user", id=f"aws:{home}:session/{session}", name=session, auth=CLAIMED)
    return None


def _trace(home: str, role: str, session: str | None) -> str | None:
    return session_trace(home, role, session) if session else None


def session_trace(home: str, role: str, session: str) -> str:
    """One id for all events of a session. A hash, since a session's name may be a person's."""
    whole = f"{home}/{role}/{session}".encode("utf-8", "surrogatepass")
    return f"aws-session:{hashlib.sha256(whole).hexdigest()[:32]}"


def _center(identity: Identity, home: str) -> Actor | None:
    """The person of IAM Identity Center for whom somebody acts."""
    person = identity.on_behalf_of
    if person is None or not person.user_id:
        return None
    store = _tail(person.identity_store_arn) or home
    return Actor(type="user", id=f"aws:{store}:user/{person.user_id}", name=identity.user_name)


def _federated(identity: Identity, home: str) -> Who:
    """Named by whoever asked for the token: that user is answerable."""
    context = identity.session_context
    issuer = context.session_issuer if context else None
    actor = _person(home, "federated-user", _tail(identity.arn) or identity.user_name)
    behind = _person(home, "user", issuer.user_name) if issuer and issuer.user_name else None
    return Who(actor, behind)


def _web_identity(identity: Identity, home: str) -> Who:
    """Somebody whom another provider vouched for: a job of CI, or a person."""
    subject = identity.user_name or ""
    provider = (identity.identity_provider or "").rpartition("oidc-provider/")[2] or "unknown"
    work = work_of_subject(subject)
    if not subject or subject == _HIDDEN:
        return Who(UNKNOWN)
    kind: ActorType = "unknown" if work == Work() else "service"
    return Who(Actor(type=kind, id=f"aws:{home}:{provider}/{subject}", name=subject), work=work)


def work_of_subject(subject: str) -> Work:
    """Of the `sub` of a token of GitHub Actions, GitLab CI or HCP Terraform."""
    found = _github_subject(subject)
    if found is not None:
        owner, name, word, rest = found.groups()
        return Work(
            repository=f"{owner}/{name}",
            ref=rest if word == "ref" else None,
            environment=rest if word == "environment" else None,
        )
    found = _gitlab_subject(subject)
    if found is not None:
        return Work(repository=found[1], ref=found[2])
    found = _hcp_subject(subject)
    return Work(workspace=f"{found[1]}/{found[2]}") if found else Work()


def work_of_session(session: str | None) -> Work:
    """Of the name of a session, in the forms that our page asks for, or HCP Terraform's own."""
    if not session:
        return Work()
    found = _github_session(session)
    if found is not None:
        repository = f"{found[1]}/{found[2]}"
        return Work(f"github:{repository}/actions/runs/{found[3]}", repository)
    found = _gitlab_session(session)
    if found is not None:
        project = found[1].replace("=", "/")
        return Work(f"gitlab:{project}/pipelines/{found[2]}", project)
    found = _hcp_session(session)
    return Work(f"hcp_terraform:{found[1]}") if found else Work()


def _tail(arn: str | None) -> str | None:
    return arn.rpartition("/")[2].rpartition(":")[2] or None if arn else None
