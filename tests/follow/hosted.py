"""Followers put together as a process does, over a log and a directory of these tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deploytrail.follow.hosting import ViewHost
from deploytrail.follow.rounds import Host, Rounds
from tests.fakes import FakeClock
from tests.follow.counting import ORIGIN, Counting, CountingStore, Rows, Stop
from tests.follow.logs import Log


class FakeLease:
    """A lease among followers of one test; `owner` says whose it is."""

    def __init__(self, owner: list[object] | None = None) -> None:
        self._owner = [] if owner is None else owner
        self.failure: Exception | None = None

    def is_ours(self) -> bool:
        if self.failure is not None:
            raise self.failure
        if not self._owner:
            self._owner.append(self)
        return self._owner[0] is self

    def release(self) -> None:
        if self._owner and self._owner[0] is self:
            self._owner.clear()

    def close(self) -> None:
        self.release()


class Lines:
    """Remembers what was told."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, str | int | float]]] = []

    def __call__(self, said: str, /, **about: str | int | float) -> None:
        self.said.append((said, about))

    @property
    def kinds(self) -> list[str]:
        return [said for said, _ in self.said]


class Followed:
    """One view of a log with what moves it: as one process after another would have them."""

    def __init__(
        self,
        log: Log,
        directory: Path,
        clock: FakeClock,
        *,
        version: int = 1,
        stop: Stop = lambda _: None,
        lease: FakeLease | None = None,
        kind: type[Counting] = Counting,
        origin: str = ORIGIN,
        beside: tuple[Host, ...] = (),
        reading: Any = None,
    ) -> None:
        self.log = log
        self.clock = clock
        self.lines = Lines()
        self.lease = FakeLease() if lease is None else lease
        self.store = CountingStore(directory, version=version, origin=origin, stop=stop, kind=kind)
        self.host = ViewHost(self.store, self.lease, origin=origin, clock=clock, tell=self.lines)
        self.rounds = Rounds(
            reading or log.store.reading, log.disclose, (self.host, *beside), clock
        )

    def go_on(self, rounds: int = 40) -> None:
        """Until everything stands still, the clock going on meanwhile."""
        still = 0
        for _ in range(rounds):
            still = 0 if self.rounds.round() else still + 1
            if still == 3:
                return
            self.clock.advance(seconds=0.6)

    def rows(self) -> Rows | None:
        return self.store.answering()

    def close(self) -> None:
        self.host.close()


def fresh(log: Log, directory: Path) -> Rows:
    """The rows of a view that was built just now, in a place of its own."""
    followed = Followed(log, directory, FakeClock())
    followed.go_on(200)
    followed.close()
    rows = followed.rows()
    assert rows is not None
    assert followed.store.cursors().current == log.size
    return rows
