"""Trails for tests: a directory of their own, a clock of their own, events that differ."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from deploytrail.app import open_directory
from deploytrail.app.trails.directory import DirectoryTrail
from deploytrail.app.verifying import verify
from deploytrail.event import Actor, Event, Reason, Source
from deploytrail.report import Report
from deploytrail.trail import Receipt
from tests.fakes import FakeClock


class Place(NamedTuple):
    """A trail's directory with everything that belongs to it and to its user."""

    home: Path
    environment: dict[str, str]
    clock: FakeClock

    def open(self) -> DirectoryTrail:
        return open_directory(self.home, clock=self.clock, environment=self.environment)

    @contextmanager
    def opened(self) -> Iterator[DirectoryTrail]:
        trail = self.open()
        try:
            yield trail
        finally:
            trail.close()

    def record(self, count: int, *, publish: bool = True) -> list[Receipt]:
        with self.opened() as trail:
            answers = trail.record([self.event(at) for at in range(count)])
            if publish:
                trail.publish()
        receipts = [one for one in answers if isinstance(one, Receipt)]
        assert len(receipts) == count, answers
        return receipts

    def event(self, number: int, *, actor: str = "github:alice") -> Event:
        self.clock.advance(seconds=0.001)
        return Event(
            id=self.clock.event_id(),
            action="deployment.succeeded",
            outcome="success",
            time=self.clock.now(),
            actor=Actor(type="user", id=actor, name=f"Alice {number % 7}"),
            source=Source(tool="argocd", instance="local"),
            reason=Reason(from_="stated", text=f"reason {number}"),
        )

    def verified(self, *, disclosures: bool = True, **given: Any) -> Report:
        return verify(
            self.home,
            disclosures=disclosures,
            environment=self.environment,
            clock=self.clock,
            **given,
        )


def place(directory: Path) -> Place:
    """A place below `directory`, with nothing in it yet."""
    environment = {
        "HOME": str(directory),
        "XDG_STATE_HOME": str(directory / "state"),
        "XDG_DATA_HOME": str(directory / "data"),
    }
    return Place(directory / "home", environment, FakeClock())


def recorded(directory: Path, count: int) -> Place:
    """A place below `directory` with a log of so many entries, all of them signed."""
    there = place(directory)
    there.record(count)
    return there
