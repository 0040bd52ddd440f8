"""What terraform's plans and output tell of one run, as events between its start and its end.

A plan that can't be read is told, not raised: then there are fewer events, and start and end are
recorded all the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from deploytrail.clock import Clock
from deploytrail.errors import Incomplete, Malformed
from deploytrail.event import Error, Event, Plan
from deploytrail.formats.terraform_plan import NotPlan, PlanDocument
from deploytrail.formats.terraform_secrets import Secrets
from deploytrail.sources.terraform import (
    Context,
    Facts,
    Reading,
    plan_block,
    plan_events,
    read_plan,
)
from deploytrail.sources.terraform_output import kept_output
from deploytrail.wrapper.child import Ending
from deploytrail.wrapper.given_values import given_values
from deploytrail.wrapper.guarded import Tell, guarded
from deploytrail.wrapper.run_events import following
from deploytrail.wrapper.terraform import Invocation

LINE_BYTES_MAX: Final = 1 << 20
"""How much of a line is held back until it ends; plans have long lines, but not longer ones."""

Show = Callable[[Invocation, str | None], bytes]
"""Gives a saved plan, or the state, as `terraform show -json` tells it; may raise."""


class SavedPlan(Struct, frozen=True, kw_only=True):
    """A saved plan, read: what it would change, and its digests."""

    document: PlanDocument
    plan: Plan


class PlanReading:
    """Reads one call of terraform: its plan before, its output meanwhile, its new plan after.

    Where the output is to be kept, the state is read too, since it says which values are secret:
    before, because what is destroyed is gone afterwards, and after, because of what was made.
    """

    def __init__(
        self,
        call: Invocation,
        *,
        environ: Mapping[str, str],
        show: Show,
        clock: Clock,
        tell: Tell,
        fingerprint_key: Callable[[], bytes | None],
        is_output_kept: bool = False,
    ) -> None:
        self._call = call
        self._show = show
        self._clock = clock
        self._tell = tell
        self._is_output_kept = is_output_kept
        self._lines: dict[int, bytes] = {}
        self._secrets = Secrets()
        self._unknown: BaseException | None = None
        saved = None
        if call.plan_in is not None:
            # Only what is applied shows values; the trail is not opened for less.
            saved = self._saved(call.plan_in, fingerprint_key())
        if saved is not None:
            self._secrets = saved.document.secrets
        else:
            if call.plan_in is not None:
                self._unknown = Incomplete("the plan can't be read")
            self._learn_given(environ)
            if is_output_kept:
                self._learn_state()
        self.plan = saved.plan if saved is not None else None
        self._reading = Reading(
            document=saved.document if saved is not None else None,
            operation=call.subcommand,
            secrets=self._secrets,
        )

    def feed(self, descriptor: int, data: bytes) -> None:
        """Takes output as it comes. Whole lines go on, so that two streams don't mix within one."""
        data = self._lines.pop(descriptor, b"") + data
        end = len(data) if len(data) > LINE_BYTES_MAX else data.rfind(b"\n") + 1
        if end < len(data):
            self._lines[descriptor] = data[end:]
        if end:
            self._reading.feed(data[:end], self._clock.now())

    def finish(self) -> Facts:
        for rest in self._lines.values():
            self._reading.feed(rest + b"\n", self._clock.now())
        self._lines.clear()
        facts = self._reading.finish()
        if facts.errors or (self._call.is_deployment and self._is_output_kept):
            # A provider's error may hold what was only made in this run.
            self._learn_state()
            facts = self._reading.finish()
        if self._unknown is None:
            return facts
        return replace(facts, error=_summary(facts.error))

    def kept_output(self, text: str) -> str:
        """What the run printed, without secrets; to be called last.

        Raises Incomplete where it isn't known what is secret.
        """
        if self._unknown is not None:
            raise Incomplete(f"what is secret in it could not be read: {self._unknown}")
        return kept_output(text, self._secrets)

    def events(self, start: Event, ending: Ending, *, first_part: int) -> list[Event]:
        """What the run did, in order; to be called after `finish`."""
        if self._call.plan_out is not None and self._call.is_success(ending):
            saved = self._saved(self._call.plan_out)
            if saved is not None:
                # The saved plan says all that the output says, exactly.
                self.plan = saved.plan
                self._secrets.learn(saved.document.secrets)
                around = self._context(start, first_part)
                digest = saved.plan.file_digest
                return plan_events(saved.document, around, file_digest=digest)
        events = self._reading.events(self._context(start, first_part))
        return events if self._unknown is None else list(map(_summarised, events))

    def _context(self, start: Event, first_part: int) -> Context:
        now = self._clock.now()
        template = following(start, now=now, part=first_part, plan=self.plan)
        return Context(template=template, event_id=self._clock.event_id)

    def _learn_given(self, environ: Mapping[str, str]) -> None:
        try:
            for value in given_values(self._call, environ):
                self._secrets.add(value)
        except Exception as error:  # noqa: BLE001 (our fault must not become the user's)
            self._unknown = error

    def _learn_state(self) -> None:
        try:
            document = read_plan(self._show(self._call, None))
            if isinstance(document, NotPlan):
                raise Malformed(f"terraform show: {document.reason}")
            self._secrets.learn(document.secrets)
        except Exception as error:  # noqa: BLE001 (our fault must not become the user's)
            self._unknown = error

    def _saved(self, name: str, fingerprint_key: bytes | None = None) -> SavedPlan | None:
        return guarded(
            lambda: self._read_plan(name, fingerprint_key),
            f"the plan {name} can't be read",
            self._tell,
        )

    def _read_plan(self, name: str, fingerprint_key: bytes | None) -> SavedPlan:
        document = read_plan(self._show(self._call, name), fingerprint_key=fingerprint_key)
        if isinstance(document, NotPlan) or document.kind == "state":
            raise Malformed(f"{name}: expected a saved plan, found another document")
        digest = _file_digest(self._call.directory / name)
        plan = plan_block(document, tool=self._call.tool, file_digest=digest)
        return SavedPlan(document=document, plan=plan)


def _summarised(event: Event) -> Event:
    """What the tool said of it cut to what can hold no secret that we should have known."""
    error, policy = event.error, event.policy
    if event.action == "resource.action.invoked" and error is not None:
        # A provider's words alone, without a summary of the tool's.
        error = replace(error, text=None)
    if policy is not None:
        violations = tuple(replace(one, text=None) for one in policy.violations)
        policy = replace(policy, violations=violations)
    return replace(event, error=_summary(error), policy=policy)


def _summary(error: Error | None) -> Error | None:
    """The first line of an error: what follows are a provider's words, with values in them."""
    if error is None or error.text is None:
        return error
    return replace(error, text=error.text.partition("\n")[0])


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
