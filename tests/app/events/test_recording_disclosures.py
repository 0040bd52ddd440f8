"""What the recorder remembers of stored disclosures is what is stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploytrail.app.trails.directory import DirectoryTrail, open_directory
from deploytrail.errors import Conflict
from deploytrail.event import Actor, Event, Reason, Source
from deploytrail.trail import Receipt
from tests.fakes import FakeClock

_CLOCK = FakeClock()


@pytest.fixture
def trail(tmp_path: Path) -> DirectoryTrail:
    environment = {"XDG_STATE_HOME": str(tmp_path / "state")}
    return open_directory(tmp_path / "trail", clock=_CLOCK, environment=environment)


def _said(delivery: str, text: str) -> Event:
    return Event(
        id=_CLOCK.event_id(),
        action="deployment.started",
        outcome="success",
        time=_CLOCK.now(),
        actor=Actor(type="user", id="github:alice", name="Alice"),
        source=Source(tool="github", instance="main", delivery=delivery),
        reason=Reason(from_="stated", text=text),
    )


def _reason_shown(trail: DirectoryTrail, receipt: object) -> object:
    assert isinstance(receipt, Receipt)
    shown = trail.show(receipt.id)
    assert shown.withheld == ()
    reason = shown.event["reason"]
    assert isinstance(reason, dict)
    return reason["text"]


def test_the_text_of_a_refused_conflict_is_stored_once_it_is_said_in_an_entry(
    trail: DirectoryTrail,
) -> None:
    with trail:
        trail.record([_said("one", "first")])
        (refused,) = trail.record([_said("one", "other")])
        assert isinstance(refused, Conflict)
        (receipt,) = trail.record([_said("two", "other")])
        assert _reason_shown(trail, receipt) == "other"


def test_entries_of_one_batch_share_a_disclosure_even_behind_a_conflict(
    trail: DirectoryTrail,
) -> None:
    with trail:
        trail.record([_said("one", "first")])
        events = [_said(delivery, "other") for delivery in ("one", "two", "three")]
        refused, *receipts = trail.record(events)
        assert isinstance(refused, Conflict)
        assert [_reason_shown(trail, receipt) for receipt in receipts] == ["other", "other"]
        with trail.store.reading() as reader:
            # Alice's name; "first" and "other", once each.
            assert reader.inventory().disclosures == 3
