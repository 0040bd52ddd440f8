"""A rebuild that somebody asks for and watches, here or where another process follows."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from deploytrail.errors import Behind
from deploytrail.follow.rebuild import rebuild
from deploytrail.follow.view import Read
from tests.fakes import FakeClock
from tests.follow.counting import Counting
from tests.follow.hosted import FakeLease, Followed, fresh
from tests.follow.logs import Log


def rebuilt(
    followed: Followed, told: list[tuple[int, int]], stopping: threading.Event | None = None
) -> bool:
    return rebuild(
        followed.store,
        followed.host,
        followed.rounds,
        size=lambda: followed.log.size,
        clock=followed.clock,
        progress=lambda done, total: told.append((done, total)),
        stopping=stopping,
    )


def test_a_rebuild_tells_how_far_it_is(log: Log, tmp_path: Path, clock: FakeClock) -> None:
    log.append(9000)
    followed = Followed(log, tmp_path / "view", clock)
    told: list[tuple[int, int]] = []
    assert rebuilt(followed, told)
    assert [*dict.fromkeys(told)] == [(0, 9000), (4096, 9000), (8192, 9000), (9000, 9000)]
    told.clear()
    assert rebuilt(followed, told)
    assert (told[0], told[-1]) == ((0, 9000), (9000, 9000))
    followed.close()
    assert followed.rows() == fresh(log, tmp_path / "fresh")


def test_a_rebuild_that_was_stopped_is_gone_on_with(
    log: Log, tmp_path: Path, clock: FakeClock
) -> None:
    log.append(9000)
    stopping = threading.Event()
    first = Followed(log, tmp_path / "view", clock)
    told: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        told.append((done, total))
        if done:
            stopping.set()

    assert not rebuild(
        first.store, first.host, first.rounds,
        size=lambda: log.size, clock=clock, progress=progress, stopping=stopping,
    )  # fmt: skip
    first.close()
    assert first.store.cursors().current is None
    followed = Followed(log, tmp_path / "view", clock)
    told.clear()
    assert rebuilt(followed, told)
    assert told[0][0] > 0
    followed.close()


class Elsewhere:
    """Another process, which moves its follower whenever this one waits."""

    def __init__(self, other: Followed, mine: Followed) -> None:
        self._other, self._mine = other, mine

    def round(self) -> bool:
        self._other.rounds.round()
        return self._mine.rounds.round()


def test_a_rebuild_is_watched_where_another_process_follows(
    log: Log, tmp_path: Path, clock: FakeClock
) -> None:
    owner: list[object] = []
    log.append(9000)
    other = Followed(log, tmp_path / "view", clock, lease=FakeLease(owner))
    other.go_on()
    mine = Followed(log, tmp_path / "view", clock, lease=FakeLease(owner))
    told: list[tuple[int, int]] = []
    assert rebuild(
        mine.store, mine.host, Elsewhere(other, mine),
        size=lambda: log.size, clock=clock, progress=lambda *both: told.append(both),
    )  # fmt: skip
    assert told[0] == (0, 9000)
    assert len(set(told)) > 2
    assert other.lines.kinds.count("rebuild done") == 2
    assert mine.lines.kinds == []
    other.close()


def test_a_rebuild_that_nobody_moves_is_told(log: Log, tmp_path: Path, clock: FakeClock) -> None:
    log.append(3)
    followed = Followed(log, tmp_path / "view", clock, lease=FakeLease([object()]))
    with pytest.raises(Behind, match=r"counting: expected its rebuild to go on, found it still at"):
        rebuilt(followed, [])


class Broken(Counting):
    def apply(self, read: Read) -> None:
        raise RuntimeError("a table is missing")


def test_a_rebuild_that_is_broken_says_why(log: Log, tmp_path: Path, clock: FakeClock) -> None:
    log.append(3)
    followed = Followed(log, tmp_path / "view", clock, kind=Broken)
    with pytest.raises(Behind, match="RuntimeError: a table is missing"):
        rebuilt(followed, [])
    followed.close()
