"""GitHub's webhooks on repositories: made, changed, protected, released.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Raw

from deploytrail.errors import Malformed
from deploytrail.event import Artifact, Change, Reason, Target
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
    commit,
    differences,
    json_text,
    links,
    moment,
    place,
    quoted,
)


class Fork(Sent, frozen=True):
    forkee: Repository


def fork(body: Fork, at: Circumstances) -> Iterator[Draft]:
    yield _repository(
        "code.repository.forked", body, at, extra=(_target(body.forkee.full_name, "created"),)
    )


def _target(name: str, change: str | None = None) -> Target:
    return Target(type="repository", id=name, change=change)


def _repository(
    action: str,
    body: Sent,
    at: Circumstances,
    *,
    changes: tuple[Change, ...] = (),
    extra: tuple[Target, ...] = (),
) -> Draft:
    return Draft(
        action=action,
        time=at.received,
        actor=actor(body.sender),
        place=place(body.repository),
        targets=(_target(body.repository.full_name), *extra),
        changes=changes,
        links=links(body.repository),
        url=body.repository.html_url,
    )


_REPOSITORY: Final = {
    "public": "code.repository.exposed",
    "repository.created": "code.repository.created",
    "repository.deleted": "code.repository.deleted",
    "repository.archived": "code.repository.archived",
    "repository.unarchived": "code.repository.unarchived",
    "repository.publicized": "code.repository.exposed",
    "repository.privatized": "code.repository.hidden",
    "branch_protection_configuration.disabled": "code.protection.deleted",
    "branch_protection_configuration.enabled": "code.protection.created",
}


def repository(body: Sent, at: Circumstances) -> Iterator[Draft]:
    yield _repository(_REPOSITORY[at.kind], body, at)


class EditedRepository(Sent, frozen=True):
    changes: Differences


_EDITABLE: Final = "default_branch, description, homepage, topics"


def edited_repository(body: EditedRepository, at: Circumstances) -> Iterator[Draft]:
    if not body.changes:
        raise Malformed(f"body.changes: expected one of {_EDITABLE}, found none")
    now = {}
    if body.repository.default_branch is not None:
        now["default_branch"] = Raw(quoted(body.repository.default_branch).encode())
    action = "code.repository.updated"
    if "default_branch" in body.changes:
        action = "code.default_branch.changed"
    name = body.repository.default_branch
    extra = (Target(type="branch", id=name),) if action.startswith("code.default") else ()
    draft = _repository(action, body, at, changes=differences(body.changes, now), extra=extra)
    yield draft


class _Name(Shape, frozen=True, rename={"from_": "from"}):
    from_: str


class _RenamedName(Shape, frozen=True):
    name: _Name


class _RenamedChanges(Shape, frozen=True):
    repository: _RenamedName


class RenamedRepository(Sent, frozen=True):
    changes: _RenamedChanges


def renamed_repository(body: RenamedRepository, at: Circumstances) -> Iterator[Draft]:
    owner = body.repository.full_name.partition("/")[0]
    change = Change(
        path="full_name",
        op="update",
        old=quoted(f"{owner}/{body.changes.repository.name.from_}"),
        new=quoted(body.repository.full_name),
    )
    yield _repository("code.repository.renamed", body, at, changes=(change,))


class _OwnerFrom(Shape, frozen=True):
    user: Account | None = None
    organization: Account | None = None


class _Owner(Shape, frozen=True, rename={"from_": "from"}):
    from_: _OwnerFrom


class _TransferredChanges(Shape, frozen=True):
    owner: _Owner


class TransferredRepository(Sent, frozen=True):
    changes: _TransferredChanges


def transferred_repository(body: TransferredRepository, at: Circumstances) -> Iterator[Draft]:
    before = body.changes.owner.from_
    owner = before.user or before.organization
    change = Change(
        path="owner",
        op="update",
        old=quoted(owner.login) if owner else None,
        new=quoted(body.repository.full_name.partition("/")[0]),
    )
    yield _repository("code.repository.transferred", body, at, changes=(change,))


class Release(Shape, frozen=True):
    tag_name: str
    target_commitish: str | None = None
    name: str | None = None
    html_url: str | None = None
    created_at: Time | None = None
    published_at: Time | None = None


class Released(Sent, frozen=True):
    release: Release
    changes: Differences | None = None


_RELEASE: Final = {
    "release.created": "code.release.created",
    "release.published": "code.release.published",
    "release.edited": "code.release.updated",
    "release.unpublished": "code.release.updated",
    "release.deleted": "code.release.deleted",
}


def release(body: Released, at: Circumstances) -> Iterator[Draft]:
    said = body.release
    # `created_at` is the time of the commit, not of the release.
    time = said.published_at if at.kind == "release.published" else None
    yield Draft(
        action=_RELEASE[at.kind],
        time=moment(time, at),
        actor=actor(body.sender),
        place=place(body.repository),
        targets=(Target(type="release", id=said.tag_name, name=said.name),),
        changes=_release_changes(body, at.kind),
        links=links(body.repository, sha=said.target_commitish, ref=said.tag_name),
        artifact=Artifact(type="release", id=said.tag_name, version=said.tag_name),
        url=said.html_url,
    )


def _release_changes(body: Released, kind: str) -> tuple[Change, ...]:
    if kind == "release.unpublished":
        return (Change(path="published", op="update", old="true", new="false"),)
    name = Raw(quoted(body.release.name).encode()) if body.release.name else None
    return differences(body.changes or {}, {"name": name} if name else {})


class CommitComment(Shape, frozen=True):
    commit_id: str
    body: str | None = None
    html_url: str | None = None
    created_at: Time | None = None


class CommentedCommit(Sent, frozen=True):
    comment: CommitComment


def commented_commit(body: CommentedCommit, at: Circumstances) -> Iterator[Draft]:
    said = body.comment
    yield Draft(
        action="code.commit.commented",
        time=moment(said.created_at, at),
        actor=actor(body.sender),
        place=place(body.repository),
        targets=(Target(type="commit", id=said.commit_id, digest=commit(said.commit_id)),),
        reason=Reason(from_="stated", text=said.body) if said.body else None,
        links=links(body.repository, sha=said.commit_id),
        url=said.html_url,
    )


class ProtectedBranch(Sent, frozen=True):
    rule: dict[str, Raw]
    changes: Differences | None = None


_NO_SETTINGS: Final = frozenset({"id", "repository_id", "name", "created_at", "updated_at"})
_VERBS: Final = {"created": "created", "edited": "updated", "deleted": "deleted"}


def protection(body: ProtectedBranch, at: Circumstances) -> Iterator[Draft]:
    verb = _VERBS[at.kind.rpartition(".")[2]]
    name = json_text(body.rule.get("name"))
    if name is None or not name.startswith('"'):
        raise Malformed("body.rule.name: is missing")
    yield Draft(
        action=f"code.protection.{verb}",
        time=at.received,
        actor=actor(body.sender),
        place=place(body.repository),
        targets=(Target(type="protection", id=name[1:-1]),),
        changes=_protection_changes(body, verb),
        links=links(body.repository),
    )


def _protection_changes(body: ProtectedBranch, verb: str) -> tuple[Change, ...]:
    if verb == "updated":
        return differences(body.changes or {}, body.rule)
    said = [(name, json_text(value)) for name, value in body.rule.items()]
    said = [(name, text) for name, text in said if name not in _NO_SETTINGS]
    if verb == "created":
        return tuple(Change(path=name, op="add", new=text) for name, text in said)
    return tuple(Change(path=name, op="remove", old=text) for name, text in said)


class Ruleset(Shape, frozen=True):
    id: int
    name: str
    enforcement: str
    source: str | None = None
    rules: Raw = Raw(b"null")


class RulesetChanged(Shape, frozen=True):
    repository_ruleset: Ruleset
    sender: Account
    repository: Repository | None = None
    organization: Organization | None = None
    changes: Differences | None = None


def ruleset(body: RulesetChanged, at: Circumstances) -> Iterator[Draft]:
    said = body.repository_ruleset
    verb = _VERBS[at.kind.rpartition(".")[2]]
    yield Draft(
        action=f"code.ruleset.{verb}",
        time=at.received,
        actor=actor(body.sender),
        place=place(body.repository, organization=body.organization),
        targets=(Target(type="ruleset", id=str(said.id), name=said.name),),
        changes=_ruleset_changes(body, verb),
        links=links(body.repository),
    )


def _ruleset_changes(body: RulesetChanged, verb: str) -> tuple[Change, ...]:
    said = body.repository_ruleset
    enforcement, rules = quoted(said.enforcement), json_text(said.rules)
    if verb == "created":
        return (
            Change(path="enforcement", op="add", new=enforcement),
            Change(path="rules", op="add", new=rules),
        )
    if verb == "deleted":
        return (
            Change(path="enforcement", op="remove", old=enforcement),
            Change(path="rules", op="remove", old=rules),
        )
    return tuple(_ruleset_change(name, each, said) for name, each in (body.changes or {}).items())


def _ruleset_change(name: str, change: Mapping[str, Raw], said: Ruleset) -> Change:
    """`name` and `enforcement` have `from`; conditions and rules what was added and taken away."""
    if "from" in change:
        now = {"name": said.name, "enforcement": said.enforcement}.get(name)
        new = quoted(now) if now is not None else None
        return Change(path=name, op="update", old=json_text(change["from"]), new=new)
    parts = ",".join(f"{quoted(key)}:{json_text(part)}" for key, part in change.items())
    return Change(path=name, op="update", new="{" + parts + "}")


class PropertyValues(Sent, frozen=True):
    new_property_values: tuple[dict[str, Raw], ...]
    old_property_values: tuple[dict[str, Raw], ...] = ()


def property_values(body: PropertyValues, at: Circumstances) -> Iterator[Draft]:
    old, new = _values(body.old_property_values), _values(body.new_property_values)
    changes = tuple(
        Change(path=f"properties.{name}", op="update", old=old.get(name), new=value)
        for name, value in new.items()
    )
    yield _repository("code.repository.updated", body, at, changes=changes)


def _values(said: tuple[dict[str, Raw], ...]) -> dict[str, str | None]:
    return {
        (json_text(each.get("property_name")) or "").strip('"'): json_text(each.get("value"))
        for each in said
    }


KINDS: Final[Mapping[str, Kind[Any]]] = {
    "fork": Kind(Fork, fork),
    **{kind: Kind(Sent, repository) for kind in _REPOSITORY},
    "repository.edited": Kind(EditedRepository, edited_repository),
    "repository.renamed": Kind(RenamedRepository, renamed_repository),
    "repository.transferred": Kind(TransferredRepository, transferred_repository),
    **{kind: Kind(Released, release) for kind in _RELEASE},
    "commit_comment.created": Kind(CommentedCommit, commented_commit),
    **{f"branch_protection_rule.{verb}": Kind(ProtectedBranch, protection) for verb in _VERBS},
    **{f"repository_ruleset.{verb}": Kind(RulesetChanged, ruleset) for verb in _VERBS},
    "custom_property_values.updated": Kind(PropertyValues, property_values),
}
