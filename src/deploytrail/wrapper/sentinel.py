"""The sentinel: a process beside the command that tells to whom a signal was sent.

A signal to us alone must be handed on to the command; one to everybody (the terminal's keys,
`kill -- -GROUP`, `timeout`, systemd or a CI system that ends a whole job) reached it already, and
a second one makes terraform stop half-way instead of cleanly. Nothing else tells the two apart:
the sentinel does nothing but stand in our process group, and who is hit by a signal sees it fall.

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

FALL_SECONDS_MAX: Final = 0.1
"""How long a signal to us alone is held up: by then, one to everybody has felled the sentinel."""


class Legacy(NamedTuple):
    """What is left to do once we are gone, and the descriptors that it takes."""

    descriptors: tuple[int, ...]
    carry_out: Callable[[], None]


class Sentinel:
    """Stands from `post` to `dismiss`, and is posted anew after each fall.

    It holds none of our descriptors but those of the legacy. Where we end without dismissing it, it
    carries that out, if there is one, and ends.
    """

    def __init__(self, signals: Collection[int], legacy: Legacy | None = None) -> None:
        self._signals = signals
        self._legacy = legacy
        self._pid: int | None = None
        self._is_awaited = False
        self._leash = self._fall = -1

    def post(self) -> None:
        """Raises OSError where no process can be had; then nobody is felled."""
        self._is_awaited = True
        leash_end, self._leash = os.pipe()
        self._fall, fall_end = os.pipe()
        try:
            self._pid = os.fork()
        except OSError:
            self._let_go()
            raise
        finally:
            if self._pid == 0:
                _stand(leash_end, fall_end, self._signals, self._legacy)
            os.close(leash_end)
            os.close(fall_end)

    def is_sent_to_all(self, number: int) -> bool:
        """Whether a signal that we got was also sent to those beside us."""
        if self._pid is None:
            # Without a sentinel: keys are likelier than `kill` where there is a terminal.
            return number in (signal.SIGINT, signal.SIGQUIT) and os.isatty(0)
        # It says when it stands: before that, a signal waits for it, and it for the signal.
        if self._is_awaited:
            self._is_awaited = False
            os.read(self._fall, 1)
        if not select.select([self._fall], [], [], FALL_SECONDS_MAX)[0]:
            return False
        self.dismiss()
        try:
            self.post()
        except OSError:
            self._pid = None
        return True

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
        os.close(self._fall)


def _stand(
    leash_end: int, fall_end: int, signals: Collection[int], legacy: Legacy | None
) -> NoReturn:
    """The sentinel itself: falls by the first signal, or goes its way when the leash is let go."""
    try:
        held = {leash_end, fall_end, *(legacy.descriptors if legacy else ())}
        for descriptor in open_descriptors():
            if descriptor not in held:
                with suppress(OSError):
                    os.close(descriptor)
        for number in signals:
            # Not by the signal's own default, which may be to leave a core file.
            signal.signal(number, _fall)
        os.write(fall_end, b"!")
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        os.read(leash_end, 1)
        if legacy is not None:
            # What is sent to everybody now is for the command to answer, and to print about.
            for number in signals:
                signal.signal(number, signal.SIG_IGN)
            legacy.carry_out()
    finally:
        os._exit(0)


def _fall(*_: object) -> NoReturn:
    os._exit(0)
