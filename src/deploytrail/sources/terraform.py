"""Terraform and OpenTofu: their plans, their `-json` streams and their plain output, as events.

Pure: time, ids and who acts come from whoever ran the tool, in a `Context`. What the run as a
whole was (started, succeeded, failed) is his to say too; `Facts` holds what its output tells.
Vendor pages: developer.hashicorp.com/terraform/internals, opentofu.org/docs/internals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from msgspec import Struct
from msgspec.structs import asdict, replace

from deploytrail.errors import Malformed, TooLarge
from deploytrail.event import Error, Event, EventId, Plan
from deploytrail.formats import terraform_stream
from deploytrail.formats.terraform_digest import content_digest
from deploytrail.formats.terraform_lines import Lines, plain
from deploytrail.formats.terraform_plan import NotPlan, PlanDocument, parse
from deploytrail.formats.terraform_run import Operation, Told
from deploytrail.formats.terraform_secrets import Secrets
from deploytrail.formats.terraform_tally import Tally
from deploytrail.formats.terraform_text import Text
from deploytrail.redact import fingerprint
from deploytrail.sources.terraform_drafts import (
    Draft,
    applied,
    diagnosed,
    drifted,
    error_of,
    planned,
    shown_address,
    targets_of,
)

DOCUMENT_BYTES_MAX: Final = 256 * 1024 * 1024
"""The largest `show -json` that is read."""

_TIME_MIN: Final = datetime(2000, 1, 1, tzinfo=UTC)
_AHEAD_MAX: Final = timedelta(hours=1)


class Context(Struct, frozen=True, kw_only=True):
    """What the wrapper knows and the tool's output doesn't.

    `template` is what every event of the run resembles: who, where and why; its time is used where
    neither the tool nor `feed` tells one, and its source's part is that of the first event.
    `event_id` gives a new id per call (`Clock.event_id`).
    """

    template: Event
    event_id: Callable[[], EventId]


class Facts(Struct, frozen=True, kw_only=True):
    """What the output says of the run as a whole, for the events that the wrapper makes.

    `is_complete`: the tool said that it reached its end ("Apply complete!", a plan's summary).
    `plan` holds the planned counts, and the content's digest where a plan was given; `error` is
    the first error, masked. `is_declined`: whoever was asked answered no. `added` to `forgotten`
    count what was done, whether or not the tool came to its summary. `plan_file` is where it says
    that it saved its plan. `not_started` counts planned changes that an apply never came to;
    `unrecognised` counts lines of a stream whose type isn't known, by type, `malformed` those that
    aren't as their type says.
    """

    operation: Operation = "unknown"
    tool: str | None = None
    version: str | None = None
    is_complete: bool = False
    is_declined: bool = False
    plan: Plan | None = None
    added: int = 0
    changed: int = 0
    destroyed: int = 0
    imported: int = 0
    forgotten: int = 0
    errors: int = 0
    warnings: int = 0
    error: Error | None = None
    outputs: tuple[str, ...] = ()
    plan_file: str | None = None
    not_started: int = 0
    lines: int = 0
    unrecognised: dict[str, int] = {}
    malformed: int = 0


class Reading:
    """Reads one run's output as it comes, plain or `-json`, in chunks of any size.

    `document` is the saved plan that is applied, if one is; else `secrets` are those that are
    known otherwise, and may grow until the events are asked for. `feed` never raises for what the
    tool wrote. Where standard output and error are fed to one reading, feed whole lines of each.
    """

    def __init__(
        self,
        *,
        document: PlanDocument | None = None,
        operation: Operation = "unknown",
        secrets: Secrets | None = None,
    ) -> None:
        self._document = document
        self._operation = operation
        self._secrets = document.secrets if document else secrets or Secrets()
        self._tally = Tally(document)
        self._lines = Lines()
        self._text = Text()
        self._line_count = self._malformed = 0
        self._unrecognised: dict[str, int] = {}
        self._now: datetime | None = None

    def feed(self, chunk: bytes, now: datetime | None = None) -> None:
        """Take the next bytes; `now` is when they came, for lines that tell no time."""
        self._now = now or self._now
        lines = self._lines.feed(chunk)
        self._line_count += len(lines)
        passes_over = self._text.passes_over
        for line in lines:
            if not passes_over(line):
                self._take_line(line)

    def finish(self) -> Facts:
        """What the whole output says. More may be fed afterwards; then ask again."""
        for line in self._lines.rest():
            self._line_count += 1
            self._take_line(line)
        self._take(self._text.finish())
        return self._facts()

    def events(self, context: Context) -> list[Event]:
        """What the run did, to be asked after `finish`.

        Of an apply: one event per step of a resource in the order in which they ended, then
        provisioners, invoked actions, outputs. Of a plan: `plan.created` or `plan.failed` with
        the tool's counts (`plan_events` knows more). Of both: drift, failed conditions, a lock.
        """
        return _events(self._drafts(context), context)

    def _take_line(self, line: bytes) -> None:
        message = terraform_stream.message(line)
        if message is None:
            self._take(self._text.feed(plain(line)))
            return
        try:
            self._take(terraform_stream.told(message))
        except terraform_stream.UnknownType as error:
            self._unrecognised[error.type] = self._unrecognised.get(error.type, 0) + 1
        except Malformed:
            self._malformed += 1

    def _take(self, told: Iterable[Told]) -> None:
        for one in told:
            self._tally.take(one if one.time else replace(one, time=self._now))

    def _facts(self) -> Facts:
        tally, errors = self._tally, self._tally.errors
        steps = [one for one in tally.steps() if one.outcome in ("success", "partial")]
        done = [one.action for one in steps if one.outcome == "success"]
        replaced = sum(one.action == "replace" for one in steps)
        return Facts(
            operation=self._kind(),
            tool=tally.version.tool if tally.version else None,
            version=(tally.version.version[:64] or None) if tally.version else None,
            is_complete=bool(tally.applied or (self._kind() == "plan" and tally.planned)),
            is_declined=tally.is_declined,
            plan=self._plan("terraform"),
            added=done.count("create") + done.count("replace"),
            changed=done.count("update"),
            destroyed=done.count("delete") + replaced,
            imported=done.count("import"),
            forgotten=done.count("forget"),
            errors=len(errors),
            warnings=len(tally.diagnostics) - len(errors),
            error=error_of(errors[0], self._secrets) if errors else None,
            outputs=tuple(tally.outputs),
            plan_file=tally.saved.path if tally.saved else None,
            not_started=tally.not_started() if self._kind() != "plan" else 0,
            lines=self._line_count,
            unrecognised=dict(self._unrecognised),
            malformed=self._malformed,
        )

    def _kind(self) -> Operation:
        if self._operation != "unknown":
            return self._operation
        tally = self._tally
        if tally.applied is not None:
            return tally.applied.operation
        if any(track.action not in (None, "read") for track in tally.tracks.all()):
            return "apply"
        return "plan" if tally.planned or tally.has_failed or tally.saved else "unknown"

    def _plan(self, tool: str) -> Plan | None:
        if self._document is not None:
            return plan_block(self._document, tool=tool)
        found = self._tally.planned
        if found is None:
            return None
        planned = [track for track in self._tally.tracks.all() if track.planned]
        forget = sum(track.planned == "forget" for track in planned)
        return Plan(
            tool=tool,
            add=found.add,
            change=found.change,
            destroy=found.remove,
            replace=sum(track.planned == "replace" for track in planned),
            import_=found.import_,
            move=sum(track.previous is not None for track in planned),
            forget=found.forget or forget,
        )

    def _drafts(self, context: Context) -> Iterator[Draft]:
        tally, secrets = self._tally, self._secrets
        if self._kind() == "plan":
            yield from self._planned(context)
        known = self._document.drift if self._document else ()
        drifts = {one.address: one for one in known if one.deposed is None}
        for drift in tally.drifts.values():
            yield drifted(drift, drifts.get(drift.address), secrets)
        for found in tally.diagnostics:
            yield from diagnosed(found, secrets)
        if self._kind() != "plan":
            yield from applied(tally, self._document, secrets)

    def _planned(self, context: Context) -> Iterator[Draft]:
        tally = self._tally
        plan = self._plan(context.template.source.tool)
        targets = targets_of(
            (shown_address(track.address, track.deposed), track.planned)
            for track in tally.tracks.all()
            if track.planned
        )
        error = error_of(tally.errors[0], self._secrets) if tally.errors else None
        if error is not None or tally.has_failed:
            yield Draft(
                action="plan.failed", outcome="failure", plan=plan, error=error, targets=targets
            )
        elif plan is not None and tally.planned is not None:
            yield Draft(action="plan.created", time=tally.planned.time, plan=plan, targets=targets)


def read_plan(raw: bytes, *, fingerprint_key: bytes | None = None) -> PlanDocument | NotPlan:
    """What `show -json` wrote; secrets leave fingerprints under the project's K_fp (LOG.md).

    Raises TooLarge above `DOCUMENT_BYTES_MAX`, Malformed for what isn't as the format says.
    """
    if len(raw) > DOCUMENT_BYTES_MAX:
        raise TooLarge(f"plan: expected at most {DOCUMENT_BYTES_MAX} bytes, found {len(raw)}")
    return parse(
        raw, fingerprint=partial(fingerprint, fingerprint_key) if fingerprint_key else None
    )


def plan_block(document: PlanDocument, *, tool: str, file_digest: str | None = None) -> Plan:
    """A plan by its digests and counts; `file_digest` is of the saved plan's bytes."""
    return Plan(
        tool=tool,
        content_digest=content_digest(document),
        file_digest=file_digest,
        **asdict(document.counts),
    )


def plan_events(
    document: PlanDocument, context: Context, *, file_digest: str | None = None
) -> list[Event]:
    """A plan's events: `plan.created` (`plan.failed` if it says that it failed), drift, checks.

    None for a state. What would change is in the targets; values come with the apply.
    """
    if document.kind == "state":
        return []
    plan = plan_block(document, tool=context.template.source.tool, file_digest=file_digest)
    return _events(planned(document, plan), context)


def _events(drafts: Iterable[Draft], context: Context) -> list[Event]:
    template = context.template
    return [
        replace(
            template,
            id=context.event_id(),
            action=draft.action,
            outcome=draft.outcome,
            time=_time(draft.time, template.time),
            duration_ms=draft.duration_ms,
            targets=draft.targets,
            changes=draft.changes,
            error=draft.error,
            plan=draft.plan,
            policy=draft.policy,
            drift=draft.drift,
            source=replace(template.source, part=template.source.part + at),
        )
        for at, draft in enumerate(drafts)
    ]


def _time(told: datetime | None, ours: datetime) -> datetime:
    """The tool's time where it can be true: an absurd one would keep the event from the log."""
    return told if told is not None and _TIME_MIN <= told <= ours + _AHEAD_MAX else ours
