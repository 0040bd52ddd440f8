"""A trail that is asked where nobody follows its log: in a directory, in a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from deploytrail.address import Database, Directory
from deploytrail.app.local import LocalTrail, open_local
from deploytrail.errors import Behind
from deploytrail.follow.lease import Lease
from deploytrail.trail import OpenTrail, Receipt
from tests.app.places import Place, place
from tests.events import event
from tests.fakes import FakeClock
from tests.postgresql import Server


class There(NamedTuple):
    """Where a trail is to be, with what belongs to its user."""

    place: Directory | Database
    environment: Mapping[str, str]
    clock: FakeClock

    def open(self) -> LocalTrail:
        return open_local(self.place, clock=self.clock, environment=self.environment)


@pytest.fixture(params=["directory", "database"])
def there(request: pytest.FixtureRequest, tmp_path: Path) -> There:
    made: Place = place(tmp_path)
    if request.param == "directory":
        return There(Directory(made.home), made.environment, made.clock)
    server: Server = request.getfixturevalue("postgres_server")
    return There(Database(server.url(server.database())), made.environment, made.clock)


def recorded(trail: OpenTrail, count: int = 1) -> int:
    """The index of the last."""
    found = trail.record([event(action="config.updated") for _ in range(count)])
    (*_, last) = [one for one in found if isinstance(one, Receipt)]
    return last.index


ASKED: dict[str, Callable[[OpenTrail], int]] = {
    "search": lambda trail: len(trail.search("actor:alice").items),
    "changes": lambda trail: len(trail.changes("actor:alice").items),
    "facets": lambda trail: trail.facets("actor:alice", ["action"])[0].counts[0].count,
    "histogram": lambda trail: sum(bar.count for bar in trail.histogram("actor:alice").bars),
    "suggest": lambda trail: 3 * len(trail.suggest("action", "config.")),
    "stats": lambda trail: trail.stats().followers["index"],
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_what_was_just_recorded_is_found_whatever_is_asked_first(
    there: There, ask: Callable[[OpenTrail], int]
) -> None:
    with there.open() as trail:
        recorded(trail, 3)
        assert ask(trail) == 3


def test_what_is_recorded_later_is_found_later(there: There) -> None:
    with there.open() as trail, there.open() as other:
        assert trail.search().items == ()
        for count in (1, 2, 3):
            last = recorded(other if count == 2 else trail)
            page = trail.search(after=last)
            assert (len(page.items), page.indexed, page.size) == (count, count, count)


@contextmanager
def followed(trail: LocalTrail) -> Iterator[Lease]:
    """Another process moves the index: it has the lease."""
    lease = trail.trail.lease("index")
    assert lease.is_ours()
    try:
        yield lease
    finally:
        lease.close()


def test_what_a_server_indexes_is_left_to_it(there: There) -> None:
    with there.open() as trail:
        recorded(trail)
        assert trail.search().indexed == 1
        with followed(trail):
            last = recorded(trail)
            page = trail.search()
            assert (page.indexed, page.size) == (1, 2)
            asked: list[Callable[[], object]] = [
                lambda: trail.search(after=last),
                lambda: trail.changes(after=last),
                lambda: trail.facets("", ["env"], after=last),
                lambda: trail.histogram("", after=last),
                lambda: trail.suggest("env", "", after=last),
            ]
            for ask in asked:
                with pytest.raises(Behind, match="expected it to have read entry 1 within 10 s"):
                    ask()
        assert trail.search(after=last).indexed == 2


def test_an_index_that_is_up_to_date_is_not_looked_after_again(there: There) -> None:
    told: list[tuple[int, int]] = []

    @contextmanager
    def telling() -> Iterator[Callable[[int, int], None]]:
        yield lambda done, total: told.append((done, total))

    with open_local(
        there.place, clock=there.clock, environment=there.environment, telling=telling
    ) as trail:
        recorded(trail, 2)
        trail.search()
        assert told[-1] == (2, 2)
        told.clear()
        trail.search()
        trail.stats()
        assert told == []
        recorded(trail)
        trail.search()
        assert told[-1] == (3, 3)
