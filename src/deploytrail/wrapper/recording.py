"""One run's events, from its start to its end, on their way to the recorder.

Decides what is recorded when. It starts no child of the user's; `run` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from deploytrail.clock import Clock
from deploytrail.errors import Incomplete
from deploytrail.event import UNKNOWN_PLACE, Event, EventId, Outcome
from deploytrail.trail import Attachment
from deploytrail.wrapper import run_events, terraform
from deploytrail.wrapper.child import Ending
from deploytrail.wrapper.guarded import Tell, guarded
from deploytrail.wrapper.keeping import Keeping
from deploytrail.wrapper.output_tail import OutputTail
from deploytrail.wrapper.recorder import OpenTrail, Recorder
from deploytrail.wrapper.request import Mode, Request
from deploytrail.wrapper.run_context import run_context

if TYPE_CHECKING:
    from deploytrail.sources.terraform import Facts
    from deploytrail.wrapper.plan_reading import PlanReading, Show


class Surroundings(Struct, frozen=True, kw_only=True):
    """What a run stands in: variables, directory, clock, and where its trail is.

    `keeping` is where events wait that no trail took; None where not even that is known. `tell`
    writes one line to the user and never raises. `is_interactive`: a person's terminal is there.
    """

    environ: Mapping[str, str]
    directory: Path
    clock: Clock
    open_trail: OpenTrail
    keeping: Keeping | None
    tell: Tell
    is_interactive: bool = False


class Recording:
    """The story of one run. Each part of it that fails is told and leaves the others standing."""

    def __init__(self, request: Request, around: Surroundings, *, show: Show) -> None:
        self._clock, self._tell = around.clock, around.tell
        run = self._clock.event_id()
        self._recorder = Recorder(
            around.open_trail, keeping=around.keeping, run=run, clock=self._clock, tell=self._tell
        )
        self._context = run_context(
            request,
            run=run,
            environ=around.environ,
            directory=around.directory,
            is_interactive=around.is_interactive,
            tell=self._tell,
        )
        call = guarded(
            lambda: terraform.invocation(request.command, around.environ, around.directory),
            "terraform's arguments are not read",
            self._tell,
        )
        self._actions = run_events.DEPLOYMENT if call and call.is_deployment else run_events.COMMAND
        self._call = call
        self._tail = self._opened_tail(request)
        self._reading = guarded(
            lambda: self._opened(show, around.environ),
            "terraform's output is not read",
            self._tell,
        )
        self._mode = request.mode or self._declared(around.keeping)
        self.refusal = f"not started: mode {self._mode} expects the start in the trail"
        """Why the command may not be started, where `begin` says so."""
        self._start: Event | None = None
        self._started_us = 0

    def _declared(self, keeping: Keeping | None) -> Mode:
        """The mode of the run's environment, as its trail last told."""
        where = self._context.where.environment
        found = None if keeping is None or where is None else keeping.mode(where)
        return found or "async"

    @property
    def mode(self) -> Mode:
        """What the start needs."""
        return self._mode

    @property
    def is_output_read(self) -> bool:
        return self._reading is not None or self._tail is not None

    @property
    def receipt(self) -> str | None:
        """One line about the last entry of this run, if all of it stands in the log."""
        if not self._recorder.receipts:
            return None
        last = self._recorder.receipts[-1]
        return f"recorded as entry {last.index} of {last.origin}, leaf {last.leaf}"

    def begin(self) -> bool:
        """Keeps and appends the start, durably; whether the command may be started."""
        self._start = start = run_events.started(
            self._context,
            self._actions,
            event_id=self._clock.event_id(),
            now=self._clock.now(),
            plan=self._reading.plan if self._reading else None,
        )
        self._started_us = self._clock.uptime().microseconds
        # What was asked for stands first, whether or not it turns out to be needed.
        asked = [self._glass("breakglass.requested", start)] if self._is_glass_asked else []
        is_recorded = self._recorder.begin(*asked, start)
        if self._mode == "async":
            return True
        if not is_recorded:
            return self._is_glass_broken(start, "the trail did not take it")
        if self._mode == "strict" and (missing := self._recorder.outstanding()):
            return self._is_glass_broken(start, missing)
        return True

    @property
    def _is_glass_asked(self) -> bool:
        if self._context.emergency is None:
            return False
        if self._mode == "async":
            self._tell("--break-glass is not needed: mode async starts whatever goes wrong")
        return self._mode != "async"

    def _glass(self, action: str, start: Event) -> Event:
        event_id, now = self._clock.event_id(), self._clock.now()
        return run_events.glass(start, self._context, action, event_id=event_id, now=now)

    def _is_glass_broken(self, start: Event, why: str) -> bool:
        """Where the mode refuses the start: whether somebody broke the glass, which is kept."""
        if self._context.emergency is None:
            self.refusal = (
                f"not started: mode {self._mode} expects the start in the trail, but {why}. Mend "
                "that, or start all the same with --break-glass REASON"
            )
            return False
        self._recorder.keep_more(self._glass("breakglass.used", start))
        self._tell(f"THE GLASS IS BROKEN: {why}. This run is to be reviewed by another person")
        return True

    def hear(self, descriptor: int, data: bytes) -> None:
        """Takes what the command printed."""
        if self._tail is not None:
            self._tail.feed(data)
        if self._reading is not None:
            self._reading.feed(descriptor, data)

    def end(self, ending: Ending) -> None:
        """Appends what happened and the end, or leaves all that waits in the spool."""
        duration_ms = (self._clock.uptime().microseconds - self._started_us) // 1000
        start = self._start
        if start is None:
            # The start could not even be made; the end says as much as there is.
            self.begin()
            start = self._start
        assert start is not None
        facts = self._facts()
        events = self._told(ending, start)
        last = self._last(ending, start, facts, duration_ms, part=1 + len(events))
        self._recorder.record([*events, last], self._attachments(last.id))
        self._recorder.keep()

    def _opened_tail(self, request: Request) -> OutputTail | None:
        if not request.is_output_kept:
            return None
        if self._call is None and not terraform.is_output_harmless(request.command):
            self._tell("the output is not kept: this subcommand prints values, secret or not")
            return None
        return OutputTail()

    def _opened(self, show: Show, environ: Mapping[str, str]) -> PlanReading | None:
        if self._call is None:
            return None
        # Terraform's formats are not loaded for other commands: milliseconds that nobody needs.
        from deploytrail.wrapper.plan_reading import PlanReading

        project = self._context.where.project or UNKNOWN_PLACE
        return PlanReading(
            self._call,
            environ=environ,
            show=show,
            clock=self._clock,
            tell=self._tell,
            fingerprint_key=lambda: self._recorder.fingerprint_key(project),
            is_output_kept=self._tail is not None,
        )

    def _facts(self) -> Facts | None:
        reading = self._reading
        if reading is None:
            return None
        return guarded(reading.finish, "the tool's output can't be read", self._tell)

    def _told(self, ending: Ending, start: Event) -> list[Event]:
        reading = self._reading
        if reading is None:
            return []
        told = guarded(
            lambda: reading.events(start, ending, first_part=1),
            "what the tool did can't be told in events",
            self._tell,
        )
        return told or []

    def _last(
        self, ending: Ending, start: Event, facts: Facts | None, duration_ms: int, *, part: int
    ) -> Event:
        known = self._reading.plan if self._reading else None
        plan = known or (facts.plan if facts else None)
        return run_events.ended(
            start,
            self._actions,
            ending,
            event_id=self._clock.event_id(),
            now=self._clock.now(),
            part=part,
            duration_ms=max(duration_ms, 0),
            outcome=self._outcome(ending, facts),
            plan=plan,
            error=facts.error if facts else None,
            version=facts.version if facts else None,
        )

    def _outcome(self, ending: Ending, facts: Facts | None) -> Outcome:
        """`partial`: the deployment failed after something was changed, and that stays changed.

        `denied`: a person was asked whether to deploy and said no.
        """
        if self._call.is_success(ending) if self._call else ending.is_success:
            return "success"
        if facts and self._call and self._call.is_deployment:
            done = (facts.added, facts.changed, facts.destroyed, facts.imported, facts.forgotten)
            if any(done):
                return "partial"
            return "denied" if facts.is_declined and ending.asked is None else "failure"
        return "failure"

    def _attachments(self, event: EventId) -> dict[EventId, list[Attachment]]:
        data = guarded(self._kept_output, "the output is not kept", self._tell)
        return {event: [Attachment(type="output", data=data)]} if data else {}

    def _kept_output(self) -> bytes:
        if self._tail is None:
            return b""
        if self._call is None:
            return self._tail.masked()
        if self._reading is None:
            raise Incomplete("what is secret in it could not be read")
        return self._tail.masked(self._reading.kept_output)
