"""Trails that are searched: a directory with its index beside it."""

from __future__ import annotations

from deploytrail.app.followers.disclosing import Disclosing
from deploytrail.app.questions.indexes import CurrentIndex
from deploytrail.app.questions.searching import LIMITS, Limits, Searching
from deploytrail.app.trails.directory import DirectoryTrail
from deploytrail.clock import Clock
from deploytrail.event import Event
from deploytrail.follow.reading import piece, steps
from deploytrail.index.sqlite.store import SqliteIndexStore
from deploytrail.trail import Receipt


def silent(_: str, /, **__: str | int | float) -> None:
    """Tells nobody."""


class Searched:
    """A trail whose index takes in what was recorded when it is told to."""

    def __init__(self, trail: DirectoryTrail, clock: Clock, limits: Limits = LIMITS) -> None:
        self.trail = trail
        self.store = SqliteIndexStore(trail.home.directory / "index", trail.origin)
        self.indexes = CurrentIndex(self.store)
        self.searching = Searching(trail, self.indexes, clock, limits)

    def record(self, *events: Event) -> list[Receipt]:
        answers = self.trail.record(events)
        found = [one for one in answers if isinstance(one, Receipt)]
        assert len(found) == len(events), answers
        return found

    def follow(self) -> None:
        """Let the index take in all that was recorded."""
        if self.store.cursors().current is None:
            self.store.begin()
            self.store.swap()
        index = self.store.current()
        assert index is not None
        disclose = Disclosing(
            self.trail.store.reading, self.trail.keyring.subject, origin=index.origin, tell=silent
        )
        while (found := piece(self.trail.store.reading, index.cursor())).entries:
            for step in steps(found, disclose):
                for subject in step.erased:
                    index.erase(subject)
                index.apply(step.read)
        index.close()

    def close(self) -> None:
        self.indexes.close()
