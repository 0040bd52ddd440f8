"""One run: the start is recorded, the command runs as if we were not there, the end is recorded.

The shell around the rest of this package. Whatever of ours fails, the command runs and its status
is what is returned; `recorder` says what became of the events.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from deploytrail.errors import EXIT_NOT_STARTED
from deploytrail.wrapper import child
from deploytrail.wrapper.child import Child, Ending, Mask
from deploytrail.wrapper.descriptor import fill_standard_descriptors
from deploytrail.wrapper.guarded import Tell, guarded
from deploytrail.wrapper.recording import Recording, Surroundings
from deploytrail.wrapper.request import Request
from deploytrail.wrapper.terraform import Invocation, shown

if TYPE_CHECKING:
    from deploytrail.wrapper.relay import Relay
    from deploytrail.wrapper.sentinel import Sentinel


def run(request: Request, around: Surroundings) -> int:
    """Runs the command and returns its status as a shell has it; no fault of ours changes it."""
    absent = fill_standard_descriptors()
    with child.blocked_signals() as mask:
        show = partial(_shown, around=around, mask=mask)
        recording = guarded(
            lambda: Recording(request, around, show=show), "nothing is recorded", around.tell
        )
        may_start = _may_start(request, recording, around.tell)
        is_between = not absent & {1, 2} and recording is not None and recording.is_output_read
        reader = recording if is_between else None
        if may_start:
            ending = _executed(request.command, reader, mask, around.tell)
        else:
            ending = Ending(exit_code=EXIT_NOT_STARTED, reason=_refusal(request, recording))
        if ending.reason is not None:
            around.tell(ending.reason)
        if recording is not None:
            ended = recording
            guarded(lambda: ended.end(ending), "the end is not recorded", around.tell)
            if recording.receipt and (around.is_interactive or request.is_verbose):
                around.tell(recording.receipt)
    return ending.status


def _may_start(request: Request, recording: Recording | None, tell: Tell) -> bool:
    """Whether the mode lets the command start; where even that fails on our side, only `async`."""
    begun = None
    if recording is not None:
        begun = guarded(recording.begin, "the start is not recorded", tell)
    if begun is not None:
        return begun
    mode = request.mode if recording is None else recording.mode
    return mode in {None, "async"} or request.break_glass is not None


def _refusal(request: Request, recording: Recording | None) -> str:
    if recording is not None:
        return recording.refusal
    return f"not started: mode {request.mode} expects the start in the trail"


def _executed(command: Sequence[str], reader: Recording | None, mask: Mask, tell: Tell) -> Ending:
    """The command from its start to its end; nothing is between it and its terminal unless read.

    What may fail comes before the command. From then on it is waited for, whatever else fails.
    """
    relay = guarded(lambda: _relay(reader), "the command's output is not read", tell)
    with child.posted_sentinel(relay.legacy if relay else None) as sentinel:
        if relay is not None and not guarded(relay.start, "the output is not read", tell):
            relay = None
        started, relay = _started(command, mask, relay, sentinel)
        if isinstance(started, Ending):
            return started
        if relay is None:
            return _waited(started, sentinel, None, tell)
        guarded(relay.hand_over, "the output has no end", tell)
        ending = _waited(started, sentinel, relay.resize, tell)
        finish = partial(relay.finish, lambda: child.pending_cancellation() is not None)
        if guarded(finish, "the end of the output was not read", tell):
            guarded(sentinel.bequeath, "what is still printed is lost", tell)
    if relay.failure is not None:
        tell(f"the rest of the command's output was not read: {relay.failure}")
    return ending


def _started(
    command: Sequence[str], mask: Mask, relay: Relay | None, sentinel: Sentinel
) -> tuple[Child | Ending, Relay | None]:
    """The command, and the relay if it still has one: its process goes before any of ours."""
    cancelled = child.pending_cancellation()
    if cancelled is not None:
        if relay is not None:
            relay.abandon()
        return Ending(signal=cancelled, reason=f"not started: {cancelled.name} came before"), None
    started = _spawned(command, mask, relay)
    if _is_short(started):
        sentinel.dismiss()
        started = _spawned(command, mask, relay)
    if relay is not None and isinstance(started, Ending):
        relay.abandon()
        relay = None
        if _is_short(started):
            started = _spawned(command, mask, None)
    return started, relay


def _spawned(command: Sequence[str], mask: Mask, relay: Relay | None) -> Child | Ending:
    streams = {1: relay.stdout, 2: relay.stderr} if relay else None
    return child.spawn(command, mask=mask, streams=streams)


def _is_short(started: Child | Ending) -> bool:
    return isinstance(started, Ending) and started.is_short


def _waited(
    started: Child, sentinel: Sentinel, resized: Callable[[], None] | None, tell: Tell
) -> Ending:
    """How it ended; handing signals on may fail, waiting may not."""
    wait = partial(child.wait, started, sentinel, resized=resized)
    return guarded(wait, "signals are no longer handed on", tell) or started.end()


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
