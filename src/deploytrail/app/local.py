"""A trail with its index: recorded into, read and asked by whoever may open its stores.

Where nobody follows the log, its index is brought up to date before each question; where a server
does, that has the lease, and is waited for by who asks with `after`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

from msgspec import structs

from deploytrail.app import lags
from deploytrail.app.followers.board import load_board
from deploytrail.app.indexing import Progress, catch_up, rebuild_index
from deploytrail.app.published import size_signed
from deploytrail.app.questions.indexes import CurrentIndex
from deploytrail.app.questions.searching import Searching, stats
from deploytrail.app.trails.opening import Place, open_trail
from deploytrail.app.trails.stored import StoredTrail
from deploytrail.clock import Clock, SystemClock
from deploytrail.index.contract import NAME
from deploytrail.index.part import Memory
from deploytrail.trail import Stats

Telling = Callable[[], AbstractContextManager[Progress]]
"""Entered while the index is moved; gives whom to tell how far it is."""


def _silently() -> AbstractContextManager[Progress]:
    return nullcontext(lambda _done, _total: None)


class Asking(Searching):
    """A stored trail's index, and what follows its log. Belongs to one thread."""

    def __init__(
        self,
        trail: StoredTrail,
        clock: Clock,
        memory: Memory | None = None,
        *,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        self.trail = trail
        self._index = CurrentIndex(trail.index(), memory)
        super().__init__(trail, self._index, clock, prepare=prepare)

    def stats(self) -> Stats:
        """See `trail.TrailSearcher.stats`."""
        cursor = self._index.cursor()
        followers = {} if cursor is None else {NAME: cursor}
        file = self.trail.standings()
        board = None if file is None else load_board(file)
        for one in () if board is None else board.followers:
            if one.cursor is not None:
                followers.setdefault(one.name, one.cursor)
        signed, now = size_signed(self.trail.store), self._clock.now()
        found = stats(self.trail, size_signed=signed, followers=followers)
        return structs.replace(
            found,
            lag_seconds=lags.lag_seconds(self.trail.store, indexed=cursor, signed=signed, now=now),
            quorum=lags.quorum(self.trail.store, now),
        )

    def close(self) -> None:
        """Of the index; the trail is its opener's."""
        self._index.close()


class LocalTrail(Asking):
    """`trail.Trail` and `trail.TrailSearcher` over a directory or a database.

    A question may take as long as the index needs for what the log has more; `telling` is entered
    while it does, and gives who is told how far it is.
    """

    def __init__(self, trail: StoredTrail, clock: Clock, telling: Telling = _silently) -> None:
        super().__init__(trail, clock, prepare=self._catch_up)
        self._clock = clock
        self._telling = telling
        self._was_looked_after = False
        # One trail, asked by its own names: what is recorded and read is the stored trail's.
        self.record = trail.record
        self.record_json = trail.record_json
        self.fingerprint_key = trail.fingerprint_key
        self.publish = trail.publish
        self.size = trail.size
        self.newest = trail.newest
        self.entries = trail.entries
        self.show = trail.show
        self.proof = trail.proof
        self.attachment = trail.attachment

    @property
    def origin(self) -> str:
        return self.trail.origin

    def stats(self) -> Stats:
        self._catch_up()
        return super().stats()

    def rebuild(self, told: Progress = lambda _done, _total: None) -> None:
        """Make the index anew beside what answers meanwhile. Raises Behind."""
        rebuild_index(self.trail, self._clock, told)

    def _catch_up(self) -> None:
        """Let the index take in what the log has, unless another process does that."""
        # One that is as far as the log may still be of another log: that is found once.
        if self._was_looked_after and self._index.cursor() == self.trail.size():
            return
        with self._telling() as told:
            catch_up(self.trail, self._clock, told)
        self._was_looked_after = True

    def close(self) -> None:
        super().close()
        self.trail.close()

    def __enter__(self) -> LocalTrail:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_local(
    place: Place | None = None,
    *,
    create: bool = True,
    clock: Clock | None = None,
    environment: Mapping[str, str] | None = None,
    telling: Telling = _silently,
) -> LocalTrail:
    """As `opening.open_trail`, with the index to be asked."""
    clock = SystemClock() if clock is None else clock
    trail = open_trail(place, create=create, clock=clock, environment=environment)
    return LocalTrail(trail, clock, telling)
