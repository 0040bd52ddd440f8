"""A view and, while it is rebuilt, its successor: kept by whoever has the lease.

A successor is begun where there is no view of this version, where the one that stands is not of
this log, or where somebody asks for it. Once it has caught up it takes the place of the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from deploytrail.clock import Clock
from deploytrail.follow.lease import Lease
from deploytrail.follow.retry import Retry
from deploytrail.follow.rounds import Head
from deploytrail.follow.slot import Slot
from deploytrail.follow.told import Standing, State, Tell
from deploytrail.follow.view import Cursors, ViewStore

_LOOKED_SECONDS: Final = 1.0
"""How often a lease that is another's is asked for, and whether a rebuild was begun."""


class ViewHost:
    """Moves one view of the log of `origin`. Belongs to one thread."""

    def __init__(
        self, store: ViewStore, lease: Lease, *, origin: str, clock: Clock, tell: Tell
    ) -> None:
        self._store = store
        self._lease = lease
        self._clock = clock
        self._tell = tell
        self._retry = Retry(clock)
        self._looked: float | None = None
        self._is_ours = False
        self._cursors = Cursors(None, None)
        self._current = Slot(store.name, store.current, origin=origin, clock=clock, tell=tell)
        self._successor = Slot(
            f"{store.name} (rebuild)", store.successor, origin=origin, clock=clock, tell=tell
        )

    def heads(self) -> Sequence[Head]:
        if not self._retry.is_due():
            return ()
        try:
            if self._has_lease():
                self._prepare()
        except Exception as error:  # noqa: BLE001 (whatever a store raises is its own affair)
            self._failed(error)
            return ()
        return [slot for slot in (self._current, self._successor) if slot.is_ready]

    def rest(self) -> bool:
        """Do a part of what can wait, where nothing is read any more; whether there is more."""
        return self._current.rest()

    def standing(self) -> Standing:
        """How it stands, for others to see; of another's, what was last seen of it."""
        current, successor = self._current, self._successor
        reason = self._retry.reason or current.retry.reason or successor.retry.reason
        return Standing(
            name=self._store.name,
            state=self._state(),
            cursor=current.cursor if current.is_open else self._cursors.current,
            successor=successor.cursor if successor.is_open else self._cursors.successor,
            reason=reason,
        )

    def close(self) -> None:
        self._close_views()
        self._lease.close()

    def _state(self) -> State:
        if not self._is_ours and not self._retry.failures:
            return "elsewhere"
        of_all = (self._retry, self._current.retry, self._successor.retry)
        if any(retry.is_broken for retry in of_all):
            return "broken"
        if any(retry.failures for retry in of_all):
            return "waiting"
        return "rebuilding" if self._cursors.successor is not None else "following"

    def _has_lease(self) -> bool:
        if not self._is_ours and not self._is_time_to_look():
            return False
        is_ours = self._lease.is_ours()
        if is_ours != self._is_ours:
            self._tell("lease taken" if is_ours else "lease lost", follower=self._store.name)
            # Somebody else may have moved what we had open.
            self._close_views()
            self._looked = None
        self._is_ours = is_ours
        if not is_ours:
            self._look()
            self._retry.succeeded()
        return is_ours

    def _is_time_to_look(self) -> bool:
        return self._looked is None or self._clock.monotonic() >= self._looked + _LOOKED_SECONDS

    def _look(self) -> None:
        self._looked = self._clock.monotonic()
        self._cursors = self._store.cursors()

    def _prepare(self) -> None:
        if self._successor.is_open and self._successor.is_caught_up:
            self._swap()
        if self._is_time_to_look():
            self._look()
            if self._successor.is_void:
                self._store.discard()
                self._successor.is_void = False
                self._cursors = self._store.cursors()
            has_none = self._cursors.current is None or self._current.is_void
            if has_none and self._cursors.successor is None:
                self._store.begin()
                self._tell("rebuild begun", follower=self._store.name)
                self._cursors = self._store.cursors()
        if self._cursors.current is not None:
            self._current.open()
        if self._cursors.successor is not None:
            self._successor.open()
        if self._retry.failures:
            self._retry.succeeded()

    def _swap(self) -> None:
        """Stopped before or within it, the successor is found again, has caught up, and is swapped.

        Stopped behind it, it is the current one.
        """
        entries = self._successor.cursor
        self._close_views()
        self._store.swap()
        self._looked = None
        self._current.is_void = False
        self._current.retry.succeeded()
        self._tell("rebuild done", follower=self._store.name, entries=entries)

    def _failed(self, error: Exception) -> None:
        self._close_views()
        self._looked = None
        self._retry.failed(error)
        said = "follower is broken" if self._retry.is_broken else "follower failed"
        self._tell(said, follower=self._store.name, reason=self._retry.reason)

    def _close_views(self) -> None:
        self._current.close()
        self._successor.close()
