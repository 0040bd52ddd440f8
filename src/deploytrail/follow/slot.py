"""One view while it is moved: opened when it is needed, and anew after it failed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from deploytrail.clock import Clock
from deploytrail.follow.reading import Piece, Step
from deploytrail.follow.retry import Retry
from deploytrail.follow.rounds import Pace
from deploytrail.follow.told import Tell
from deploytrail.follow.view import View


class Slot:
    """A view at a place in the log; nobody's view while it is closed.

    `is_caught_up` is whether it had everything that the log had when it was last moved. `is_void`:
    it is of another log than the one that is followed, or knows entries which that does not have;
    it is moved no more.
    """

    def __init__(
        self,
        name: str,
        open_view: Callable[[], View | None],
        *,
        origin: str,
        clock: Clock,
        tell: Tell,
    ) -> None:
        self._name = name
        self._open_view = open_view
        self._origin = origin
        self._tell = tell
        self._view: View | None = None
        self.retry = Retry(clock)
        self.pace = Pace()
        self.cursor = 0
        self.is_caught_up = False
        self.is_void = False
        self.has_rest = False

    @property
    def is_open(self) -> bool:
        return self._view is not None

    @property
    def is_ready(self) -> bool:
        """Whether it is open, and it is time to move it."""
        return self._view is not None and self.retry.is_due()

    def open(self) -> None:
        """Open it where there is one and it is time to; after a failure, later."""
        if self._view is not None or self.is_void or not self.retry.is_due():
            return
        try:
            self._view = self._open_view()
            if self._view is not None:
                self.cursor = self._view.cursor()
                self.is_caught_up = False
                if self._view.origin != self._origin:
                    self._refuse(f"expected a view of {self._origin}, found {self._view.origin}")
        except Exception as error:  # noqa: BLE001 (whatever a view raises is its own affair)
            self.failed(error)

    def take(self, found: Piece, taken: Sequence[Step]) -> None:
        view = self._view
        if view is None:
            return
        if found.first > found.size:
            self._refuse(f"expected at most {found.size} entries, found {found.first}")
            return
        try:
            for step in taken:
                # Stopped between the two, the entry that says so is read again, and it is
                # forgotten again; the other way round it would never be.
                for subject in step.erased:
                    view.erase(subject)
                view.apply(step.read)
                self.cursor = step.read.until
            self.has_rest = not taken and view.rest()
        except Exception as error:  # noqa: BLE001 (as above)
            self.failed(error)
            return
        self.is_caught_up = self.cursor >= found.size
        if self.retry.failures:
            self._tell("follower goes on", follower=self._name, cursor=self.cursor)
            self.retry.succeeded()

    def rest(self) -> bool:
        """Do a part of what can wait; whether there is more."""
        if self._view is None:
            return False
        try:
            self.has_rest = self._view.rest()
        except Exception as error:  # noqa: BLE001 (as above)
            self.failed(error)
        return self.has_rest

    def starve(self, error: Exception) -> None:
        # The view is whole, and stays open.
        self._note(error, is_passing=True)

    def failed(self, error: Exception) -> None:
        """What it has open may be spoilt: the next time it begins from what is durable."""
        self.close()
        self._note(error)

    def _note(self, error: Exception, *, is_passing: bool = False) -> None:
        self.retry.failed(error, is_passing=is_passing)
        said = "follower is broken" if self.retry.is_broken else "follower failed"
        self._tell(said, follower=self._name, reason=self.retry.reason, cursor=self.cursor)

    def close(self) -> None:
        view, self._view = self._view, None
        self.is_caught_up = self.has_rest = False
        if view is not None:
            with suppress(Exception):
                view.close()

    def _refuse(self, reason: str) -> None:
        self.close()
        self.is_void = True
        self._tell("view is not of this log", follower=self._name, reason=reason)
