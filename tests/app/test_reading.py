"""An event is found by its id: mostly at once, and always."""

from __future__ import annotations

from datetime import timedelta

import pytest

from deploytrail.app.directory import DirectoryTrail
from deploytrail.app.reading import find_event
from deploytrail.clock import microseconds, uuid7
from deploytrail.errors import NotFound
from deploytrail.event import EventId
from tests.events import event
from tests.fakes import NOON, FakeClock
from tests.verified import verified


def test_every_event_is_found_by_its_id(trail: DirectoryTrail, clock: FakeClock) -> None:
    ids = []
    for _ in range(12):
        told = [event(id=clock.event_id(), time=clock.now()) for _ in range(50)]
        trail.record(told)
        ids += [each.id for each in told]
        clock.advance(seconds=100)
    with trail.store.reading() as reader:
        for index in range(0, 600, 7):
            assert find_event(reader, ids[index])[0] == index
    verified(trail.store)


@pytest.mark.parametrize("days", [-3000, -1, 1])
def test_an_event_with_an_id_of_another_time_is_found_too(trail: DirectoryTrail, days: int) -> None:
    made = microseconds(NOON + timedelta(days=days)) // 1000
    late = event(id=uuid7(made, b"0123456789"))
    trail.record([event() for _ in range(300)])
    trail.record([late])
    trail.record([event() for _ in range(900)])
    assert trail.show(late.id).index == 300


ABSENT = {
    "never made": "019ab2f0-7c3e-7a51-8d0e-3f1b2c4d5e6f",
    "no id": "zzzz",
    "nothing": "",
    "a part of an entry": '","origin":"',
    "the greatest": "ffffffff-ffff-7fff-bfff-ffffffffffff",
}


@pytest.mark.parametrize("reason", ABSENT)
@pytest.mark.parametrize("count", [0, 3])
def test_an_id_that_is_not_there_is_not_found(
    trail: DirectoryTrail, reason: str, count: int
) -> None:
    trail.record([event() for _ in range(count)])
    with trail.store.reading() as reader, pytest.raises(NotFound, match="event"):
        find_event(reader, EventId(ABSENT[reason]))
