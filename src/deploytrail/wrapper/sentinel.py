"""The sentinel: a process beside the command that tells to whom a signal was sent.

A signal to us alone must be handed on to the command; one to everybody (the terminal's keys,
`kill -- -GROUP`, `timeout`, systemd or a CI system that ends a whole job) reached it already, and
a second one makes terraform stop half-way instead of cleanly. Nothing else tells the two apart:
the sentinel stands in our process group and says what reaches it there.

It outlives us where we are killed without a word (SIGKILL, out of memory): then it passes on what
the command prints, so that the command doesn't die of a pipe or terminal that went with us.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Final, NamedTuple, NoReturn

from deploytrail.wrapper.descriptor import open_descriptors

TELL_SECONDS_MAX: Final = 0.1
"""How long a signal to us alone is held up: by then, one to everybody has reached the sentinel.

And how long the same one again counts as the same: `timeout` sends it to us, then to everybody.
"""
_ANSWER_SECONDS_MAX: Final = 2
"""How long a sentinel that is asked is waited for; on a busy machine, its turn may come late."""
_QUESTION: Final = b"?"
_ANSWER: Final = 0
"""What no signal has for a number."""


class Legacy(NamedTuple):
    """What is left to do once we are gone, and the descriptors that it takes."""

    descriptors: tuple[int, ...]
    carry_out: Callable[[], None]


class Sentinel:
    """Stands from `post` to `dismiss` or `bequeath`.

    It holds none of our descriptors but those of the legacy. Where we end without dismissing it, it
    carries that out, if there is one, and ends.
    """

    def __init__(self, signals: Collection[int], legacy: Legacy | None = None) -> None:
        self._signals = signals
        self._legacy = legacy
        self._pid: int | None = None
        self._told: set[int] = set()
        self._leash = self._reports = -1

    def post(self) -> None:
        """Raises OSError where no process can be had; then nobody tells us anything."""
        leash_end, self._leash = os.pipe()
        self._reports, report_end = os.pipe()
        try:
            self._pid = os.fork()
        except OSError:
            self._let_go()
            raise
        finally:
            if self._pid == 0:
                _stand(leash_end, report_end, self._signals, self._legacy)
            os.close(leash_end)
            os.close(report_end)

    @property
    def is_unsettled(self) -> bool:
        """Whether it told of signals of late: then `settle` once none came for a while."""
        return bool(self._told)

    def is_sent_to_all(self, number: int) -> bool:
        """Whether a signal that we got was also sent to those beside us."""
        try:
            return self._has_told(number)
        except OSError:
            # Without a sentinel: keys are likelier than `kill` where there is a terminal.
            return number in (signal.SIGINT, signal.SIGQUIT) and os.isatty(0)

    def settle(self) -> None:
        """Forgets what was told: what comes from now on was sent anew."""
        with suppress(OSError):
            self._listen(None, 0)
        self._told.clear()

    def _has_told(self, number: int) -> bool:
        self._listen(number, TELL_SECONDS_MAX)
        if number not in self._told:
            # What has reached it is told before it can answer, however late its turn comes.
            os.write(self._leash, _QUESTION)
            self._listen(_ANSWER, _ANSWER_SECONDS_MAX)
            self._told.discard(_ANSWER)
        return number in self._told

    def _listen(self, number: int | None, seconds_max: float) -> None:
        """Until it told this one, or nothing for so long; raises OSError where it is gone."""
        if self._pid is None:
            raise ProcessLookupError("there is no sentinel")
        while number not in self._told and select.select([self._reports], [], [], seconds_max)[0]:
            told = os.read(self._reports, 512)
            if not told:
                self.dismiss()
                raise ProcessLookupError("the sentinel was killed")
            self._told.update(told)

    def dismiss(self) -> None:
        if self._pid is not None:
            # Before the leash is let go, which would tell it that we are gone.
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = None
            self._let_go()

    def bequeath(self) -> None:
        """Has the legacy carried out now, by a process that may outlive us; raises as `post`."""
        if self._pid is None:
            self.post()
        self._pid = None
        self._let_go()

    def _let_go(self) -> None:
        os.close(self._leash)
        os.close(self._reports)


def _stand(
    leash_end: int, report_end: int, signals: Collection[int], legacy: Legacy | None
) -> NoReturn:
    """The sentinel itself: tells of each signal, and goes its way when the leash is let go."""
    try:
        held = {leash_end, report_end, *(legacy.descriptors if legacy else ())}
        for descriptor in open_descriptors():
            if descriptor not in held:
                with suppress(OSError):
                    os.close(descriptor)
        os.set_blocking(report_end, False)
        # The number is written the moment that the signal comes, before any Python runs.
        signal.set_wakeup_fd(report_end, warn_on_full_buffer=False)
        for number in signals:
            signal.signal(number, _go_on)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        while os.read(leash_end, 1):
            # Whoever asked may be gone meanwhile; then what is left to do comes next.
            with suppress(OSError):
                os.write(report_end, bytes([_ANSWER]))
        if legacy is not None:
            # What is sent to everybody now is for the command to answer, and to print about.
            for number in signals:
                signal.signal(number, signal.SIG_IGN)
            legacy.carry_out()
    finally:
        os._exit(0)


def _go_on(*_: object) -> None:
    """Nothing is left to do for a signal that was told."""
