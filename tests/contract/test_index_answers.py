"""Answers of the index that are bounded: in time, in how much is read, in how long a value is."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pytest

from deploytrail.errors import Malformed, TooSlow
from deploytrail.event import Actor, Target, Where
from deploytrail.index.contract import RESOLVED_MAX
from deploytrail.query.fields import BY_NAME, folded
from deploytrail.query.tree import (
    EVERYTHING,
    NOTHING,
    And,
    Exists,
    Filter,
    Is,
    Not,
    Or,
    StartsWith,
    Within,
    Words,
)
from tests.contract.index_engines import INDEX_ENGINES, IndexEngine
from tests.contract.indexed import expected, filled, found, resolving, unhurried
from tests.events import BOB, event
from tests.index.entries import logged, subject_name

ALICE = "github:alice"


@pytest.fixture(params=sorted(INDEX_ENGINES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[IndexEngine]:
    found = INDEX_ENGINES[request.param](request, tmp_path)
    yield found
    found.close()


def test_an_answer_that_takes_too_long_ends(engine: IndexEngine) -> None:
    log = logged([event() for _ in range(5)])
    index = filled(engine, log)

    def late() -> None:
        raise TooSlow("query: expected less")

    with pytest.raises(TooSlow), index.searching(late) as searcher:
        searcher.search(Is(BY_NAME["env"], "prod"), order="newest", after=None, limit=5)
    assert found(index, log, Exists(BY_NAME["actor"])) == [0, 1, 2, 3, 4]


def test_ten_thousand_terms_are_answered(engine: IndexEngine) -> None:
    log = logged([event() for _ in range(30)])
    index = filled(engine, log, home_entries=16)
    some = [str(one["id"]) for one in log.shown[::3]]
    ids = [*some, *(f"{at:036}" for at in range(10_000))]
    asked = Or(tuple(Is(BY_NAME["id"], one) for one in ids))
    assert found(index, log, asked) == list(range(0, 30, 3))
    none = And(tuple(Not(Is(BY_NAME["id"], one)) for one in ids))
    assert found(index, log, none) == [at for at in range(30) if at % 3]


def test_ten_thousand_levels_are_answered(engine: IndexEngine) -> None:
    log = logged([event() for _ in range(5)])
    index = filled(engine, log)
    leaf = Is(BY_NAME["action"], "deployment.started")
    asked: Filter = leaf
    for at in range(10_000):
        asked = (Or((asked, NOTHING)), And((leaf, asked)), Not(asked))[at % 3]
    assert found(index, log, asked) == expected(log, asked)


def test_what_belongs_to_something_derived_is_not_for_the_index(engine: IndexEngine) -> None:
    index = filled(engine, logged([event()]))
    with (
        pytest.raises(Malformed, match="in: expected"),
        index.searching(unhurried) as searcher,
    ):
        searcher.search(Within("deployment", "dep-1"), order="newest", after=None, limit=5)


def test_values_are_suggested_by_how_often_they_stand_there(engine: IndexEngine) -> None:
    envs = ["prod", "Prod", "preview", "dev", "prod", "preview", "pre"]
    log = logged([event(where=Where(environment=one)) for one in envs])
    index = filled(engine, log, batch=2)
    with index.searching(unhurried) as searcher:

        def suggested(field: str, beginning: str, scope: Filter = EVERYTHING) -> list[str]:
            return searcher.suggest(
                BY_NAME[field], beginning, scope=scope, limit=2, resolve=resolving(log, scope)
            )

        assert suggested("env", "pr") == ["Prod", "preview"]
        assert suggested("env", "PRE") == ["preview", "pre"]
        assert suggested("env", "", Is(BY_NAME["env"], "dev")) == ["dev"]
        assert suggested("actor", "ali") == ["alice"]
        assert suggested("actor", "GITHUB:") == [ALICE]
        assert suggested("actor", "ali", NOTHING) == []


def test_a_time_has_no_facet(engine: IndexEngine) -> None:
    index = filled(engine, logged([event()]))
    with (
        pytest.raises(Malformed, match="ask for a histogram"),
        index.searching(unhurried) as searcher,
    ):
        searcher.facets(EVERYTHING, [BY_NAME["time"]], limit=5, resolve=lambda _: ())


def test_counts_are_at_least_where_too_many_texts_would_be_read(engine: IndexEngine) -> None:
    phrase = Words(("read", "replica"))
    log = logged([event() for _ in range(RESOLVED_MAX + 20)])
    index = filled(engine, log, batch=500)
    looked: list[int] = []

    def resolve(indexes: Sequence[int]) -> Collection[int]:
        looked.extend(indexes)
        return indexes

    with index.searching(unhurried) as searcher:
        (tally,) = searcher.facets(phrase, [BY_NAME["action"]], limit=5, resolve=resolve)
    assert tally.counts == (("deployment.started", RESOLVED_MAX),)
    assert not tally.is_exact
    assert sorted(looked) == list(range(20, RESOLVED_MAX + 20))


def test_long_values_that_begin_alike_are_told_apart(engine: IndexEngine) -> None:
    ids = ["東" * 1000 + f"{at:04}" for at in range(60)]
    log = logged([event(targets=(Target(type="x", id=one),)) for one in ids])
    index = filled(engine, log, batch=7, home_entries=32)
    target = BY_NAME["target"]
    for at in (0, 31, 32, 59):
        assert found(index, log, Is(target, ids[at])) == [at]
    assert found(index, log, StartsWith(target, ids[0][:-2])) == list(range(60))
    assert found(index, log, StartsWith(target, ids[0][:-1])) == list(range(10))


def test_long_names_are_found_and_erased(engine: IndexEngine) -> None:
    # Each character becomes eighteen where texts are compared.
    names = ["\ufdfa" * 500 + str(at) for at in range(2)]
    alice = [Actor(type="user", id=ALICE, name=name) for name in names]
    log = logged([event(actor=alice[0]), event(actor=alice[1]), event(actor=BOB)])
    index = filled(engine, log)
    actor = BY_NAME["actor"]
    alike = StartsWith(actor, folded(names[1])[:8_000])
    assert found(index, log, Is(actor, folded(names[1]))) == [1]
    assert found(index, log, alike) == [0, 1]
    index.erase(subject_name(ALICE))
    assert found(index, log, Or((Is(actor, folded(names[1])), alike))) == []
