"""Segments are joined little by little, while entries come and while none do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploytrail.event import Reason, Where
from deploytrail.index.answering import Answering
from deploytrail.index.engine import SegmentedIndex
from deploytrail.index.segment import Segment
from deploytrail.query.fields import BY_NAME
from deploytrail.query.tree import EVERYTHING, Is, Words
from tests.contract.index_engines import INDEX_ENGINES, IndexEngine
from tests.contract.indexed import LITTLE, filled, found, unhurried
from tests.events import event
from tests.index.entries import Logged, logged, subject_name

COUNT = 48
WORDS = 800
ENVIRONMENTS = ("prod", "staging", "dev")


@pytest.fixture(params=sorted(INDEX_ENGINES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[IndexEngine]:
    made = INDEX_ENGINES[request.param](request, tmp_path)
    yield made
    made.close()


def log_of(count: int = COUNT) -> Logged:
    """So many words that no segment has room for them in one block."""
    return logged(
        [
            event(
                where=Where(environment=ENVIRONMENTS[at % 3]),
                reason=Reason(
                    from_="stated", text=" ".join([f"replica{at}x{word}" for word in range(1_000)])
                ),
            )
            for at in range(count)
        ]
    )


def segments(index: SegmentedIndex) -> list[Segment]:
    with index.searching(unhurried) as searcher:
        assert isinstance(searcher, Answering)
        return [part.about for part in searcher.parts]


def is_right(index: SegmentedIndex, log: Logged, count: int = COUNT) -> bool:
    prod = Is(BY_NAME["env"], "prod")
    return found(index, log, EVERYTHING) == list(range(count)) and found(index, log, prod) == list(
        range(0, count, 3)
    )


def rested(index: SegmentedIndex) -> int:
    """In how many parts the rest was done."""
    for times in range(10_000):
        if not index.rest():
            return times
    raise AssertionError("joining has no end")


def test_what_is_joined_meanwhile_is_found_at_every_moment(engine: IndexEngine) -> None:
    log = log_of()
    index = engine.writer(allowance=LITTLE)
    for at in range(COUNT):
        index.apply(log.read(at, at + 1))
        assert found(index, log, EVERYTHING) == list(range(at + 1))
    before = len(segments(index))
    assert rested(index) > 10
    assert len(segments(index)) < min(before, 16)
    assert is_right(index, log)
    assert not index.rest()


def test_a_home_is_sealed_while_what_comes_behind_it_is_joined(engine: IndexEngine) -> None:
    log = log_of()
    index = filled(engine, log, batch=1, home_entries=32, allowance=LITTLE)
    rested(index)
    assert [one.span for one in segments(index) if one.is_sealed] == [32]
    assert is_right(index, log)


def test_who_is_erased_while_segments_are_joined_comes_back_with_none_of_them(
    engine: IndexEngine,
) -> None:
    log = log_of()
    index = filled(engine, log, batch=1, home_entries=64, allowance=LITTLE)
    assert found(index, log, Words(("replica7x7",)))
    index.rest()
    index.erase(subject_name("github:alice"))
    rested(index)
    assert found(index, log, Words(("replica7x7",))) == []
    assert is_right(index, log)


def test_who_stopped_on_the_way_begins_anew(engine: IndexEngine) -> None:
    log = log_of()
    index = filled(engine, log, batch=1, home_entries=64, allowance=LITTLE)
    index.rest()
    engine.close()
    again = engine.writer(home_entries=64, allowance=LITTLE)
    assert is_right(again, log)
    rested(again)
    assert len(segments(again)) < 18
    assert is_right(again, log)
