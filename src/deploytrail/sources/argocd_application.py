"""What our notification template tells of an Argo CD application, as shapes, and where that is.

Pure. Argo CD sends no format of its own: files/argocd-notifications.yaml is the format. The
template always writes every field, null where Argo CD has nothing; so one that decides something
has no default here, even where it may be null.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import field

from deploytrail.event import Artifact, Links, Raw, Target, Time
from deploytrail.kit.draft import Place
from deploytrail.kit.shape import Shape

# With a scheme, or as scp has it; what stands before an @ may be a password, and is passed over.
_URL: Final = re.compile(
    r"(?:[a-z][a-z+]*://(?:[^/@]*@)?[^/@:]+(?::[0-9]+)?/|(?:[^/@:]+@)?[^/@:]+:(?!//))([^?#@:]+)"
)
_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_IMAGE: Final = re.compile(
    r"(?P<name>[^@]+?)(?::(?P<tag>[^:/@]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


class Application(Shape, frozen=True):
    name: str
    namespace: str
    project: str | None = None
    environment: str | None = None
    created: Time | None = field(name="createdAt", default=None)
    deleted: Time | None = field(name="deletedAt", default=None)


class Destination(Shape, frozen=True):
    server: str | None = None
    name: str | None = None
    namespace: str | None = None


class Origin(Shape, frozen=True):
    """One of `spec.sources`, or `spec.source`."""

    url: str | None = field(name="repoURL", default=None)
    path: str | None = None
    chart: str | None = None


class Sync(Shape, frozen=True):
    """What the application is compared with: `revisions` where it has several sources."""

    status: str | None
    revision: str | None
    revisions: tuple[str, ...] | None


class Health(Shape, frozen=True):
    status: str | None = None
    message: str | None = None
    since: Time | None = None


class Part(Shape, frozen=True):
    """A resource of the application."""

    kind: str | None = None
    namespace: str | None = None
    name: str | None = None
    status: str | None = None


class Operation(Shape, frozen=True):
    """The last sync, as it is or as it went; all null where there was none."""

    phase: str | None
    started: Time | None = field(name="startedAt")
    finished: Time | None = field(name="finishedAt")
    revision: str | None
    revisions: tuple[str, ...] | None
    is_dry: bool | None = field(name="dryRun")
    username: str | None
    automated: bool | None
    requested: str | None = None
    message: str | None = None
    retries: int | None = field(name="retryCount", default=None)
    resources: tuple[Part, ...] | None = None


class Notified(Shape, frozen=True):
    application: Application
    operation: Operation
    sync: Sync
    health: Health = Health()
    destination: Destination = Destination()
    sources: tuple[Origin, ...] | None = None
    images: tuple[str, ...] | None = None
    out_of_sync: tuple[Part, ...] | None = field(name="outOfSync", default=None)
    compared: Time | None = field(name="comparedAt", default=None)
    url: str | None = None
    history: int | str | None = None


def place(said: Notified) -> Place:
    """`default` is the project of applications that have none."""
    origin, to = _origin(said), said.destination
    project = said.application.project
    return Place(
        raw=Raw(
            repository=repository(origin.url),
            path=origin.path or None,
            cluster=to.name or to.server or None,
            namespace=to.namespace or None,
            application=said.application.name,
        ),
        project=project if project and project != "default" else None,
        unit=said.application.name,
        environment=said.application.environment or None,
    )


def _origin(said: Notified) -> Origin:
    """Of several sources that whose commit was synced, else the first that is no chart."""
    some = said.sources or ()
    for one, revision in zip(some, synced(said.operation), strict=False):
        if _COMMIT.fullmatch(revision):
            return one
    return next((one for one in some if not one.chart), some[0] if some else Origin())


def repository(url: str | None) -> str | None:
    """`acme/infra` of a remote's URL, without credentials; None where it isn't sure."""
    found = _URL.fullmatch(url) if url is not None and len(url) <= 2_048 else None
    return (found[1].strip("/").removesuffix(".git") or None) if found is not None else None


def _bare(url: str | None) -> str | None:
    """A URL that holds no credentials, else nothing."""
    return None if url is None or "@" in url else url


def links(said: Notified) -> Links:
    """The run is the application and the start of its sync: Argo CD counts no runs.

    A sync that just started has no result yet; what was asked for may be a commit already.
    """
    did = said.operation
    return Links(
        run=run(said),
        commit=commit(synced(did)) or commit((did.requested or "",)),
        repository=repository(_origin(said).url),
    )


def digest(said: Notified) -> str | None:
    """Of the only image that runs, where there is only one."""
    digests = {image.digest for image in images(said) if image.digest is not None}
    return digests.pop() if len(digests) == 1 else None


def run(said: Notified) -> str | None:
    started = said.operation.started
    if started is None:
        return None
    when = started.isoformat().replace("+00:00", "Z")
    return f"argocd:{said.application.namespace}/{said.application.name}/{when}"


def synced(did: Operation) -> tuple[str, ...]:
    """What was synced, a revision per source."""
    return did.revisions or ((did.revision,) if did.revision else ())


def compared(sync: Sync) -> tuple[str, ...]:
    return sync.revisions or ((sync.revision,) if sync.revision else ())


def commit(revisions: tuple[str, ...]) -> str | None:
    """The first that is one: the revision of a chart is its version."""
    return next((each for each in revisions if _COMMIT.fullmatch(each)), None)


def images(said: Notified) -> tuple[Target, ...]:
    """What runs, as it was compared last: while a sync runs, what ran before it."""
    found = []
    for text in said.images or ():
        parts = _IMAGE.fullmatch(text) if len(text) <= 1_024 else None
        found.append(Target(type="image", id=text, digest=parts["digest"] if parts else None))
    return tuple(found)


def image(said: Notified) -> Artifact | None:
    """The only one that runs."""
    texts = said.images or ()
    parts = _IMAGE.fullmatch(texts[0]) if len(texts) == 1 and len(texts[0]) <= 1_024 else None
    if parts is None:
        return None
    name, tag, found = parts["name"], parts["tag"], parts["digest"]
    return Artifact(type="image", id=name, version=tag, digest=found)


def chart(said: Notified) -> Artifact | None:
    """The first chart among the sources, in the version that was synced."""
    revisions = synced(said.operation)
    for at, one in enumerate(said.sources or ()):
        if one.chart:
            version = revisions[at] if at < len(revisions) else None
            return Artifact(
                type="helm_chart", id=one.chart, version=version, registry=_bare(one.url)
            )
    return None


def targets(said: Notified, parts: tuple[Part, ...] | None = None) -> tuple[Target, ...]:
    """The application, the source of each of its revisions, then those resources."""
    name = f"{said.application.namespace}/{said.application.name}"
    return (
        Target(type="application", id=name),
        *_origins(said),
        *(_resource(each) for each in parts or ()),
    )


def _origins(said: Notified) -> tuple[Target, ...]:
    """Of an application with several sources, which revision each was synced to."""
    revisions = said.operation.revisions or ()
    pairs = zip(said.sources or (), revisions, strict=False)
    return tuple(
        Target(type="source", id=repository(one.url) or _bare(one.url), digest=commit((revision,)))
        for one, revision in pairs
    )


def _resource(said: Part) -> Target:
    name = "/".join(part for part in (said.kind, said.namespace, said.name) if part)
    return Target(type="resource", id=name or None, change=(said.status or "")[:64] or None)
