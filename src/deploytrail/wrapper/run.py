"""One run: the start is recorded, the command runs as if we were not there, the end is recorded.

The shell around the rest of this package. Whatever of ours fails, the command runs and its status
is what is returned; `recorder` says what became of the events.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from deploytrail.wrapper import child
from deploytrail.wrapper.child import Child, Ending, Mask
from deploytrail.wrapper.descriptor import fill_standard_descriptors
from deploytrail.wrapper.guarded import Tell, guarded
from deploytrail.wrapper.recording import Recording, Surroundings
from deploytrail.wrapper.request import Request
from deploytrail.wrapper.terraform import Invocation, shown

if TYPE_CHECKING:
    from deploytrail.wrapper.relay import Relay


def run(request: Request, around: Surroundings) -> int:
    """Runs the command and returns its status as a shell has it; no fault of ours changes it."""
    absent = fill_standard_descriptors()
    with child.blocked_signals() as mask:
        show = partial(_shown, around=around, mask=mask)
        recording = guarded(
            lambda: Recording(request, around, show=show), "nothing is recorded", around.tell
        )
        if recording is not None:
            guarded(recording.begin, "the start is not recorded", around.tell)
        is_between = not absent & {1, 2} and recording is not None and recording.is_output_read
        ending = _executed(request, recording if is_between else None, mask, around.tell)
        if ending.reason is not None:
            around.tell(ending.reason)
        if recording is not None:
            ended = recording
            guarded(lambda: ended.end(ending), "the end is not recorded", around.tell)
            if recording.receipt and (around.is_interactive or request.is_verbose):
                around.tell(recording.receipt)
    return ending.status


def _executed(request: Request, reader: Recording | None, mask: Mask, tell: Tell) -> Ending:
    """The command from its start to its end; nothing is between it and its terminal unless read."""
    relay = guarded(lambda: _relay(reader), "the command's output is not read", tell)
    with child.posted_sentinel(relay.legacy if relay else None) as sentinel:
        started = _started(request.command, mask, relay)
        if isinstance(started, Ending):
            if relay:
                relay.abandon()
            return started
        if relay is None:
            return child.wait(started, sentinel)
        relay.start()
        ending = child.wait(started, sentinel, resized=relay.resize)
        relay.finish(lambda: child.pending_cancellation() is not None)
    if relay.failure is not None:
        tell(f"the rest of the command's output was not read: {relay.failure}")
    return ending


def _started(command: Sequence[str], mask: Mask, relay: Relay | None) -> Child | Ending:
    cancelled = child.pending_cancellation()
    if cancelled is not None:
        return Ending(signal=cancelled, reason=f"not started: {cancelled.name} came before")
    streams = {1: relay.stdout, 2: relay.stderr} if relay else None
    return child.spawn(command, mask=mask, streams=streams)


def _relay(reader: Recording | None) -> Relay | None:
    if reader is None:
        return None
    from deploytrail.wrapper.relay import Relay

    return Relay(reader.hear)


def _shown(
    call: Invocation,
    plan_file: str | None,
    *,
    around: Surroundings,
    mask: Mask,
) -> bytes:
    return shown(
        call,
        plan_file,
        around.environ,
        mask=mask,
        clock=around.clock,
    )
