"""Ended at any point, in any order of events: a view equals one that is built afresh."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.engines import SqliteEngine
from tests.fakes import FakeClock
from tests.follow.hosted import Followed, fresh
from tests.follow.logs import Log
from tests.searching import examples


class Stopped(BaseException):
    """The end of a process, as far as one process can play it."""


def test_a_process_may_end_between_any_two_steps(tmp_path: Path) -> None:
    """Ended at the first step, at the second, …: the next one goes on, and the rows are right."""
    ended = 0
    for at in count():
        place = tmp_path / str(at)
        place.mkdir()
        clock = FakeClock()
        engine = SqliteEngine(place, clock)
        log = Log(engine.open())
        log.append(300)
        if not _is_stopped_at(at, log, place, clock):
            engine.close()
            break
        ended += 1
        log.append(7)
        followed = Followed(log, place / "view", clock, version=2)
        followed.go_on()
        followed.close()
        assert followed.store.cursors() == (log.size, None)
        assert followed.rows() == fresh(log, place / "fresh")
        engine.close()
    # A rebuild, an erasure, a step forward, then a rebuild for another version.
    assert ended > 20


def _is_stopped_at(at: int, log: Log, place: Path, clock: FakeClock) -> bool:
    steps = iter(range(at + 1))

    def stop(_: str) -> None:
        if next(steps, None) is None:
            raise Stopped

    followed = Followed(log, place / "view", clock, stop=stop)
    try:
        followed.go_on()
        log.erase("bob")
        log.append(4)
        followed.go_on()
        followed.close()
        followed = Followed(log, place / "view", clock, version=2, stop=stop)
        followed.go_on()
        followed.close()
    except Stopped:
        followed.store.die()
        return True
    return False


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from([1, 2, 255, 300])),
        st.tuples(st.just("erase"), st.sampled_from([0, 1, 2])),
        st.tuples(st.just("round"), st.integers(1, 3)),
        st.tuples(st.just("stop"), st.integers(0, 12)),
        st.tuples(st.just("rebuild"), st.just(0)),
        st.tuples(st.just("upgrade"), st.just(0)),
    ),
    max_size=25,
)


@examples(40)
@given(steps=STEPS)
def test_whatever_happens_a_view_equals_one_that_is_built_afresh(
    tmp_path_factory: pytest.TempPathFactory, steps: Sequence[tuple[str, int]]
) -> None:
    place = tmp_path_factory.mktemp("interleaved")
    clock = FakeClock()
    engine = SqliteEngine(place, clock)
    log = Log(engine.open())
    version = 1
    left: list[int] = []

    def stop(_: str) -> None:
        if left:
            left[0] -= 1
            if left[0] < 0:
                left.clear()
                raise Stopped

    followed = Followed(log, place / "view", clock, stop=stop)
    for what, number in steps:
        clock.advance(seconds=0.7)
        try:
            if what == "append":
                log.append(number)
            elif what == "erase":
                log.erase(("alice", "bob", "carol")[number])
            elif what == "round":
                for _ in range(number):
                    followed.rounds.round()
            elif what == "stop":
                left[:] = [number]
            elif what == "rebuild":
                followed.store.begin()
            else:
                followed.close()
                version += 1
                followed = Followed(log, place / "view", clock, version=version, stop=stop)
        except Stopped:
            followed.store.die()
            followed = Followed(log, place / "view", clock, version=version, stop=stop)
    left.clear()
    followed.go_on()
    followed.close()
    assert followed.store.cursors() == (log.size, None)
    assert followed.rows() == fresh(log, place / "fresh")
    engine.close()
