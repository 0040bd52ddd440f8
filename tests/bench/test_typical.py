"""Typical events: their size, order and seed are what the figures say they are."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice

import pytest

from bench import typical
from bench.typical import Deliveries
from deploytrail import actions
from deploytrail.untrusted import parse_event

_COUNT = 2_000


def test_every_event_has_a_thousand_bytes_within_fifty() -> None:
    lengths = [len(event) for event in typical.events(_COUNT)]
    assert all(abs(length - typical.BYTES) <= typical.BYTES_SLACK for length in lengths)
    assert abs(sum(lengths) / _COUNT - typical.BYTES) < 10


def test_a_seed_gives_the_same_bytes_and_another_gives_other_ids() -> None:
    first = list(typical.events(100, seed=7))
    assert first == list(typical.events(100, seed=7))
    ids = {parse_event(event).id for event in first}
    assert not ids & {parse_event(event).id for event in typical.events(100, seed=8)}


@pytest.mark.parametrize("deliveries", ["ordered", "random"])
def test_every_event_may_be_appended(deliveries: Deliveries) -> None:
    now = typical.START + timedelta(days=1)
    for event in typical.events(_COUNT, deliveries=deliveries):
        actions.check(parse_event(event), now)


def test_ids_rise_with_time() -> None:
    ids = [parse_event(event).id[:13] for event in typical.events(_COUNT)]
    assert ids == sorted(ids)


def test_random_deliveries_are_distinct_and_unordered() -> None:
    events = [parse_event(event) for event in typical.events(200, deliveries="random")]
    found = [event.source.delivery for event in events]
    assert len(set(found)) == len(found)
    assert found != sorted(str(one) for one in found)


def test_there_are_five_thousand_actors_and_all_differ() -> None:
    assert len({typical.actor(number)["id"] for number in range(typical.ACTORS)}) == 5_000


def test_a_tenth_of_the_actors_does_about_a_third_of_the_work() -> None:
    people = {str(typical.actor(number)["id"]) for number in range(typical.ACTORS // 10)}
    events = (parse_event(event) for event in islice(typical.events(20_000), 20_000))
    share = sum(event.actor.id in people for event in events) / 20_000
    assert 0.25 < share < 0.4
