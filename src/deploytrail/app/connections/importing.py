"""History from files, taken in: translated as if it had been delivered, and stamped as imported.

Nothing of it was delivered by anybody, so nothing of it is proven: whoever hands a file over may
have written it. The same file again changes nothing: its tellings are known by their ids.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Final

from msgspec import Struct, structs

from deploytrail.actions import OWN_TOOL
from deploytrail.app.connections.taking import Connected, Keys, imported_one_by_one
from deploytrail.app.events.recording import Recorded, Recorder, Submission, submission
from deploytrail.clock import Clock, microseconds, uuid7
from deploytrail.errors import SenderError
from deploytrail.event import Actor, Error, Event, EventId, Source, Target
from deploytrail.intake.pieces import Piece
from deploytrail.kit.delivery import fetched
from deploytrail.trail import LOCAL_INSTANCE

BATCH_EVENTS: Final = 2_000
RANDOM_BYTES: Final = 10
"""Of an id."""
_IDS: Final = 64
UNREAD: Final = ("integration.delivery.unrecognised", "integration.delivery.malformed")
_NAME_CHARACTERS_MAX: Final = 512


class Counted(Struct, frozen=True, kw_only=True):
    """What became of files: events that are new, that stood there before, that came before with
    other bytes, and of the new ones those that say that something was not understood.
    """

    events: int = 0
    known: int = 0
    conflicts: int = 0
    unread: int = 0

    def __add__(self, other: Counted) -> Counted:
        names = self.__struct_fields__
        return Counted(**{name: getattr(self, name) + getattr(other, name) for name in names})


Told = Callable[[Counted, int], None]
"""Hears, in order, what became of all that is durable now, and behind which byte the last piece
ended that is so as a whole; 0 where none is yet.
"""


class Importer:
    """Takes files into one trail over one connection; belongs to the thread of its recorder."""

    def __init__(
        self, recorder: Recorder, over: Connected, keys: Keys, clock: Clock, *, by: Actor
    ) -> None:
        self._recorder = recorder
        self._over = over
        self._keys = keys
        self._clock = clock
        self._by = by
        self._ids = Ids(clock)

    def take(self, pieces: Iterable[Piece], told: Told) -> Counted:
        """Everything of them, durable. Raises what reading the pieces raises, and what recording
        does: what was told before is in the log.
        """
        waiting: list[tuple[int, int]] = []
        counted = Counted()
        seen = end = 0

        def batches() -> Iterator[list[Submission]]:
            made = 0
            for piece in pieces:
                for batch in _batched(self._made(piece)):
                    made += len(batch)
                    yield batch
                waiting.append((made, piece.end))

        def logged(answers: list[Recorded | SenderError]) -> None:
            nonlocal counted, seen, end
            counted += _counted(answers)
            seen += len(answers)
            while waiting and waiting[0][0] <= seen:
                end = waiting.pop(0)[1]
            told(counted, end)

        with _uncollected():
            self._recorder.recorded_all(batches(), told=logged)
        if waiting:
            # Behind the last event there may have been pieces without any.
            told(counted, waiting[-1][1])
        return counted

    def say(self, action: str, name: str, *, outcome: str, error: str | None = None) -> None:
        """That a file is being taken in, or was: an event of the trail's own."""
        event = Event(
            id=self._clock.event_id(),
            action=action,
            outcome="success",
            time=self._clock.now(),
            actor=self._by,
            source=Source(tool=OWN_TOOL, instance=LOCAL_INSTANCE),
            targets=(Target(type="file", name=name[-_NAME_CHARACTERS_MAX:]),),
            error=None if error is None else Error(text=error),
        )
        stated = structs.replace(event, outcome=outcome)
        self._recorder.record([submission(stated)])

    def _made(self, piece: Piece) -> Iterator[Submission]:
        now = self._clock.now()
        for body in piece.bodies:
            delivery = fetched(body, now)
            yield from imported_one_by_one(delivery, self._over, self._keys, self._ids)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the collector: events are many small objects, none of them in cycles."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class Ids:
    """New ids, their random bytes drawn for some at a time: each time the system is asked, whoever
    commits takes the interpreter. Belongs to one thread, of one process.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left = b""

    def __call__(self) -> EventId:
        if not self._left:
            self._left = self._clock.random(RANDOM_BYTES * _IDS)
        random, self._left = self._left[:RANDOM_BYTES], self._left[RANDOM_BYTES:]
        return uuid7(microseconds(self._clock.now()) // 1_000, random)


def _batched(some: Iterator[Submission]) -> Iterator[list[Submission]]:
    while batch := list(islice(some, BATCH_EVENTS)):
        yield batch


def _counted(answers: list[Recorded | SenderError]) -> Counted:
    new = [each for each in answers if isinstance(each, Recorded) and each.is_first]
    conflicts = sum(isinstance(each, SenderError) for each in answers)
    return Counted(
        events=len(new),
        known=len(answers) - len(new) - conflicts,
        conflicts=conflicts,
        unread=sum(each.said is not None and each.said.event.action in UNREAD for each in new),
    )
