"""What the tests of the Terraform source have in common: Alice's context, runs and plans."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from deploytrail.clock import uuid7
from deploytrail.event import Actor, Event, EventId, Source
from deploytrail.formats.terraform_plan import PlanDocument
from deploytrail.sources.terraform import Context, Facts, Reading, read_plan
from tests.conftest import ROOT

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
RECORDINGS = ROOT / "tests" / "sources" / "terraform"
SECRET = "hunter2-clear-text"
KEY = b"k" * 32


def context(**source: Any) -> Context:
    ids = counted()
    template = Event(
        id=uuid7(0, bytes(10)),
        action="deployment.started",
        outcome="pending",
        time=NOON,
        actor=Actor(type="user", id="os:alice@laptop"),
        source=Source(**{"tool": "terraform", "instance": "local", "delivery": "run-1", **source}),
    )
    return Context(template=template, event_id=lambda: next(ids))


def counted() -> Iterator[EventId]:
    at = 0
    while True:
        at += 1
        yield uuid7(at, at.to_bytes(10, "big"))


def plan_of(raw: bytes, key: bytes | None = KEY) -> PlanDocument:
    found = read_plan(raw, fingerprint_key=key)
    assert isinstance(found, PlanDocument)
    return found


def run(raw: bytes, document: PlanDocument | None = None) -> tuple[Facts, list[Event]]:
    reading = Reading(document=document)
    reading.feed(raw, NOON)
    return reading.finish(), reading.events(context())


def names(events: list[Event]) -> list[tuple[str, str, str]]:
    return [(e.action, e.outcome, (e.targets[0].id or "") if e.targets else "") for e in events]
