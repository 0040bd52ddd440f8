"""An event is found by its id: mostly at once, and always."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs

from deploytrail.app.events.reading import find_event
from deploytrail.app.trails.directory import DirectoryTrail
from deploytrail.clock import microseconds, uuid7
from deploytrail.errors import NotFound
from deploytrail.event import EventId, Source
from deploytrail.log import proof
from deploytrail.log.store import LogReader
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
    for index in range(0, 600, 7):
        assert find_event(trail.store.reading, ids[index])[0] == index
    verified(trail.store)


@pytest.mark.parametrize("days", [-3000, -1, 1])
def test_an_event_with_an_id_of_another_time_is_found_too(trail: DirectoryTrail, days: int) -> None:
    made = microseconds(NOON + timedelta(days=days)) // 1000
    late = event(id=uuid7(made, b"0123456789"))
    trail.record([event() for _ in range(300)])
    trail.record([late])
    trail.record([event() for _ in range(900)])
    assert trail.show(late.id).index == 300


IMPORTED = {"a day late": -1, "in time": 0, "by a clock that was a day ahead": 1}


@pytest.mark.parametrize("when", IMPORTED)
def test_who_sends_another_s_id_once_more_is_not_shown_for_it(
    trail: DirectoryTrail, clock: FakeClock, when: str
) -> None:
    """Its delivery is new, so that it is no repeat; yet the event of that id was there before."""
    made = microseconds(clock.now() + timedelta(days=IMPORTED[when])) // 1000
    alices = event(
        id=uuid7(made, b"0123456789"),
        source=Source(tool="argocd", instance="local", delivery="d-1"),
    )
    trail.record([event() for _ in range(1500)])
    trail.record([alices])
    trail.record([event() for _ in range(1500)])
    mallorys = structs.replace(
        alices, outcome="failure", source=Source(tool="x", instance="local", delivery="d-2")
    )
    for many in (0, 300, 2000):
        trail.record([mallorys, *(event() for _ in range(many))])
        shown = trail.show(alices.id)
        assert (shown.index, shown.event["outcome"]) == (1500, "success")
        assert proof.decode(trail.proof(alices.id)).index == 1500
    assert trail.show(3001).event["outcome"] == "failure"
    assert proof.decode(trail.proof(3001)).index == 3001
    verified(trail.store)


@pytest.mark.parametrize("index", [-1, 3, 2**70])
def test_an_index_that_is_not_there_is_not_found(trail: DirectoryTrail, index: int) -> None:
    trail.record([event() for _ in range(3)])
    with pytest.raises(NotFound, match=f"expected one below 3, found {index}"):
        trail.show(index)


def test_a_search_of_the_whole_log_is_no_long_moment(trail: DirectoryTrail) -> None:
    """A moment holds back the write-ahead log, so none may last as long as a log is."""
    trail.record([event() for _ in range(256 * 70)])
    moments: list[int] = []

    @contextmanager
    def moment() -> Iterator[LogReader]:
        with trail.store.reading() as reader:
            moments.append(0)
            yield Counting(reader, moments)

    with pytest.raises(NotFound):
        find_event(moment, EventId(ABSENT["never made"]))
    assert max(moments) <= 32
    assert sum(moments) >= 70


class Counting:
    """A store's moment, and how many bundles are read in it."""

    def __init__(self, reader: LogReader, moments: list[int]) -> None:
        self._reader = reader
        self._moments = moments

    def bundle(self, number: int) -> bytes | None:
        self._moments[-1] += 1
        return self._reader.bundle(number)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


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
    with pytest.raises(NotFound, match="event"):
        find_event(trail.store.reading, EventId(ABSENT[reason]))
