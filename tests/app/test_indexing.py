"""The index of a directory, moved by whoever asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from deploytrail.app.followers.leases import FileLease
from deploytrail.app.indexing import catch_up, rebuild_index
from deploytrail.app.questions.indexes import CurrentIndex
from deploytrail.app.questions.searching import Searching
from deploytrail.app.trails.directory import DirectoryTrail
from deploytrail.errors import Misconfigured
from deploytrail.event import Reason
from deploytrail.follow.view import Cursors
from deploytrail.index.answering import Answering
from deploytrail.index.joining import Allowance
from deploytrail.index.merging import NEIGHBOURS
from tests.events import event
from tests.fakes import FakeClock

AT_ONCE = Allowance().at_once_entries
WORDS = 20


@pytest.fixture
def searching(trail: DirectoryTrail, clock: FakeClock) -> Iterator[Searching]:
    indexes = CurrentIndex(trail.index())
    yield Searching(trail, indexes, clock)
    indexes.close()


def found(searching: Searching) -> list[int]:
    return [one.index for one in searching.search("replica", order="oldest").items]


def test_an_index_is_made_and_then_catches_up(
    trail: DirectoryTrail, clock: FakeClock, searching: Searching
) -> None:
    trail.record([event(), event()])
    told: list[tuple[int, int]] = []
    catch_up(trail, clock, lambda done, total: told.append((done, total)))
    assert told[-1] == (2, 2)
    assert found(searching) == [0, 1]
    trail.record([event()])
    catch_up(trail, clock)
    assert found(searching) == [0, 1, 2]
    assert trail.index().cursors() == Cursors(3, None)


def test_what_can_wait_is_done_though_everybody_asks_as_soon_as_there_is_something(
    trail: DirectoryTrail, clock: FakeClock
) -> None:
    """Of so many small reads each is a segment, and more than are joined behind one of them."""
    few = 1 + AT_ONCE // NEIGHBOURS
    texts = [
        " ".join([f"word{number}" for number in range(first, first + WORDS)])
        for first in range(0, NEIGHBOURS * few * WORDS, WORDS)
    ]
    for first in range(0, len(texts), few):
        reasons = [Reason(from_="stated", text=text) for text in texts[first : first + few]]
        trail.record([event(reason=reason) for reason in reasons])
        catch_up(trail, clock)
    with closing(CurrentIndex(trail.index())) as indexes:
        index = indexes.current()
        assert index is not None
        with index.searching(lambda: None) as searcher:
            assert isinstance(searcher, Answering)
            assert len(searcher.parts) == 1


def test_an_empty_log_has_an_empty_index(
    trail: DirectoryTrail, clock: FakeClock, searching: Searching
) -> None:
    catch_up(trail, clock)
    assert found(searching) == []


def test_what_another_process_moves_is_left_to_it(
    trail: DirectoryTrail, clock: FakeClock, searching: Searching
) -> None:
    catch_up(trail, clock)
    trail.record([event()])
    other = FileLease(trail.home.directory, "index")
    assert other.is_ours()
    catch_up(trail, clock)
    assert found(searching) == []
    other.release()
    catch_up(trail, clock)
    assert found(searching) == [0]
    other.close()


def test_a_rebuilt_index_takes_the_place_of_the_one_before(
    trail: DirectoryTrail, clock: FakeClock, searching: Searching
) -> None:
    trail.record([event(), event()])
    catch_up(trail, clock)
    before = trail.index().edition()
    told: list[tuple[int, int]] = []
    rebuild_index(trail, clock, lambda done, total: told.append((done, total)))
    assert (told[0], told[-1]) == ((0, 2), (2, 2))
    assert trail.index().edition() != before
    assert found(searching) == [0, 1]


def test_an_index_that_was_removed_is_made_anew(
    trail: DirectoryTrail, clock: FakeClock, searching: Searching
) -> None:
    trail.record([event()])
    catch_up(trail, clock)
    for path in sorted((trail.home.directory / "index").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    catch_up(trail, clock)
    assert found(searching) == [0]


def test_what_is_no_index_any_more_is_made_anew(
    trail: DirectoryTrail, clock: FakeClock, searching: Searching
) -> None:
    trail.record([event()])
    catch_up(trail, clock)
    (live,) = (trail.home.directory / "index").rglob("live.db")
    live.write_bytes(b"no database at all, but as long as the head of one" * 100)
    assert trail.index().cursors() == Cursors(None, None)
    with pytest.raises(Misconfigured, match="expected an index as we write it"):
        found(searching)
    catch_up(trail, clock)
    assert found(searching) == [0]


def test_a_successor_that_is_no_index_any_more_is_begun_anew(
    trail: DirectoryTrail, clock: FakeClock, searching: Searching
) -> None:
    trail.record([event()])
    store = trail.index()
    store.begin()
    (live,) = (trail.home.directory / "index").rglob("live.db")
    live.write_bytes(b"no database at all" * 300)
    catch_up(trail, clock)
    assert found(searching) == [0]
