"""How far behind index, publisher and quorum are, as any process reads it from the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from deploytrail.app import lags
from deploytrail.app.local import Asking
from deploytrail.app.published import size_signed
from deploytrail.trail import Quorum, Stats
from tests.app.places import Place, place
from tests.app.searched import Searched
from tests.app.witnessed import ALICE, Asker, Neighbour, named


@pytest.fixture
def there(tmp_path: Path) -> Place:
    made = place(tmp_path)
    made.record(3)
    return made


@pytest.fixture
def bob(there: Place, tmp_path: Path) -> Neighbour:
    return Neighbour(tmp_path, "bob", there.clock)


@pytest.fixture
def carol(there: Place, tmp_path: Path) -> Neighbour:
    return Neighbour(tmp_path, "carol", there.clock)


def stats(there: Place) -> Stats:
    with there.opened() as trail, closing(Asking(trail, there.clock)) as asking:
        return asking.stats()


def quorum(there: Place) -> Quorum | None:
    with there.opened() as trail:
        return lags.quorum(trail.store, there.clock.now())


@contextmanager
def asking(there: Place, *neighbours: Neighbour) -> Iterator[Asker]:
    asker = Asker(there.open(), there.clock, *neighbours)
    try:
        yield asker
    finally:
        asker.close()


def test_each_lags_by_the_age_of_the_oldest_entry_that_it_lacks(there: Place) -> None:
    there.clock.advance(seconds=10)
    # Without an index, all of them lack.
    assert stats(there).lag_seconds == {"index": pytest.approx(10, abs=0.1), "publisher": 0.0}
    with there.opened() as trail:
        searched = Searched(trail, there.clock)
        searched.follow()
        searched.close()
    assert stats(there).lag_seconds == {"index": 0.0, "publisher": 0.0}
    there.record(1, publish=False)
    there.clock.advance(seconds=5)
    there.record(1, publish=False)
    there.clock.advance(seconds=2)
    found = stats(there)
    assert (found.size - found.size_signed, found.size - found.followers["index"]) == (2, 2)
    assert found.lag_seconds == dict.fromkeys(["index", "publisher"], pytest.approx(7, abs=0.1))
    with there.opened() as trail:
        trail.publish()
        assert size_signed(trail.store) == found.size
    assert stats(there).lag_seconds["publisher"] == 0.0


def test_where_nobody_has_to_cosign_nobody_is_late(there: Place, bob: Neighbour) -> None:
    assert quorum(there) is None
    named(there, bob, quorum="none")
    with asking(there, bob) as asker:
        asker.tick(2)
    assert quorum(there) is None
    assert stats(there).quorum is None


def test_a_quorum_that_never_cosigned_is_told(there: Place, bob: Neighbour) -> None:
    named(there, bob)
    assert quorum(there) == Quorum(size=None, seconds=None)


def test_a_quorum_is_as_old_as_the_cosignature_that_made_it(
    there: Place, bob: Neighbour, carol: Neighbour
) -> None:
    named(there, bob, carol, quorum="all")
    carol.is_up = False
    with asking(there, bob, carol) as asker:
        asker.tick(20, seconds=1)
        # One of two is no quorum.
        assert quorum(there) == Quorum(size=None, seconds=None)
        carol.is_up = True
        asker.tick(70, seconds=1)
    found = stats(there).quorum
    assert found is not None
    assert (found.size, found.seconds is not None and found.seconds < 70) == (5 + 1, True)


def test_it_grows_older_while_the_log_goes_on(
    there: Place, bob: Neighbour, carol: Neighbour
) -> None:
    named(there, bob, carol, quorum="all")
    with asking(there, bob, carol) as asker:
        asker.tick(2)
        before = quorum(there)
        assert before is not None
        assert before.seconds is not None
        carol.is_up = False
        # More checkpoints of one witness than are read at once.
        for _ in range(300):
            there.record(1)
            asker.tick(1, seconds=1.1)
    found = quorum(there)
    assert found is not None
    assert found.size == before.size
    assert found.seconds == pytest.approx(before.seconds + 330, abs=2)


def test_who_was_taken_off_makes_no_quorum_any_more(
    there: Place, bob: Neighbour, carol: Neighbour
) -> None:
    named(there, bob)
    with asking(there, bob) as asker:
        asker.tick(2)
    named(there, carol)
    with there.opened() as trail:
        trail.witnesses().remove("bob", quorum=None, by=ALICE, reason=None)
    assert quorum(there) == Quorum(size=None, seconds=None)
