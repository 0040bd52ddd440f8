"""Argo CD: its notifications, by the template that we ship.

Pure. argo-cd.readthedocs.io/en/stable/operator-manual/notifications; the body is that of
files/argocd-notifications.yaml.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from msgspec import structs

from deploytrail.errors import Malformed
from deploytrail.event import Actor, Drift, Error, Outcome, Trigger
from deploytrail.kit.delivery import Delivery
from deploytrail.kit.draft import UNKNOWN, Draft
from deploytrail.kit.schemes import SCHEMES
from deploytrail.kit.shape import Shape, read
from deploytrail.kit.source import Circumstances, Kind, Source, Telling
from deploytrail.sources.argocd_application import (
    Notified,
    Operation,
    chart,
    compared,
    digest,
    image,
    images,
    links,
    place,
    synced,
    targets,
)

_CONTROLLER: Final = Actor(type="system", id="argocd:application-controller")
_RETRIES_MAX: Final = 2**53 - 2


class Phase(Shape, frozen=True):
    phase: str | None = None


class Status(Shape, frozen=True):
    status: str | None = None


class Head(Shape, frozen=True):
    event: str
    operation: Phase = Phase()
    health: Status = Status()


def tell(delivery: Delivery) -> Iterator[Telling]:
    """What a template is for stands in its event; what it is about, in the application itself."""
    head = read(delivery.body, Head)
    kind = head.event
    if kind == "sync":
        kind = f"sync.{_given(head.operation.phase, 'operation.phase')}"
    elif kind == "health":
        kind = f"health.{_given(head.health.status, 'health.status')}"
    yield Telling(kind, delivery.body)


def _given(value: str | None, name: str) -> str:
    if not value:
        raise Malformed(f"body.{name}: is missing; send what the template sends")
    return value


_SYNCS: Final = {
    "sync.Running": "started",
    "sync.Succeeded": "succeeded",
    "sync.Failed": "failed",
    "sync.Error": "failed",
}
_DRY: Final = {"started": "plan.started", "succeeded": "plan.created", "failed": "plan.failed"}


def sync_told(body: Notified, at: Circumstances) -> Iterator[Draft]:
    did, verb = body.operation, _SYNCS[at.kind]
    if did.started is None:
        raise Malformed("body.operation.startedAt: expected a time, found null")
    action = _DRY[verb] if did.is_dry else f"deployment.{verb}"
    ended = None if verb == "started" else did.finished
    yield Draft(
        action=action,
        time=did.started if verb == "started" else ended or at.received,
        actor=_actor(did),
        trigger=_trigger(did),
        duration_ms=_duration(did.started, ended),
        attempt=_attempt(did),
        error=Error(code=did.phase, text=did.message) if verb == "failed" else None,
        place=place(body),
        targets=targets(body, did.resources),
        links=links(body),
        artifact=chart(body),
        url=_url(body),
    )


def _actor(did: Operation) -> Actor:
    """Who asked for the sync; Argo CD itself where the application syncs by itself."""
    if did.automated:
        return _CONTROLLER
    if not did.username:
        return UNKNOWN
    # Argo CD Docs, "Projects": tokens of a project's role act as proj:PROJECT:ROLE.
    is_token = did.username.startswith("proj:")
    return Actor(type="service" if is_token else "user", id=f"argocd:{did.username}")


def _trigger(did: Operation) -> Trigger | None:
    if did.retries is not None and did.retries > 0:
        return "retry"
    if did.automated:
        return "upstream"
    is_person = did.username and not did.username.startswith("proj:")
    return "human" if is_person else None


def _attempt(did: Operation) -> int | None:
    if did.retries is None or not 0 <= did.retries <= _RETRIES_MAX:
        return None
    return did.retries + 1


def _duration(started: datetime, ended: datetime | None) -> int | None:
    if ended is None or ended < started:
        return None
    return int((ended - started).total_seconds() * 1000)


def _url(body: Notified) -> str | None:
    if not body.url or not body.url.startswith(("https://", "http://")):
        return None
    app = body.application
    return f"{body.url.rstrip('/')}/applications/{app.namespace}/{app.name}"


def deployed(body: Notified, at: Circumstances) -> Iterator[Draft]:
    """Only here are the images those of the sync: they were compared after its end."""
    yield Draft(
        action="deployment.verified",
        time=body.compared or body.operation.finished or at.received,
        actor=_CONTROLLER,
        place=place(body),
        targets=(*targets(body), *images(body)),
        links=structs.replace(links(body), artifact=digest(body)),
        artifact=image(body) or chart(body),
        url=_url(body),
    )


_HEALTHS: Final[dict[str, tuple[str, Outcome]]] = {
    "health.Degraded": ("runtime.health.degraded", "failure"),
    "health.Missing": ("runtime.health.degraded", "failure"),
    "health.Unknown": ("runtime.health.unknown", "unknown"),
    "health.Healthy": ("runtime.health.recovered", "success"),
}


def health_told(body: Notified, at: Circumstances) -> Iterator[Draft]:
    action, outcome = _HEALTHS[at.kind]
    is_well = outcome == "success"
    said = body.health
    yield Draft(
        action=action,
        outcome=outcome,
        time=said.since or at.received,
        actor=_CONTROLLER,
        error=None if is_well else Error(code=said.status, text=said.message),
        place=place(body),
        targets=targets(body),
        links=links(body),
        url=_url(body),
    )


def drifted(body: Notified, at: Circumstances) -> Iterator[Draft]:
    """Out of sync with what was synced last is drift; with anything newer, it waits for a sync."""
    if body.sync.status != "OutOfSync":
        raise Malformed("body.sync.status: expected OutOfSync, found another")
    last = synced(body.operation)
    if not last or last != compared(body.sync):
        return
    yield Draft(
        action="drift.detected",
        time=body.compared or at.received,
        actor=_CONTROLLER,
        drift=Drift(changed=len(body.out_of_sync or ())),
        place=place(body),
        targets=targets(body, body.out_of_sync),
        links=links(body),
        url=_url(body),
    )


def created(body: Notified, at: Circumstances) -> Iterable[Draft]:
    yield _unit(body, "deployment.unit.created", body.application.created or at.received)


def deleted(body: Notified, at: Circumstances) -> Iterable[Draft]:
    yield _unit(body, "deployment.unit.deleted", body.application.deleted or at.received)


def _unit(body: Notified, action: str, time: datetime) -> Draft:
    """Who made or deleted an application, it does not say."""
    return Draft(
        action=action,
        time=time,
        actor=UNKNOWN,
        place=place(body),
        targets=targets(body),
        links=links(body) if body.operation.started else None,
        url=_url(body),
    )


_SYNC: Final[Kind[Any]] = Kind(Notified, sync_told)
_HEALTH: Final[Kind[Any]] = Kind(Notified, health_told)

SOURCE: Final = Source(
    name="argocd",
    title="Argo CD",
    page="https://argo-cd.readthedocs.io/en/stable/operator-manual/notifications/",
    schemes=(SCHEMES["bearer"],),
    tell=tell,
    kinds={
        **dict.fromkeys(_SYNCS, _SYNC),
        **dict.fromkeys(_HEALTHS, _HEALTH),
        "deployed": Kind(Notified, deployed),
        "drift": Kind(Notified, drifted),
        "created": Kind(Notified, created),
        "deleted": Kind(Notified, deleted),
    },
    set_aside={
        "sync.Terminating": "an operation is being stopped; its end is told",
        "health.Progressing": "a rollout goes on; its end is told",
        "health.Suspended": "an application waits as it was told to",
    },
    files=("argocd-notifications.yaml",),
    setup="""\
1. To the Secret argocd-notifications-secret add the key deploytrail-token with the value: {secret}
2. Look at {folder}/{name}-argocd-notifications.yaml,
   which was just written: it delivers to {url}
3. kubectl patch configmap argocd-notifications-cm --namespace argocd --type merge \\
     --patch-file {folder}/{name}-argocd-notifications.yaml
4. Subscribe every application: in the same ConfigMap, under the key subscriptions, add what this
   file's own remarks show (recipient deploytrail, and its triggers).
5. Name the environment of each application by its annotation deploytrail.io/environment, or by its
   label environment or env, unless your mapping knows it from the cluster or namespace.
6. Sync an application: deployment.started and deployment.succeeded are here.
""",
)
