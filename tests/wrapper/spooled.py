"""Spools as runs leave them, and the trail that drains them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from deploytrail.app.trails.directory import DirectoryTrail, open_directory
from deploytrail.event import Actor, Event, EventId, Source
from deploytrail.spool.seal import SpoolKey, public_key
from deploytrail.trail import Attachment, Shown
from deploytrail.wrapper.spool_file import SpoolFile
from tests.events import event
from tests.fakes import NOON, FakeClock
from tests.verified import verified

START, END = "runtime.command.started", "runtime.command.finished"


def told(*, action: str = START, **fields: object) -> Event:
    """An event of a run, not stamped yet."""
    actor = Actor(type="user", id="os:alice@build")
    source = Source(tool="wrapper", instance="local", delivery="run")
    return event(action=action, actor=actor, source=source, **fields)


class Spooling:
    """A folder of spools beside a trail."""

    def __init__(self, folder: Path, *, now: datetime = NOON) -> None:
        self.clock = FakeClock(now)
        self.folder = folder / "spool"
        self.home = folder / "trail"
        self.environ = {"XDG_STATE_HOME": str(folder / "state")}
        self.key: SpoolKey | None = None

    def open(self) -> DirectoryTrail:
        return open_directory(self.home, clock=self.clock, environment=self.environ)

    def seal(self) -> None:
        """From now on, spools are sealed to the trail."""
        with self.open() as trail:
            self.key = public_key(trail.origin, trail.spool_secret())

    def spool(self) -> SpoolFile:
        """Of a run that begins a second after the one before."""
        self.clock.advance(seconds=1)
        return SpoolFile(self.folder, run=self.clock.event_id(), clock=self.clock, key=self.key)

    def left(
        self,
        events: Sequence[Event],
        attachments: Mapping[EventId, Sequence[Attachment]] | None = None,
        *,
        is_last: bool = True,
    ) -> tuple[Path, list[Event]]:
        """The file of a run that is over, and its events as they were stamped."""
        spool = self.spool()
        stamped = spool.stamped(events, attachments or {}, is_last=is_last)
        spool.write()
        spool.release()
        return spool.path, stamped

    def logged(self) -> list[Shown]:
        """What stands in the log, which is sound, but for what it says of itself at its birth."""
        with self.open() as trail:
            verified(trail.store)
            shown = list(trail.entries())
        return [one for one in shown if one.event["action"] != "audit.trail.created"]

    def ids(self) -> list[str]:
        return [str(one.event["id"]) for one in self.logged()]


def changed(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """A file whose lines somebody has been at."""
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
