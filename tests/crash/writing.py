"""What the fault tests write: Alice's deployments, and a directory of many.

Knows the real stores, clocks and files; nothing is stood in for.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec

from deploytrail.app.backups.backing_up import backup, source_of
from deploytrail.app.events.recording import Recorder, submission
from deploytrail.app.trails.directory import DirectoryTrail, open_directory
from deploytrail.clock import Clock, SystemClock
from deploytrail.errors import SenderError
from deploytrail.event import Actor, Event, Source, Target
from deploytrail.trail import Patience, Receipt


class Place(NamedTuple):
    """A trail's directory and the state directory of its user, side by side."""

    base: Path

    @property
    def home(self) -> Path:
        return self.base / "home"

    @property
    def environment(self) -> dict[str, str]:
        return {"XDG_STATE_HOME": str(self.base / "state")}

    def open(
        self,
        *,
        create: bool = False,
        clock: Clock | None = None,
        wait_seconds_max: float = 10.0,
    ) -> DirectoryTrail:
        return open_directory(
            self.home,
            create=create,
            clock=clock,
            environment=self.environment,
            patience=Patience(writer=wait_seconds_max),
        )


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """A new directory, in memory where that is possible: nobody has to wait for a disk there."""
    memory = Path("/dev/shm")
    is_usable = memory.is_dir() and os.access(memory, os.W_OK)
    with TemporaryDirectory(prefix="deploytrail-", dir=memory if is_usable else None) as made:
        yield Path(made)


def deployment(delivery: str, *, clock: Clock | None = None, by: str = "alice") -> Event:
    """Alice, or another, starts to deploy something; `delivery` names it."""
    clock = clock or SystemClock()
    return Event(
        id=clock.event_id(),
        action="deployment.started",
        outcome="pending",
        time=clock.now(),
        actor=Actor(type="user", id=f"os:{by}@build", name=by.capitalize()),
        source=Source(tool="crash", instance="local", delivery=delivery),
        targets=(Target(type="unit", id=f"unit-{delivery}"),),
    )


def recorded(trail: DirectoryTrail, *deliveries: str, clock: Clock | None = None) -> list[Receipt]:
    """Receipts of new deployments; raises what refused one."""
    answers = trail.record([deployment(one, clock=clock) for one in deliveries])
    return [accepted(answer) for answer in answers]


def recorded_by(recorder: Recorder, *deliveries: str, by: str = "alice") -> list[Receipt]:
    answers = recorder.record([submission(deployment(one, by=by)) for one in deliveries])
    return [accepted(answer) for answer in answers]


def accepted(answer: Receipt | SenderError) -> Receipt:
    if isinstance(answer, SenderError):
        raise answer
    return answer


def filled(
    place: Place, count: int, *, published_at: tuple[int, ...] = (), clock: Clock | None = None
) -> list[Receipt]:
    """A new trail with `count` entries, published at these sizes; the receipts."""
    receipts: list[Receipt] = []
    with place.open(create=True, clock=clock) as trail:
        for until in sorted({*published_at, count}):
            wanted = range(len(receipts), until)
            receipts += (
                recorded(trail, *(f"first-{at}" for at in wanted), clock=clock) if wanted else []
            )
            if until in published_at:
                trail.publish()
        trail.store.sync_all()
        trail.keyring.sync_all()
    return receipts


def as_line(receipt: Receipt) -> bytes:
    return msgspec.json.encode(receipt)


def receipt_of(line: bytes) -> Receipt:
    return msgspec.json.decode(line, type=Receipt)


def backed_up(place: Place) -> list[Receipt]:
    """A backup of a trail that is gone, and a copy of its key; nobody here has seen it."""
    receipts = filled(place, 300, published_at=(1, 290))
    with place.open() as trail:
        backup(source_of(trail), place.base / "backup.tar", clock=SystemClock())
    (place.home / "key").rename(place.base / "key")
    shutil.rmtree(place.home)
    shutil.rmtree(place.base / "state")
    return receipts
