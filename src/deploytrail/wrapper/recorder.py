"""The recorder: hands a run's events to a trail, and keeps what the trail would not take.

Nothing here may fail the user's command: whatever a trail raises is told on standard error, and
the events wait for the next try, at last in `unrecorded/`. Nothing is dropped silently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from deploytrail.errors import SenderError
from deploytrail.event import Event, EventId
from deploytrail.sentence import counted
from deploytrail.trail import Attachment, Patience, Receipt, TrailProducer
from deploytrail.wrapper.guarded import Tell, guarded
from deploytrail.wrapper.unrecorded import append_unrecorded, write_unrecorded

BEFORE: Final = Patience(writer=2, publisher=2, key=5)
"""While the command waits for us; what can't be recorded in this time is recorded at the end."""
AFTER: Final = Patience(writer=10, publisher=10, key=30)

OpenTrail = Callable[[Patience], TrailProducer]


class Recorder:
    """One run's way into the trail, which is opened for each try and let go after it."""

    def __init__(self, open_trail: OpenTrail, *, home: Path | None, run: str, tell: Tell) -> None:
        self._open_trail = open_trail
        self._home = home
        self._run = run
        self._tell = tell
        self._waiting: list[Event] = []
        self._attachments: dict[EventId, Sequence[Attachment]] = {}
        self._trail: TrailProducer | None = None
        self._unopened: BaseException | None = None
        self.receipts: list[Receipt] = []

    def fingerprint_key(self, project: str) -> bytes | None:
        """The key for secrets that are dropped, or None where no trail can be opened.

        The trail stays open for `begin`, which tells what is wrong with it, and waits no more.
        """
        try:
            self._trail = self._open_trail(BEFORE)
            return self._trail.fingerprint_key(project)
        except BaseException as error:  # noqa: BLE001 (our fault must not become the user's)
            self._unopened = None if self._trail else error
            return None

    def begin(self, start: Event) -> None:
        """Appends the start, and nothing else, while the command waits."""
        self._waiting.append(start)
        guarded(self._append_start, "not recorded yet (1 event)", self._tell)

    def record(
        self,
        events: Sequence[Event],
        attachments: Mapping[EventId, Sequence[Attachment]] | None = None,
    ) -> None:
        """Appends these events after those that still wait; if that fails, they wait too."""
        self._waiting += events
        self._attachments.update(attachments or {})
        guarded(
            self._append_all,
            f"not recorded yet ({counted(len(self._waiting), 'event')})",
            self._tell,
        )

    def keep(self) -> None:
        """Leaves what still waits in `unrecorded/`; if even that fails, says what is lost."""
        if not self._waiting:
            return
        count = counted(len(self._waiting), "event")
        path = guarded(self._write, "unrecorded/ can't be written", self._tell)
        if path is None:
            self._tell(
                f"{count.upper()} OF THIS RUN LOST: neither the trail nor unrecorded/ took "
                "them; make room or mend its permissions, then say by hand what happened "
                "(`deploytrail record`)"
            )
        else:
            self._tell(f"kept {count} in {path}; the next run appends what waits there")

    def _append_start(self) -> None:
        if self._unopened is not None:
            raise self._unopened
        trail, self._trail = self._trail or self._open_trail(BEFORE), None
        try:
            self._append(trail)
        finally:
            guarded(trail.close, "the trail could not be closed", self._tell)

    def _append(self, trail: TrailProducer) -> None:
        self._sort_out(trail.record(self._waiting, attachments=self._attachments))
        guarded(trail.publish, "recorded, but not published yet", self._tell)

    def _append_all(self) -> None:
        if self._trail is not None:
            # Opened for the start, which was not made: it is not as patient as it may be now.
            guarded(self._trail.close, "the trail could not be closed", self._tell)
            self._trail = None
        trail = self._open_trail(AFTER)
        try:
            self._append(trail)
            if self._home is not None:
                home = self._home
                guarded(lambda: self._catch_up(trail, home), "unrecorded/ waits", self._tell)
        finally:
            guarded(trail.close, "the trail could not be closed", self._tell)

    def _sort_out(self, answers: Sequence[Receipt | SenderError]) -> None:
        """Keeps the receipts; what was refused goes on waiting, at last in `unrecorded/`."""
        refused: list[Event] = []
        for event, answer in zip(self._waiting, answers, strict=True):
            if isinstance(answer, SenderError):
                refused.append(event)
                self._tell(f"the trail refused {event.action}: {answer}")
            else:
                self.receipts.append(answer)
        self._waiting = refused
        kept = {event.id for event in refused}
        self._attachments = {of: held for of, held in self._attachments.items() if of in kept}

    def _catch_up(self, trail: TrailProducer, home: Path) -> None:
        appended = append_unrecorded(trail, home)
        for path, reason in appended.set_aside:
            self._tell(f"set aside {path}: {reason}")
        if appended.events:
            trail.publish()

    def _write(self) -> Path:
        if self._home is None:
            raise FileNotFoundError("no home directory is known; set DEPLOYTRAIL_HOME")
        return write_unrecorded(self._home, self._run, self._waiting, self._attachments)
