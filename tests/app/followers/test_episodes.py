"""What lasts is told when it begins and when it is over, by whoever looks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deploytrail.app.followers.acting import appending
from deploytrail.app.followers.episodes import Episodes
from deploytrail.errors import Busy
from deploytrail.event import Event
from tests.app.places import Place, place


@pytest.fixture
def there(tmp_path: Path) -> Place:
    return place(tmp_path)


def tell(there: Place, *steps: str, kind: str = "lagging") -> list[bool]:
    """One process: what it finds open after each step."""
    with there.opened() as trail:
        episodes = Episodes(
            trail.store.reading, appending(trail.recorder), actor="test", version=1, kind=kind
        )
        found = []
        for step in steps:
            {"begin": episodes.begin, "end": episodes.end}[step](there.event(0))
            found.append(episodes.is_open)
        return found


def told(there: Place) -> list[str]:
    with there.opened() as trail:
        sources: list[Any] = [shown.event["source"] for shown in trail.entries()]
    return [one["delivery"].removeprefix("actor/test/1/") for one in sources]


def test_each_is_told_once_by_however_many_processes(there: Place) -> None:
    for number in range(1, 8):
        assert tell(there, "end") == [False]
        assert tell(there, "begin", "begin") == [True, True]
        assert tell(there, "begin") == [True]
        assert tell(there, "end", "end") == [False, False]
        assert len(told(there)) == 2 * number
    assert told(there)[-2:] == ["lagging/7/began", "lagging/7/ended"]


def test_kinds_are_counted_apart(there: Place) -> None:
    tell(there, "begin")
    assert tell(there, "begin", kind="refused/00") == [True]
    assert told(there) == ["lagging/1/began", "refused/00/1/began"]


def test_two_that_look_at_the_same_time_tell_one(there: Place) -> None:
    with there.opened() as trail, there.opened() as other:
        both = [
            Episodes(one.store.reading, appending(one.recorder), actor="test", version=1, kind="k")
            for one in (trail, other)
        ]
        assert [one.is_open for one in both] == [False, False]
        for one in both:
            one.begin(there.event(0))
        for one in both:
            one.end(there.event(0))
    assert told(there) == ["k/1/began", "k/1/ended"]


def test_what_could_not_be_told_is_told_the_next_time(there: Place) -> None:
    def failing(_: object) -> list[None]:
        raise Busy("another holds it")

    with there.opened() as trail:
        episodes = Episodes(trail.store.reading, failing, actor="test", version=1, kind="k")
        with pytest.raises(Busy):
            episodes.begin(there.event(0))
        assert not episodes.is_open
    assert tell(there, "begin", kind="k") == [True]


def test_an_event_says_whose_episode_it_is(there: Place) -> None:
    event: Event = there.event(0)
    with there.opened() as trail:
        Episodes(
            trail.store.reading, appending(trail.recorder), actor="test", version=1, kind="k"
        ).begin(event)
        source: Any = trail.show(0).event["source"]
    assert (source["tool"], source["delivery"]) == ("deploytrail", "actor/test/1/k/1/began")
