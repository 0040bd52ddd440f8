"""The contract of the index, held against every engine, and against what an event itself says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.errors import Conflict, Malformed
from deploytrail.event import Actor, Event, Reason
from deploytrail.follow.view import Read
from deploytrail.index import key
from deploytrail.index.answering import Answering
from deploytrail.index.contract import Position
from deploytrail.index.engine import SegmentedIndex
from deploytrail.index.joining import Allowance
from deploytrail.index.makers import Makers
from deploytrail.query.fields import BY_NAME, FIELDS, Kind, folded
from deploytrail.query.tree import (
    EVERYTHING,
    Filter,
    Is,
    Or,
    Order,
    Words,
)
from tests.contract.index_engines import INDEX_ENGINES, USUAL, IndexEngine
from tests.contract.indexed import (
    LITTLE,
    expected,
    filled,
    found,
    place_of,
    resolving,
    unhurried,
)
from tests.events import event
from tests.fakes import NOON
from tests.index.entries import ORIGIN, Logged, logged, subject_name
from tests.index.oracle import compared, matches
from tests.query.filters import PERSONS, filters, happenings
from tests.searching import examples

of_each_engine = pytest.mark.parametrize("kind", sorted(INDEX_ENGINES))


Make = Callable[[str], AbstractContextManager[IndexEngine]]


@pytest.fixture(scope="session")
def made(request: pytest.FixtureRequest) -> Make:
    """Makes an engine of its own for one example of many."""

    @contextmanager
    def make(kind: str) -> Iterator[IndexEngine]:
        with TemporaryDirectory() as directory:
            engine = INDEX_ENGINES[kind](request, Path(directory))
            try:
                yield engine
            finally:
                engine.close()

    return make


@pytest.fixture(params=sorted(INDEX_ENGINES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[IndexEngine]:
    found = INDEX_ENGINES[request.param](request, tmp_path)
    yield found
    found.close()


_logs = st.lists(happenings(), max_size=16)
_batches = st.integers(1, 30)
_homes = st.sampled_from([8, 16, 1 << 20])
_allowances = st.sampled_from([USUAL, LITTLE])
# Under one condition counts are read instead of reckoned.
_asked = filters() | filters(has_words=False, max_leaves=1)


@of_each_engine
@examples(30)
@given(
    events=_logs,
    asked=st.lists(filters(), min_size=1, max_size=8),
    batch=_batches,
    home=_homes,
    allowance=_allowances,
)
def test_an_engine_finds_what_the_predicate_says_of_each_event(
    made: Make,
    kind: str,
    events: list[Event],
    asked: list[Filter],
    batch: int,
    home: int,
    allowance: Allowance,
) -> None:
    log = logged(events)
    with made(kind) as engine:
        index = filled(engine, log, batch=batch, home_entries=home, allowance=allowance)
        for filter in asked:
            assert found(index, log, filter) == expected(log, filter)
            assert found(index, log, filter, "newest") == expected(log, filter, "newest")


@of_each_engine
@examples(15)
@given(events=_logs, asked=st.lists(_asked, min_size=1, max_size=4), batch=_batches, home=_homes)
def test_counts_are_those_of_the_events_that_match(
    made: Make, kind: str, events: list[Event], asked: list[Filter], batch: int, home: int
) -> None:
    log = logged(events)
    named = [one for one in FIELDS if one.kind is not Kind.TIME and one.name != "index"]
    with made(kind) as engine:
        index = filled(engine, log, batch=batch, home_entries=home)
        for filter in asked:
            some = [one for one in log.shown if matches(filter, one)]
            with index.searching(unhurried) as searcher:
                tallies = searcher.facets(filter, named, limit=1000, resolve=resolving(log, filter))
                bins = searcher.histogram(filter, _fifths, resolve=resolving(log, filter))
            for field, tally in zip(named, tallies, strict=True):
                assert tally.is_exact
                values = [list(compared(one, field)) for one in some]
                assert tally.absent == sum(not each for each in values)
                if field.kind is not Kind.PERSON:
                    counts = Counter(folded(str(one)) for each in values for one in {*each})
                    assert {folded(value): n for value, n in tally.counts} == counts, field.name
            assert sum(bins.counts) == len(some)
            assert sum(n for each in bins.outcomes for n in each.values()) == len(some)
            for one in some:
                time = place_of(one)[0]
                assert any(
                    low <= time < high
                    for low, high in zip(bins.edges, bins.edges[1:], strict=False)
                )


def _fifths(low: int, high: int) -> list[int]:
    return [low + (high + 1 - low) * at // 5 for at in range(6)]


@of_each_engine
@examples(15)
@given(events=_logs, asked=filters(), batch=_batches, limit=st.integers(1, 7))
def test_pages_go_on_where_the_last_one_ended(
    made: Make, kind: str, events: list[Event], asked: Filter, batch: int, limit: int
) -> None:
    log = logged(events)
    with made(kind) as engine:
        index = filled(engine, log, batch=batch, home_entries=8)
        for order in ("newest", "oldest"):
            whole = _paged(index, asked, order, limit)
            assert whole == _paged(index, asked, order, 10_000)


def _paged(index: SegmentedIndex, filter: Filter, order: Order, limit: int) -> list[int]:
    after: Position | None = None
    indexes: list[int] = []
    while True:
        with index.searching(unhurried) as searcher:
            page = searcher.search(filter, order=order, after=after, limit=limit)
        indexes += [one.position.at for one in page]
        if len(page) < limit:
            return indexes
        after = page[-1].position


@of_each_engine
@examples(15)
@given(events=_logs, asked=_asked, batch=_batches)
def test_a_rebuilt_index_gives_the_same_answers_byte_for_byte(
    made: Make, kind: str, events: list[Event], asked: Filter, batch: int
) -> None:
    log = logged(events)
    with made(kind) as engine:
        grown = filled(engine, log, batch=batch, home_entries=8, name="grown")
        rebuilt = filled(engine, log, batch=max(1, len(events)), name="rebuilt")
        assert _answers(grown, log, asked) == _answers(rebuilt, log, asked)


@examples(15)
@given(events=_logs, asked=_asked, batch=_batches, home=_homes)
def test_all_engines_give_the_same_answers(
    made: Make, events: list[Event], asked: Filter, batch: int, home: int
) -> None:
    log = logged(events)
    answers = []
    for kind in INDEX_ENGINES:
        with made(kind) as engine:
            index = filled(engine, log, batch=batch, home_entries=home)
            answers.append(_answers(index, log, asked))
    assert len(answers) == len(INDEX_ENGINES)
    assert len(set(answers)) == 1


def _answers(index: SegmentedIndex, log: Logged, filter: Filter) -> bytes:
    named = [one for one in FIELDS if one.kind is not Kind.TIME and one.name != "index"]
    resolve = resolving(log, filter)
    with index.searching(unhurried) as searcher:
        answers = (
            searcher.search(filter, order="newest", after=None, limit=20),
            searcher.facets(filter, named, limit=5, resolve=resolve),
            searcher.histogram(filter, _fifths, resolve=resolve),
            [searcher.suggest(one, "p", scope=filter, limit=5, resolve=resolve) for one in named],
        )
    return repr(answers).encode()


ALICE = "github:alice"


def test_what_several_processes_make_gives_the_same_answers(engine: IndexEngine) -> None:
    log = logged(
        event(
            actor=Actor(type="user", id=PERSONS[number % 3][0], name=f"Person {number % 7}"),
            reason=Reason(from_="stated", text=f"zebra {number}", tickets=(f"PAY-{number % 3}",)),
        )
        for number in range(60)
    )
    makers = Makers(ORIGIN, 2)
    together = engine.writer("together", part_entries=4, makers=makers, home_entries=32)
    alone = engine.writer("alone", home_entries=32)
    for index in (together, alone):
        index.apply(log.read(0, 30))
        index.erase(subject_name(PERSONS[2][0]))
        index.apply(log.read(30, 60))
    assert makers.processes == 2
    for asked in (EVERYTHING, Is(BY_NAME["actor"], "person 3"), Words(("zebra", "17"))):
        assert _answers(together, log, asked) == _answers(alone, log, asked)
    together.erase(subject_name(ALICE))
    assert makers.processes == 0


def test_what_comes_late_stands_where_it_happened(engine: IndexEngine) -> None:
    late = [NOON - timedelta(hours=one) for one in (0, 9, 3, 5, 1, 7, 2, 8, 4, 6)]
    log = logged([event(time=one) for one in late])
    index = filled(engine, log, batch=3, home_entries=4)
    assert found(index, log, EVERYTHING, "newest") == [0, 4, 6, 2, 8, 3, 9, 5, 7, 1]


def test_entries_that_begin_elsewhere_are_refused_and_change_nothing(engine: IndexEngine) -> None:
    log = logged([event() for _ in range(6)])
    index = filled(engine, logged([]))
    index.apply(log.read(0, 3))
    for first in (0, 2, 4):
        with pytest.raises(Conflict, match="expected entries from 3 on"):
            index.apply(log.read(first, 6))
    assert index.cursor() == 3
    index.apply(log.read(3, 6))
    assert found(index, log, EVERYTHING) == [0, 1, 2, 3, 4, 5]


def test_an_entry_of_another_log_is_refused_and_changes_nothing(engine: IndexEngine) -> None:
    log = logged([event(), event()])
    other = log.entries[1].replace(ORIGIN.encode(), b"deploytrail.test/other/1")
    index = engine.writer()
    with pytest.raises(Conflict, match="expected entries of"):
        index.apply(Read(0, [log.entries[0], other], [], lambda _: {}))
    assert index.cursor() == 0
    assert found(index, log, EVERYTHING) == []


def test_what_is_no_entry_is_refused_and_changes_nothing(engine: IndexEngine) -> None:
    index = engine.writer()
    with pytest.raises(Malformed, match="entry 0: expected one that this version can index"):
        index.apply(Read(0, [b'{"v":1}'], [], lambda _: {}))
    assert index.cursor() == 0


def test_an_index_goes_on_where_it_was_closed(engine: IndexEngine) -> None:
    log = logged([event() for _ in range(9)])
    for first in range(0, 9, 3):
        index = engine.writer(home_entries=4)
        assert index.cursor() == first
        index.apply(log.read(first, first + 3))
        engine.close()
    assert found(engine.reader(), log, Is(BY_NAME["actor"], ALICE)) == list(range(9))


def test_a_moment_stays_as_it_was_while_the_index_goes_on(engine: IndexEngine) -> None:
    log = logged([event() for _ in range(64)])
    index = filled(engine, logged([]), home_entries=16)
    index.apply(log.read(0, 15))
    reader = engine.reader()
    with reader.searching(unhurried) as searcher:
        assert searcher.cursor == 15
        for first in range(15, 64):
            index.apply(log.read(first, first + 1))
        some = searcher.search(EVERYTHING, order="oldest", after=None, limit=100)
        assert [one.position.at for one in some] == list(range(15))
    assert found(reader, log, EVERYTHING) == list(range(64))


def test_an_erased_subject_is_found_by_nothing_that_was_said_of_it(engine: IndexEngine) -> None:
    bob = Actor(type="user", id="github:bob", name="Bob Builder")
    said = Reason(from_="stated", text="zebra crossing")
    log = logged(
        [
            event(reason=said, on_behalf_of=bob),
            event(reason=Reason(from_="stated", text="zebra"), actor=bob),
        ]
        * 20
    )
    index = filled(engine, log, batch=7, home_entries=16)
    alice = subject_name(ALICE)
    zebra, named = Words(("zebra",)), Is(BY_NAME["actor"], "alice example")
    assert b"zebra" in words_kept(index)
    index.erase(alice)
    bobs = list(range(1, 40, 2))
    assert found(index, log, zebra) == bobs
    assert found(index, log, named) == []
    assert found(index, log, Words(("crossing",))) == []
    assert found(index, log, Is(BY_NAME["actor"], folded(alice))) == list(range(0, 40, 2))
    assert found(index, log, Is(BY_NAME["for"], "github:bob")) == list(range(0, 40, 2))
    assert found(index, log, Words(("builder",))) == list(range(40))
    assert found(index, log, Words(("deployment",))) == list(range(40))
    index.erase(subject_name("github:bob"))
    assert found(index, log, Or((zebra, Words(("builder",))))) == []
    assert not {b"zebra", b"crossing", b"builder", b"alice"} & words_kept(index)
    for gone in (b"Alice Example", b"github:alice", b"Bob Builder", b"bob builder"):
        assert gone not in engine.bytes(), gone


def words_kept(index: SegmentedIndex) -> set[bytes]:
    """Every word that stands in an index."""
    with index.searching(unhurried) as searcher:
        assert isinstance(searcher, Answering)
        return {
            named[1:]
            for part in searcher.parts
            for layer in key.WORDS
            for named, _ in part.counts(layer)
        }


def test_an_erasure_on_the_way_to_a_seal_is_in_the_seal(engine: IndexEngine) -> None:
    log = logged([event() for _ in range(40)])
    index = engine.writer(home_entries=32)
    index.apply(log.read(0, 40))
    index.erase(subject_name(ALICE))
    assert found(index, log, Words(("replica",))) == []
    engine.close()
    assert found(engine.reader(), log, Words(("replica",))) == []
