"""What of the objects in an audit event is kept: names, images, who is bound to which role.

Pure. An object of any other shape tells nothing; a Secret's and a ConfigMap's content is never
read. Labels and annotations count only where a tool writes what it deploys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

import msgspec
from msgspec import Raw

from deploytrail.event import Access, Change, Target
from deploytrail.sources.kubernetes_shape import (
    Audited,
    Container,
    Metadata,
    Named,
    Object,
    ObjectRef,
    Spec,
)

_CLOSED: Final = frozenset({"secrets", "configmaps", "serviceaccounts", "tokenreviews"})
"""Of these nothing but metadata is read."""
_IMAGES_MAX: Final = 32
_SUBJECTS_MAX: Final = 32
_APPLICATIONS: Final = (
    "argocd.argoproj.io/instance",
    "kustomize.toolkit.fluxcd.io/name",
    "helm.toolkit.fluxcd.io/name",
    "app.kubernetes.io/instance",
)
"""Labels by which a tool says what it deploys, the surest first."""
_decode_object: Final = msgspec.json.Decoder(Object).decode
_decode_named: Final = msgspec.json.Decoder(Named).decode
_helm_secret = re.compile(r"sh\.helm\.release\.v1\.(.+)\.v\d+").fullmatch
_digest = re.compile(r"(.+?)@(sha256:[0-9a-f]{64})", re.DOTALL).fullmatch


class Told(NamedTuple):
    """`digest` is that of the only image."""

    targets: tuple[Target, ...]
    changes: tuple[Change, ...] = ()
    access: Access | None = None
    application: str | None = None
    digest: str | None = None


def told(event: Audited) -> Told:
    ref = event.object_ref or ObjectRef()
    resource = ref.resource or ""
    asked = _object(event.request_object, resource)
    answered = _object(event.response_object, resource)
    name = ref.name or _name(asked) or _name(answered)
    main = _target(resource, ref.namespace, name)
    application = _application(asked) or _application(answered)
    if resource == "secrets" and name and (helm := _helm_secret(name)):
        application = helm[1]
    images = tuple(_images(asked.spec))
    access = _access(asked) or _access(answered)
    digests = {one.digest for one in images if one.digest}
    return Told(
        targets=(*main, *_container(event), *_subjects(asked), *dict.fromkeys(images)),
        changes=_scaled(asked.spec, event.verb),
        access=access,
        application=application,
        digest=digests.pop() if len(digests) == 1 else None,
    )


def _object(octets: Raw, resource: str) -> Object:
    raw = bytes(octets)
    if not raw.startswith(b"{"):
        return Object()
    try:
        if resource in _CLOSED:
            return Object(metadata=_decode_named(raw).metadata)
        return _decode_object(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Object()


def _name(found: Object) -> str | None:
    return found.metadata.name if found.metadata else None


def _target(resource: str, namespace: str | None, name: str | None) -> tuple[Target, ...]:
    if not resource:
        return ()
    whole = "/".join(part for part in (namespace, name) if part)
    return (Target(type=resource, id=whole or None),)


def _container(event: Audited) -> Iterator[Target]:
    """The container that a session is in, as the query says."""
    for name, value in query(event.request_uri):
        if name == "container" and value:
            yield Target(type="container", id=value)
            return


def query(uri: str | None) -> Sequence[tuple[str, str]]:
    """The parameters of a request; none where there are too many to be meant."""
    _, _, text = (uri or "").partition("?")
    if not text:
        return ()
    # Only some requests have any.
    from urllib.parse import parse_qsl

    try:
        return parse_qsl(text, max_num_fields=128)
    except ValueError:
        return ()


def _application(found: Object) -> str | None:
    metadata = found.metadata or Metadata()
    labels, notes = metadata.labels or {}, metadata.annotations or {}
    tracked = notes.get("argocd.argoproj.io/tracking-id", "").partition(":")[0]
    helm = notes.get("meta.helm.sh/release-name")
    said = tracked or helm or next((labels[one] for one in _APPLICATIONS if one in labels), None)
    return said or None


def _images(spec: Spec | None) -> Iterator[Target]:
    some = _containers(spec) if spec else []
    for one in some[:_IMAGES_MAX]:
        if one.image:
            found = _digest(one.image)
            if found is not None:
                yield Target(type="image", id=found[1], digest=found[2])
            else:
                yield Target(type="image", id=one.image)


def _containers(spec: Spec) -> list[Container]:
    job = spec.job_template.spec if spec.job_template else None
    template = spec.template or (job.template if job else None)
    inner = template.spec if template else None
    of_pod = [*(spec.init_containers or ()), *(spec.containers or ())]
    if inner is None:
        return of_pod
    return [*of_pod, *(inner.init_containers or ()), *(inner.containers or ())]


def _scaled(spec: Spec | None, verb: str) -> tuple[Change, ...]:
    if spec is None or spec.replicas is None:
        return ()
    op: Literal["add", "update"] = "add" if verb == "create" else "update"
    return (Change(path="spec.replicas", op=op, new=str(spec.replicas)),)


def _access(found: Object) -> Access | None:
    role = found.role_ref
    if role is None or not role.name:
        return None
    return Access(permission=f"{role.kind or 'Role'}/{role.name}")


def _subjects(found: Object) -> Iterator[Target]:
    """Who is bound to a role; people stand concealed."""
    for one in (found.subjects or [])[:_SUBJECTS_MAX]:
        if one.name and one.kind == "ServiceAccount":
            yield Target(type="serviceaccounts", id=f"{one.namespace or 'default'}/{one.name}")
        elif one.name and one.kind == "Group":
            yield Target(type="group", id=one.name)
        elif one.name:
            yield Target(type="user", name=one.name)
