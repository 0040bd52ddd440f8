"""Counts under one condition, and by time: read from what segments keep, or counted over sets.

Either way they are those of the events, on every engine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from deploytrail.clock import microseconds
from deploytrail.event import Event, Reason, Target, Where
from deploytrail.index.answering import Answering
from deploytrail.index.contract import Tally
from deploytrail.index.engine import SegmentedIndex
from deploytrail.query.fields import BY_NAME, Field, folded
from deploytrail.query.tree import (
    EVERYTHING,
    NOTHING,
    And,
    Between,
    Exists,
    Filter,
    Is,
    Not,
    Or,
    StartsWith,
    Words,
)
from tests.contract.index_engines import INDEX_ENGINES, IndexEngine
from tests.contract.indexed import filled, place_of, resolving, unhurried
from tests.events import ALICE, BOB, event
from tests.fakes import NOON
from tests.index.entries import Logged, logged, subject_name
from tests.index.oracle import compared, matches

FIELDS = [
    BY_NAME[name]
    for name in ("action", "outcome", "project", "env", "emergency", "target", "actor.type")
]
HOME = 32


@pytest.fixture(params=sorted(INDEX_ENGINES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[IndexEngine]:
    found = INDEX_ENGINES[request.param](request, tmp_path)
    yield found
    found.close()


@pytest.fixture(scope="module", params=sorted(INDEX_ENGINES))
def index(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SegmentedIndex]:
    """Of `LOG`: sealed, joined and just come; nobody changes it."""
    engine = INDEX_ENGINES[request.param](request, tmp_path_factory.mktemp("counts"))
    yield filled(engine, LOG, batch=5, home_entries=HOME)
    engine.close()


def _event(at: int) -> Event:
    """One in the order of time; every third one came an hour late."""
    return event(
        action=("build.started", "build.finished", "deployment.started")[at % 3],
        outcome="failure" if at % 5 == 0 else "success",
        time=NOON + timedelta(minutes=at) - timedelta(hours=at % 3 == 0),
        actor=ALICE if at % 2 else BOB,
        where=Where(environment=("Prod", "dev")[at % 7 == 0], project=("pay", "led")[at % 4 == 0])
        if at % 11
        else None,
        reason=Reason(from_="stated", text="the read replica lags", emergency=at % 13 == 0),
        targets=tuple(Target(type="x", id=f"one-{at % one}") for one in (3, 90)),
    )


LOG = logged(_event(at) for at in range(110))
PROD, PAY = Is(BY_NAME["env"], "prod"), Is(BY_NAME["project"], "pay")
_HOUR = 3_600_000_000
_NOON = microseconds(NOON)
ASKED: dict[str, Filter] = {
    "an environment": PROD,
    "a family of actions": StartsWith(BY_NAME["action"], "build."),
    "the beginning of an action": StartsWith(BY_NAME["action"], "build.s"),
    "that there is a project": Exists(BY_NAME["project"]),
    "that there is a reason": Exists(BY_NAME["reason"]),
    "an emergency": Exists(BY_NAME["emergency"]),
    "a value among many": Is(BY_NAME["target"], "one-1"),
    "somebody": Is(BY_NAME["actor"], "alice"),
    "what nobody has": Is(BY_NAME["env"], "nowhere"),
    "a scope and what lies in it": And((Exists(BY_NAME["env"]), PROD)),
    "a scope and what crosses it": And((PAY, And((EVERYTHING, PROD)))),
    "a scope and what is out of it": And((PROD, Is(BY_NAME["env"], "dev"))),
    "a scope of two": Or((PAY, Is(BY_NAME["project"], "led"))),
    "not an environment": Not(PROD),
    "a time and an environment": And((Between(BY_NAME["time"], _NOON + _HOUR, None), PROD)),
    "all of the time": And((Between(BY_NAME["time"], 0, 2**62), PROD)),
    "a phrase": And((Words(("read", "replica")), PROD)),
    "nothing": And((PROD, NOTHING)),
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_facets_are_those_of_the_events_that_match(index: SegmentedIndex, asked: Filter) -> None:
    some = [one for one in LOG.shown if matches(asked, one)]
    for field, tally in zip(FIELDS, _facets(index, LOG, asked, FIELDS), strict=True):
        values = [{folded(str(one)) for one in compared(shown, field)} for shown in some]
        assert dict(_folded(tally)) == Counter(one for each in values for one in each), field.name
        assert tally.absent == sum(not each for each in values)
        assert tally.is_exact


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_values_that_begin_so_are_those_of_the_scope(index: SegmentedIndex, asked: Filter) -> None:
    action = BY_NAME["action"]
    counts = Counter(one["action"] for one in LOG.shown if matches(asked, one))
    expected = sorted((-n, one) for one, n in counts.items() if one.startswith("build."))
    with index.searching(unhurried) as searcher:
        found = searcher.suggest(
            action, "build.", scope=asked, limit=9, resolve=resolving(LOG, asked)
        )
    assert found == [one for _, one in expected]


def test_what_is_sealed_and_what_is_joined_has_pairs(engine: IndexEngine) -> None:
    index = filled(engine, LOG, batch=2, home_entries=HOME)
    with index.searching(unhurried) as searcher:
        assert isinstance(searcher, Answering)
        sealed = [part for part in searcher.parts if part.about.is_sealed]
        assert len(sealed) == len(LOG.entries) // HOME
        for part in sealed:
            pairs = part.pairs()
            assert pairs is not None
            assert pairs.has(BY_NAME["env"])
    # One that is joined of sixteen, before its home is full.
    index = filled(engine, LOG, batch=1, home_entries=64, name="joined")
    with index.searching(unhurried) as searcher:
        assert isinstance(searcher, Answering)
        joined = [part for part in searcher.parts if 1 < part.about.span < 64]
        assert joined
        assert all(part.pairs() is not None for part in joined)


def test_facets_of_who_is_erased_lose_names_and_keep_counts(engine: IndexEngine) -> None:
    index = filled(engine, LOG, batch=5, home_entries=HOME)
    fields = [BY_NAME["actor"], *FIELDS]
    before = _facets(index, LOG, PROD, fields)
    assert "github:alice" in dict(before[0].counts)
    index.erase(subject_name("github:alice"))
    after = _facets(index, LOG, PROD, fields)
    assert after[1:] == before[1:]
    counts = dict(before[0].counts)
    counts[subject_name("github:alice")] = counts.pop("github:alice")
    assert dict(after[0].counts) == counts
    asked = Is(BY_NAME["actor"], folded("github:alice"))
    for tally in _facets(index, LOG, asked, fields):
        assert tally == Tally((), 0, is_exact=True)


def test_facets_are_the_same_after_an_erasure_that_stopped_a_seal(engine: IndexEngine) -> None:
    index = engine.writer(home_entries=HOME)
    for first in range(0, HOME, 4):
        index.apply(LOG.read(first, first + 4))
    index.erase(subject_name("github:alice"))
    index.apply(LOG.read(HOME, 110))
    whole = filled(engine, LOG, batch=110, name="whole")
    assert _facets(index, LOG, PROD, FIELDS) == _facets(whole, LOG, PROD, FIELDS)


def test_bars_count_what_happened_in_them(engine: IndexEngine) -> None:
    # More than are looked at in one step, some of them out of order.
    log = logged(
        event(
            where=Where(environment="prod" if at % 3 else "dev"),
            outcome="failure" if at % 5 == 0 else "success",
            time=NOON + timedelta(seconds=at * 37 % 300 if 100 < at < 200 else at),
        )
        for at in range(300)
    )
    index = filled(engine, log, batch=200, home_entries=256)
    for asked in (EVERYTHING, PROD, ASKED["somebody"], ASKED["a phrase"], NOTHING):
        for bars in (1, 2, 7, 60):
            _check_bars(index, log, asked, bars)


def _check_bars(index: SegmentedIndex, log: Logged, asked: Filter, bars: int) -> None:
    some = [one for one in log.shown if matches(asked, one)]

    def edges(low: int, high: int) -> Sequence[int]:
        return [low + (high + 1 - low) * at // bars for at in range(bars + 1)]

    with index.searching(unhurried) as searcher:
        found = searcher.histogram(asked, edges, resolve=resolving(log, asked))
    for at, count in enumerate(found.counts):
        low, high = found.edges[at : at + 2]
        here = [one for one in some if low <= place_of(one)[0] < high]
        assert count == len(here)
        assert found.outcomes[at] == Counter(one["outcome"] for one in here)
    assert sum(found.counts) == len(some)


def _facets(
    index: SegmentedIndex, log: Logged, asked: Filter, fields: Sequence[Field]
) -> list[Tally]:
    with index.searching(unhurried) as searcher:
        return searcher.facets(asked, fields, limit=1000, resolve=resolving(log, asked))


def _folded(tally: Tally) -> Iterator[tuple[str, int]]:
    return ((folded(value), count) for value, count in tally.counts)


def test_of_a_field_with_a_value_for_each_event_the_most_frequent_are_shown(
    engine: IndexEngine,
) -> None:
    log = logged(
        event(
            time=NOON + timedelta(minutes=at),
            where=Where(environment=("prod", "dev")[at % 2]),
            targets=(Target(type="x", id=f"own-{at:03}"), Target(type="x", id=f"of-{at % 3}")),
        )
        for at in range(600)
    )
    index = filled(engine, log, batch=50, home_entries=256)
    (found,) = _facets(index, log, PROD, [BY_NAME["target"]])
    shared = [("of-0", 100), ("of-1", 100), ("of-2", 100)]
    assert list(found.counts[:5]) == [*shared, ("own-000", 1), ("own-002", 1)]
    assert (found.absent, found.is_exact) == (0, True)
