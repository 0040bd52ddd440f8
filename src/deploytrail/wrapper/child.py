"""The child process: started as a shell would start it, waited for, and signalled once.

The child stays in our session and process group, so that the terminal's own keys reach it without
us. Signals are never handled here: they are blocked and waited for; the sentinel tells to whom
else they were sent. The child gets back the mask and every descriptor that we were started with,
and none of ours: Python opens each so that it closes when another program is executed.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from deploytrail.wrapper.sentinel import TELL_SECONDS_MAX, Legacy, Sentinel

EXIT_NOT_FOUND: Final = 127
EXIT_NOT_EXECUTABLE: Final = 126
SIGNAL_EXIT_BASE: Final = 128

_FORWARDED: Final = frozenset(
    {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2}
)
# What Python sets aside when it starts, and every other program expects as it was.
_IGNORED_BY_PYTHON: Final = (signal.SIGPIPE, signal.SIGXFSZ)
_CANCELLING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Ending(Struct, frozen=True, kw_only=True):
    """How a command ended: an exit code, or the signal that ended it.

    `reason` says why it could not be started, or why we did not start it; `asked` is the signal
    that asked it, or us, to stop while it ran. `is_short`: the system had no process for it.
    """

    exit_code: int | None = None
    signal: int | None = None
    reason: str | None = None
    asked: int | None = None
    is_short: bool = False

    @property
    def status(self) -> int:
        """What a shell would have in `$?`."""
        if self.signal is not None:
            return SIGNAL_EXIT_BASE + self.signal
        return self.exit_code or 0

    @property
    def is_success(self) -> bool:
        return self.signal is None and not self.exit_code


class Mask(Struct, frozen=True):
    """The signals that a child is to be blocked from: those that were blocked before us."""

    signals: frozenset[int]

    def restore(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self.signals)


@contextmanager
def blocked_signals() -> Iterator[Mask]:
    """Holds back every signal that is to be forwarded, until the end is recorded.

    What was ignored before us (nohup) stays ignored, by us and by the child.
    """
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        # Whoever started us reaps nobody; we must be told of our child's end all the same.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    held = {*_FORWARDED - _ignored(), signal.SIGCHLD, signal.SIGWINCH}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        yield Mask(frozenset(before))
    finally:
        # A signal that came too late for the child must not end us before our exit code is out.
        while signal.sigpending() & held:
            signal.sigwait(signal.sigpending() & held)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def pending_cancellation() -> signal.Signals | None:
    """The signal that asked us to stop before there was a child to hand it to."""
    pending = signal.sigpending()
    return next((number for number in _CANCELLING if number in pending), None)


class Child:
    """A process that was started, until its end was heard of."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._ending: Ending | None = None

    def ending(self) -> Ending | None:
        """How it ended, or None while it runs."""
        if self._ending is None:
            self._reap(os.WNOHANG)
        return self._ending

    def end(self) -> Ending:
        """Waits for its end."""
        while self._ending is None:
            self._reap(0)
        return self._ending

    def send(self, number: int) -> None:
        # A child of another user (sudo) can't be signalled by us; natively neither.
        with suppress(OSError):
            if self._ending is None:
                os.kill(self._pid, number)

    def _reap(self, options: int) -> None:
        pid, status = os.waitpid(self._pid, options)
        if pid:
            code = os.waitstatus_to_exitcode(status)
            self._ending = Ending(signal=-code) if code < 0 else Ending(exit_code=code)


def spawn(
    command: Sequence[str],
    *,
    mask: Mask,
    streams: Mapping[int, int] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Child | Ending:
    """A running child, or how a shell would say that there is none.

    `streams` says which descriptors of ours its standard streams are, where they aren't the same.
    Like `execvp`: a file that is executable but has no `#!` line is handed to `/bin/sh`.
    """

    def start(arguments: Sequence[str]) -> Child:
        # Not by `subprocess`: importing it costs more than starting a child.
        pid = os.posix_spawnp(
            arguments[0],
            list(arguments),
            os.environ if environ is None else environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, ours, its) for its, ours in (streams or {}).items()
            ],
            setsigmask=mask.signals,
            setsigdef=_IGNORED_BY_PYTHON,
        )
        return Child(pid)

    try:
        try:
            return start(command)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            return start(["/bin/sh", _located(command[0]), *command[1:]])
    except FileNotFoundError:
        return Ending(exit_code=EXIT_NOT_FOUND, reason=f"{command[0]}: command not found")
    except (OSError, ValueError) as error:
        words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        is_short = isinstance(error, OSError) and error.errno in (errno.EAGAIN, errno.ENOMEM)
        return Ending(
            exit_code=EXIT_NOT_EXECUTABLE, reason=f"{command[0]}: {words}", is_short=is_short
        )


@contextmanager
def posted_sentinel(legacy: Legacy | None) -> Iterator[Sentinel]:
    """A sentinel that stands before the child does, so that it misses nothing."""
    sentinel = Sentinel(_FORWARDED - _ignored(), legacy)
    with suppress(OSError):
        sentinel.post()
    try:
        yield sentinel
    finally:
        # Whatever becomes of it, the command's end is what counts.
        with suppress(OSError):
            sentinel.dismiss()


def wait(
    child: Child,
    sentinel: Sentinel,
    *,
    resized: Callable[[], None] | None = None,
) -> Ending:
    """Waits for the child's end and hands on what is sent to us alone.

    `resized` is called when the terminal changed its size; then the child is told once more.
    """
    forwarded = _FORWARDED - _ignored()
    asked: int | None = None
    while (ending := child.ending()) is None:
        number = _received({*forwarded, signal.SIGCHLD, signal.SIGWINCH}, sentinel)
        if number in _CANCELLING:
            asked = number
        if number in forwarded and not sentinel.is_sent_to_all(number):
            child.send(number)
        elif number == signal.SIGWINCH and resized is not None:
            resized()
            child.send(number)
    return replace(ending, asked=asked)


def _received(numbers: Collection[int], sentinel: Sentinel) -> int:
    if sentinel.is_unsettled:
        received = signal.sigtimedwait(numbers, TELL_SECONDS_MAX)
        if received is not None:
            return received.si_signo
        sentinel.settle()
    return signal.sigwait(numbers)


def _ignored() -> frozenset[signal.Signals]:
    return frozenset(number for number in _FORWARDED if signal.getsignal(number) is signal.SIG_IGN)


def _located(name: str) -> str:
    if "/" in name:
        return name
    for folder in os.get_exec_path():
        path = Path(folder, name)
        if os.access(path, os.X_OK):
            return str(path)
    return name
