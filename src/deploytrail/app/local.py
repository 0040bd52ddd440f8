"""A trail with its index: recorded into, read and asked by whoever may open its stores.

Where no server follows the log, whoever asks brings the index up to date before, and shows how far
that is.
"""

from __future__ import annotations

from collections.abc import Mapping

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


class Asking(Searching):
    """A stored trail's index, and what follows its log. Belongs to one thread."""

    def __init__(self, trail: StoredTrail, clock: Clock, memory: Memory | None = None) -> None:
        self.trail = trail
        self._index = CurrentIndex(trail.index(), memory)
        super().__init__(trail, self._index, clock)

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
    """`trail.Trail` and `trail.TrailSearcher` over a directory or a database."""

    def __init__(self, trail: StoredTrail, clock: Clock) -> None:
        super().__init__(trail, clock)
        self._clock = clock
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

    def catch_up(self, told: Progress = lambda _done, _total: None) -> None:
        """Let the index take in what the log has, unless another process does that."""
        catch_up(self.trail, self._clock, told)

    def rebuild(self, told: Progress = lambda _done, _total: None) -> None:
        """Make the index anew beside what answers meanwhile. Raises Behind."""
        rebuild_index(self.trail, self._clock, told)

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
) -> LocalTrail:
    """As `opening.open_trail`, with the index to be asked."""
    clock = SystemClock() if clock is None else clock
    return LocalTrail(open_trail(place, create=create, clock=clock, environment=environment), clock)
