"""GitHub's webhooks on packages.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from deploytrail.event import Artifact, Target
from deploytrail.kit.draft import Draft
from deploytrail.kit.shape import Shape
from deploytrail.kit.source import Circumstances, Kind
from deploytrail.sources.github_shapes import (
    Account,
    Organization,
    Repository,
    Time,
    actor,
    links,
    moment,
    place,
)


class Digested(Shape, frozen=True):
    digest: str | None = None
    name: str | None = None


class ContainerMetadata(Shape, frozen=True):
    tag: Digested | None = None
    manifest: Digested | None = None


class Version(Shape, frozen=True):
    version: str
    target_oid: str | None = None
    container_metadata: ContainerMetadata | None = None


class Registry(Shape, frozen=True):
    url: str | None = None


class Package(Shape, frozen=True):
    name: str
    namespace: str | None = None
    package_type: str | None = None
    html_url: str | None = None
    updated_at: Time | None = None
    package_version: Version | None = None
    registry: Registry | None = None


class _Published(Shape, frozen=True):
    sender: Account
    repository: Repository | None = None
    organization: Organization | None = None


class Published(_Published, frozen=True, kw_only=True):
    package: Package


class Registered(_Published, frozen=True, kw_only=True):
    registry_package: Package


def package(body: Published, at: Circumstances) -> Iterator[Draft]:
    yield _draft(body, body.package, at)


def registry_package(body: Registered, at: Circumstances) -> Iterator[Draft]:
    yield _draft(body, body.registry_package, at)


def _draft(body: _Published, said: Package, at: Circumstances) -> Draft:
    verb = "published" if at.kind.endswith(".published") else "tagged"
    version = said.package_version
    digest = _digest(version)
    return Draft(
        action=f"build.artifact.{verb}",
        time=moment(said.updated_at, at),
        actor=actor(body.sender),
        place=place(body.repository, organization=body.organization),
        targets=(Target(type="package", id=_name(said), digest=digest),),
        links=links(body.repository, sha=version.target_oid if version else None),
        artifact=Artifact(
            type=(said.package_type or "package").lower(),
            id=_name(said),
            digest=digest,
            version=_tag(version),
            registry=said.registry.url if said.registry else None,
        ),
        url=said.html_url,
    )


def _name(said: Package) -> str:
    return f"{said.namespace}/{said.name}" if said.namespace else said.name


def _digest(version: Version | None) -> str | None:
    """Of a container: of its manifest, which is its version where there is no more."""
    if version is None:
        return None
    metadata = version.container_metadata
    if metadata and metadata.manifest and metadata.manifest.digest:
        return metadata.manifest.digest
    return version.version if version.version.startswith("sha256:") else None


def _tag(version: Version | None) -> str | None:
    if version is None:
        return None
    metadata = version.container_metadata
    name = metadata.tag.name if metadata and metadata.tag else None
    return name or version.version


KINDS: Final[Mapping[str, Kind[Any]]] = {
    **{f"package.{verb}": Kind(Published, package) for verb in ("published", "updated")},
    **{
        f"registry_package.{verb}": Kind(Registered, registry_package)
        for verb in ("published", "updated")
    },
}
