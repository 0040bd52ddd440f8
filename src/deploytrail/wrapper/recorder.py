"""The recorder: keeps a run's events in its spool, and hands them to a trail.

Nothing here may fail the user's command: whatever a trail raises is told on standard error, and
the events stay in the spool, which the next run drains. Nothing is dropped silently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from deploytrail.clock import Clock
from deploytrail.errors import SenderError
from deploytrail.event import Event, EventId
from deploytrail.sentence import counted
from deploytrail.trail import Attachment, Patience, Receipt, TrailProducer
from deploytrail.wrapper.guarded import Tell, guarded
from deploytrail.wrapper.keeping import Keeping
from deploytrail.wrapper.spool_file import SpoolFile, is_left, spools
from deploytrail.wrapper.unrecorded import append_unrecorded

BEFORE: Final = Patience(writer=2, publisher=2, key=5)
"""While the command waits for us; what can't be recorded in this time is recorded at the end."""
AFTER: Final = Patience(writer=10, publisher=10, key=30)


OpenTrail = Callable[[Patience], TrailProducer]


class Recorder:
    """One run's way into the trail, which is opened for each try and let go after it."""

    def __init__(
        self,
        open_trail: OpenTrail,
        *,
        keeping: Keeping | None,
        run: str,
        clock: Clock,
        tell: Tell,
    ) -> None:
        self._open_trail = open_trail
        self._keeping = keeping
        self._run = run
        self._clock = clock
        self._tell = tell
        self._spool = guarded(self._new_spool, "no spool is kept", tell)
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

    def begin(self, *events: Event) -> bool:
        """Keeps the start durably, and appends it while the command waits; whether that was done.

        Before it may come what explains it, nothing else.
        """
        self._keep(events, {})
        guarded(
            self._append_start,
            f"not recorded yet ({counted(len(self._waiting), 'event')})",
            self._tell,
        )
        if self._waiting and not self.is_kept:
            self._tell("nor is it kept: the spool can't be written, which is tried again later")
        return not self._waiting

    def outstanding(self) -> str:
        """What earlier runs left and the trail has not taken, in words; empty for nothing."""
        keeping = self._keeping
        if keeping is None or not self._others(keeping):
            return ""
        guarded(lambda: self._catch_up_now(keeping), "the spool waits", self._tell)
        left = self._others(keeping)
        return f"{counted(len(left), 'earlier run')} waited in {keeping.folder}" if left else ""

    def _catch_up_now(self, keeping: Keeping) -> None:
        trail = self._open_trail(AFTER)
        try:
            self._catch_up(trail, keeping)
        finally:
            guarded(trail.close, "the trail could not be closed", self._tell)

    def _others(self, keeping: Keeping) -> list[Path]:
        """Spools of others that wait; what belongs to a run that lives does not."""
        own = None if self._spool is None else self._spool.path
        return [path for path in spools(keeping.folder) if path != own and is_left(path)]

    @property
    def is_kept(self) -> bool:
        """Whether all that waits is durable in the spool."""
        return self._spool is not None and self._spool.is_written

    def keep_more(self, *events: Event) -> None:
        """Keeps what happened since the start, to be appended at the end."""
        self._keep(events, {})

    def record(
        self,
        events: Sequence[Event],
        attachments: Mapping[EventId, Sequence[Attachment]] | None = None,
    ) -> None:
        """Appends these events, the last of the run, after those that still wait.

        If that fails, they wait too.
        """
        self._keep(events, attachments or {}, is_last=True)
        guarded(
            self._append_all,
            f"not recorded yet ({counted(len(self._waiting), 'event')})",
            self._tell,
        )

    def keep(self) -> None:
        """Leaves what still waits in the spool; if even that fails, says what is lost."""
        if self._waiting:
            self._keep_rest()
        elif self._spool is not None:
            self._spool.discard()
        if self._keeping is not None:
            carry_out = partial(self._keeping.carry_out, self._run, self._tell)
            guarded(carry_out, "the spool is not exported", self._tell)

    def _keep_rest(self) -> None:
        count = counted(len(self._waiting), "event")
        path = guarded(self._written, "the spool can't be written", self._tell)
        if path is None:
            self._tell(
                f"{count.upper()} OF THIS RUN LOST: neither the trail nor the spool took them; "
                "make room or mend its permissions, then say by hand what happened "
                "(`deploytrail record`)"
            )
        else:
            self._tell(f"kept {count} in {path}; the next run appends what waits there")

    def _new_spool(self) -> SpoolFile | None:
        if self._keeping is None:
            return None
        of = self._keeping
        return SpoolFile(of.folder, run=self._run, clock=self._clock, trail=of.trail, key=of.key)

    def _keep(
        self,
        events: Sequence[Event],
        attachments: Mapping[EventId, Sequence[Attachment]],
        *,
        is_last: bool = False,
    ) -> None:
        """In the spool first: from then on, whatever ends us, nothing of it is lost."""
        spool = self._spool
        if spool is not None:
            stamp = partial(spool.stamped, events, attachments, is_last=is_last)
            stamped = guarded(stamp, "no spool is kept", self._tell)
            if stamped is None:
                self._spool = None
            events = stamped or events
            # Where that fails, the trail is there; `keep` tries again, and tells.
            with suppress(OSError):
                spool.write()
        self._waiting += events
        self._attachments.update(attachments)

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
            if self._keeping is not None:
                keeping = self._keeping
                guarded(lambda: self._catch_up(trail, keeping), "the spool waits", self._tell)
                if keeping.key_file is not None:
                    learn = partial(self._learn, trail, keeping)
                    guarded(learn, "the key for spools is not known", self._tell)
        finally:
            guarded(trail.close, "the trail could not be closed", self._tell)

    def _sort_out(self, answers: Sequence[Receipt | SenderError]) -> None:
        """Keeps the receipts; what was refused goes on waiting, and stays in the spool."""
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

    def _catch_up(self, trail: TrailProducer, keeping: Keeping) -> None:
        """What earlier runs left; of one of ours that lives, nothing."""
        appended = append_unrecorded(trail, keeping.home)
        aside, events = list(appended.set_aside), appended.events
        if self._others(keeping):
            # Almost every run finds no file: what reads one is loaded when there is one.
            from deploytrail.wrapper.draining import drain

            until = self._clock.monotonic() + keeping.drain_seconds
            drained = drain(trail, keeping.folder, is_over=lambda: self._clock.monotonic() >= until)
            aside += drained.set_aside
            events += drained.events
            for gap in drained.gaps:
                self._tell(f"something is missing in {gap}")
            if drained.waiting:
                self._tell(f"{counted(drained.waiting, 'spool')} still to be drained: time is over")
        for path, reason in aside:
            self._tell(f"set aside {path}: {reason}")
        if events:
            trail.publish()

    @staticmethod
    def _learn(trail: TrailProducer, keeping: Keeping) -> None:
        keeping.learn(trail.spool_key(), trail.modes())

    def _written(self) -> Path:
        if self._spool is None:
            raise FileNotFoundError("no home directory is known; set DEPLOYTRAIL_HOME")
        self._spool.write()
        self._spool.release()
        return self._spool.path
