"""A source of no vendor: what tests of intake and of connections deliver by."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from deploytrail.errors import Malformed
from deploytrail.event import Actor, Links, Raw, Target
from deploytrail.kit.delivery import Delivery
from deploytrail.kit.draft import CLAIMED, Draft, Place
from deploytrail.kit.schemes import SCHEMES
from deploytrail.kit.shape import Shape, read
from deploytrail.kit.source import Circumstances, Kind, Source, Telling


class Deployed(Shape, frozen=True):
    user: str
    application: str
    time: datetime = datetime(2026, 11, 22, 10, tzinfo=UTC)
    action: str = "deployment.succeeded"
    targets: int = 1
    author: str | None = None
    commit: str | None = None


class Envelope(Shape, frozen=True):
    all: list[msgspec.Raw]


class Head(Shape, frozen=True):
    kind: str
    id: str | None = None


def tell(delivery: Delivery) -> Iterator[Telling]:
    for each in read(delivery.body, Envelope).all:
        head = read(each, Head)
        yield Telling(head.kind, each, head.id)


def deployed(body: Deployed, _: Circumstances) -> Iterator[Draft]:
    yield Draft(
        action=body.action,
        time=body.time,
        actor=Actor(type="user", id=f"shipper:{body.user}"),
        on_behalf_of=Actor(type="user", id=body.author, auth=CLAIMED) if body.author else None,
        place=Place(raw=Raw(application=body.application)),
        targets=(Target(type="application", id=body.application),) * body.targets,
        links=Links(commit=body.commit) if body.commit else None,
    )


def nothing(_: Deployed, __: Circumstances) -> Iterator[Draft]:
    yield from ()


def refusing(_: Deployed, __: Circumstances) -> Iterator[Draft]:
    raise Malformed("body.user: expected somebody, found nobody")
    yield


SOURCE = Source(
    name="shipper",
    title="Shipper",
    page="https://example.org",
    schemes=(SCHEMES["github"],),
    tell=tell,
    kinds={
        "deployed": Kind(Deployed, deployed),
        "nothing": Kind(Deployed, nothing),
        "refusing": Kind(Deployed, refusing),
    },
    set_aside={"starred": "a star deploys nothing"},
    setup="{url} {secret}",
)
