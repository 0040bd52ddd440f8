"""What attributes of OpenTelemetry say of who, where, what and which.

Pure. Names are those of the Semantic Conventions' attribute registry, the present ones first and
then those that they replaced.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from deploytrail.event import Actor, Artifact, Links, Raw, Target
from deploytrail.formats import forge_url
from deploytrail.kit.draft import UNKNOWN, Place

DEPLOYMENT_STATUS: Final = "deployment.status"
TASK_RESULT: Final = "cicd.pipeline.task.run.result"
PIPELINE_RESULT: Final = "cicd.pipeline.result"
PIPELINE_STATE: Final = "cicd.pipeline.run.state"
_REALM: Final = "otlp"
_COMMIT: Final = re.compile("(?:[0-9a-f]{40}|[0-9a-f]{64})")
_SHA256: Final = re.compile("(?:sha256:)?([0-9a-fA-F]{64})")


class Attributes(NamedTuple):
    """Those of the log itself, and those of what sent it."""

    own: Mapping[str, Any]
    resource: Mapping[str, Any]

    def own_text(self, name: str) -> str | None:
        return _text(self.own.get(name))

    def of(self, *names: str) -> str | None:
        """The first that is there, the log's own before its sender's."""
        for name in names:
            found = _text(self.own.get(name)) or _text(self.resource.get(name))
            if found is not None:
                return found
        return None


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value.strip() or None
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_number else None


def actor(said: Attributes) -> Actor:
    """A person where one is named, else the service that sent the log."""
    someone = said.of("user.id", "enduser.id", "user.name", "user.email")
    if someone is not None:
        name = said.of("user.full_name", "user.name")
        return Actor(type="user", id=f"{_REALM}:{someone}", name=name)
    service = _text(said.resource.get("service.name"))
    return Actor(type="service", id=f"{_REALM}:{service}") if service else UNKNOWN


def place(said: Attributes) -> Place:
    """Where it happened: of what sent the log only its environment counts.

    The cluster and the service of a deployer's resource are those where it runs itself.
    """
    return Place(
        raw=Raw(
            repository=repository(said),
            account=said.own_text("cloud.account.id"),
            cluster=said.own_text("k8s.cluster.name"),
            namespace=said.own_text("k8s.namespace.name"),
            application=said.own_text("service.name"),
        ),
        environment=said.of("deployment.environment.name", "deployment.environment"),
    )


def targets(said: Attributes) -> tuple[Target, ...]:
    return tuple(_targets(said))


def _targets(said: Attributes) -> list[Target]:
    found = []
    for type_, id_, name in (
        ("deployment", "deployment.id", "deployment.name"),
        ("task", "cicd.pipeline.task.run.id", "cicd.pipeline.task.name"),
        ("pipeline", "cicd.pipeline.name", "cicd.pipeline.name"),
    ):
        if said.of(id_, name):
            found.append(Target(type=type_, id=said.of(id_, name), name=said.of(name)))
    application = said.own_text("service.name")
    return [*found, Target(type="application", id=application)] if application else found


def links(said: Attributes, trace: str | None) -> Links | None:
    commit = said.of("vcs.ref.head.revision", "vcs.repository.ref.revision")
    digest = said.own_text("artifact.hash")
    found = Links(
        run=_run(said),
        commit=commit if commit and _COMMIT.fullmatch(commit) else None,
        repository=repository(said),
        ref=said.of("vcs.ref.head.name", "vcs.repository.ref.name"),
        change_request=_change(said),
        artifact=_digest(digest),
        trace=trace,
    )
    return found if found != Links() else None


def repository(said: Attributes) -> str | None:
    """`OWNER/REPO`, as the tools themselves say it."""
    named = forge_url.repository(said.of("vcs.repository.url.full"))
    owner, name = said.of("vcs.owner.name"), said.of("vcs.repository.name")
    return named or (f"{owner}/{name}" if owner and name else None)


def _run(said: Attributes) -> str | None:
    """In the form that the tool's own source has, so that both tell of one run."""
    url = said.of("cicd.pipeline.run.url.full", "cicd.pipeline.task.run.url.full")
    id_ = said.of("cicd.pipeline.run.id")
    return forge_url.run(url) or (f"{_REALM}:{id_}" if id_ else None)


def _change(said: Attributes) -> str | None:
    id_, where = said.of("vcs.change.id"), repository(said)
    if not (id_ and where):
        return None
    sign = "!" if said.of("vcs.provider.name") == "gitlab" else "#"
    return f"{where}{sign}{id_}"


def _digest(text: str | None) -> str | None:
    found = _SHA256.fullmatch(text or "")
    return f"sha256:{found[1].lower()}" if found else None


def artifact(said: Attributes) -> Artifact | None:
    """Of the log itself: what a sender runs from, its resource says, is not what it tells of."""
    id_ = said.own_text("artifact.purl") or said.own_text("artifact.filename")
    digest = _digest(said.own_text("artifact.hash"))
    version = said.own_text("artifact.version")
    if not (id_ or digest):
        return None
    return Artifact(type="artifact", id=id_, digest=digest, version=version)
