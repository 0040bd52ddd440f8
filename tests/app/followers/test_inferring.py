"""What several events together say is appended once, and names the events that say it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from deploytrail.app.followers.inferring import Inferring
from deploytrail.app.trails.directory import DirectoryTrail
from deploytrail.entry import fields
from deploytrail.event import Actor, Event, Links, Source, Target
from deploytrail.follow.actor import Consequence, Seen
from deploytrail.log.store import Reader
from deploytrail.trail import Receipt
from tests.app.places import Place, place

REPOSITORY = "acme/infra"


@pytest.fixture
def there(tmp_path: Path) -> Place:
    return place(tmp_path)


class Told:
    """A trail in which events happen, and an actor that is shown each."""

    def __init__(self, there: Place, trail: DirectoryTrail) -> None:
        self._there = there
        self._trail = trail
        self.actor = self.started()
        self.ids: dict[str, str] = {}

    def started(self) -> Inferring:
        @contextmanager
        def reading() -> Iterator[Reader]:
            with self._trail.store.reading() as reader:
                yield reader

        return Inferring(reading, self._there.clock, lambda: None)

    def shown_again(self) -> list[Consequence]:
        """What the actor makes of all that happened, shown to it once more."""
        shown = [Seen(one.index, one.entry, fields(one.entry)) for one in self._trail.entries()]
        return list(self.actor.act(shown))

    def happens(
        self,
        action: str,
        *,
        minutes: float = 0,
        repository: str = REPOSITORY,
        change: str | None = None,
        target: str = "main",
    ) -> list[Event]:
        """What the actor makes of it; `minutes` after what happened before."""
        self._there.clock.advance(seconds=minutes * 60)
        event = Event(
            id=self._there.clock.event_id(),
            action=action,
            outcome="success",
            time=self._there.clock.now(),
            actor=Actor(type="user", id="github:mallory"),
            source=Source(tool="github", instance="github-acme"),
            targets=(Target(type="branch", id=target),),
            links=Links(repository=repository, change_request=change),
        )
        self.ids[action] = event.id
        (receipt,) = self._trail.record([event])
        assert isinstance(receipt, Receipt)
        octets = self._trail.show(receipt.index).entry
        drawn = self.actor.act([Seen(receipt.index, octets, fields(octets))])
        assert all(one.entry_index == receipt.index for one in drawn)
        return [one.event for one in drawn]


@pytest.fixture
def told(there: Place) -> Iterator[Told]:
    with there.opened() as trail:
        yield Told(there, trail)


def test_a_merge_beside_an_overridden_protection_went_past_it(told: Told) -> None:
    assert told.happens("code.change.merged", change="acme/infra#7") == []
    (event,) = told.happens("code.protection.bypassed", minutes=2)
    assert event.action == "code.merge.bypassed"
    links: Any = event.links
    assert links.change_request == "acme/infra#7"
    assert links.caused_by == (
        told.ids["code.change.merged"],
        told.ids["code.protection.bypassed"],
    )


def test_the_order_in_which_both_are_heard_is_of_no_matter(told: Told) -> None:
    assert told.happens("code.protection.bypassed") == []
    (event,) = told.happens("code.change.merged", change="acme/infra#7", minutes=2)
    assert event.action == "code.merge.bypassed"


def test_a_protection_loosened_for_a_merge_and_restored_is_told(told: Told) -> None:
    assert told.happens("code.protection.updated") == []
    assert told.happens("code.change.merged", change="acme/infra#7", minutes=10) == []
    loosened = told.ids["code.protection.updated"]
    (event,) = told.happens("code.protection.updated", minutes=10)
    assert event.action == "code.protection.bypassed"
    links: Any = event.links
    assert links.caused_by == (
        loosened,
        told.ids["code.change.merged"],
        told.ids["code.protection.updated"],
    )
    assert "again 20 minutes later" in str(event.reason)


def test_one_that_was_deleted_and_made_again_is_told(told: Told) -> None:
    told.happens("code.ruleset.deleted", target="rules")
    told.happens("code.push.forced", minutes=1)
    (event,) = told.happens("code.ruleset.created", target="rules", minutes=1)
    assert event.action == "code.protection.bypassed"


QUIET: dict[str, list[dict[str, Any]]] = {
    "long after": [
        {"action": "code.change.merged"},
        {"action": "code.protection.bypassed", "minutes": 6},
    ],
    "in another repository": [
        {"action": "code.change.merged"},
        {"action": "code.protection.bypassed", "repository": "acme/web"},
    ],
    "nothing merged between": [
        {"action": "code.protection.updated"},
        {"action": "code.protection.updated", "minutes": 5},
    ],
    "merged before": [
        {"action": "code.change.merged"},
        {"action": "code.protection.deleted", "minutes": 1},
        {"action": "code.protection.created", "minutes": 1},
    ],
    "another protection": [
        {"action": "code.protection.deleted", "target": "main"},
        {"action": "code.change.merged", "minutes": 1},
        {"action": "code.protection.created", "target": "next", "minutes": 1},
    ],
    "restored the next day": [
        {"action": "code.protection.deleted"},
        {"action": "code.change.merged", "minutes": 1},
        {"action": "code.protection.created", "minutes": 1_440},
    ],
}


@pytest.mark.parametrize("why", QUIET)
def test_what_does_not_belong_together_is_left_alone(told: Told, why: str) -> None:
    assert [told.happens(**each) for each in QUIET[why]] == [[]] * len(QUIET[why])


def test_what_came_before_a_start_is_looked_back_at(told: Told) -> None:
    told.happens("code.protection.deleted")
    told.happens("code.change.merged", minutes=1)
    told.actor = told.started()
    (event,) = told.happens("code.protection.created", minutes=1)
    assert event.action == "code.protection.bypassed"


def test_its_own_events_make_it_say_nothing(told: Told, there: Place) -> None:
    told.happens("code.change.merged")
    (event,) = told.happens("code.protection.bypassed", minutes=1)
    assert event.source.tool == "deploytrail"
    assert there.clock.now() - event.time == timedelta(minutes=1)


def test_the_same_shown_again_says_the_same(told: Told) -> None:
    told.happens("code.change.merged", change="acme/infra#7")
    told.happens("code.protection.bypassed", minutes=1)
    again = told.shown_again()
    assert [one.event.action for one in again] == ["code.merge.bypassed"]
    assert [one.entry_index for one in again] == [1]


def test_an_override_is_drawn_upon_once(told: Told) -> None:
    told.happens("code.protection.bypassed")
    assert len(told.happens("code.change.merged", change="acme/infra#7", minutes=1)) == 1
    assert told.happens("code.pushed", minutes=0.1) == []


def test_a_protection_changed_once_more_tells_of_no_merge_again(told: Told) -> None:
    told.happens("code.protection.updated")
    told.happens("code.change.merged", change="acme/infra#7", minutes=1)
    assert len(told.happens("code.protection.updated", minutes=1)) == 1
    assert told.happens("code.protection.updated", minutes=1) == []
