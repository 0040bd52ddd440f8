"""The relay: hands on what a child writes, byte for byte, and lets a reader see it.

One channel per place that the child's output goes to: a pseudo-terminal where that is a terminal,
so that the child colours, asks and wraps as always, else a pipe. Only output passes through it:
input, keys and job control stay with the real terminal. Standard output and error that go to the
same place share a channel, so their order stays. A place that is gone (`| head`) never stops the
child; the rest of its output is still read. Nor does our own end: `legacy` says how it goes on,
where we are killed, and where a background process prints on after the child has ended.
"""

from __future__ import annotations

import fcntl
import os
import selectors
import sys
import termios
import threading
from collections.abc import Callable, Iterable
from typing import Final

from deploytrail.wrapper.sentinel import Legacy

CHUNK_BYTES_MAX: Final = 65_536
LINGER_SECONDS_MAX: Final = 0.5
"""How long we still read what background processes print after the child has ended."""

Reader = Callable[[int, bytes], None]
"""Is given the descriptor that the bytes went to (1 or 2) and the bytes; may raise."""


class Channel:
    """One way out of the child: `inner` is the child's end, `outer` is where it leads."""

    def __init__(self, outer: int) -> None:
        self.outer = outer
        self.is_terminal = os.isatty(outer)
        self.source, self.inner = _terminal_pair() if self.is_terminal else os.pipe()
        self._is_open = True
        self.resize()

    def resize(self) -> None:
        """Gives the pseudo-terminal the size of the real one."""
        if self.is_terminal:
            try:
                termios.tcsetwinsize(self.source, termios.tcgetwinsize(self.outer))
            except (OSError, termios.error):
                return

    def write(self, data: bytes) -> None:
        """Writes all of it; once nobody reads any more, nothing."""
        while data and self._is_open:
            try:
                data = data[os.write(self.outer, data) :]
            except BlockingIOError:
                _wait_until_writable(self.outer)
            except OSError:
                self._is_open = False

    def held(self) -> int:
        """At least as many bytes as wait to be read: of a pseudo-terminal, only a part is told."""
        size = bytearray(4)
        try:
            fcntl.ioctl(self.source, termios.FIONREAD, size)
        except OSError:
            return CHUNK_BYTES_MAX
        return max(int.from_bytes(size, sys.byteorder), CHUNK_BYTES_MAX)

    def read(self) -> bytes:
        """The next bytes; empty at the end, which a pseudo-terminal tells by an error (EIO)."""
        try:
            return os.read(self.source, CHUNK_BYTES_MAX)
        except OSError:
            return b""


class Relay:
    """Channels for a child's output and error, pumped by a thread from `start` to `finish`.

    `start` comes before the child, since there may be no thread to have; `hand_over` after it.
    """

    def __init__(self, reader: Reader, *, stdout: int = 1, stderr: int = 2) -> None:
        output = Channel(stdout)
        error = output if _is_same_place(stdout, stderr) else Channel(stderr)
        self.stdout, self.stderr = output.inner, error.inner
        self.failure: BaseException | None = None
        self._channels = (output,) if error is output else (output, error)
        self._open = list(self._channels)
        self._reader: Reader | None = reader
        self._ended, self._end = os.pipe()
        self._is_caught_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def start(self) -> bool:
        """True. Raises RuntimeError where no thread can be had; then all is let go."""
        try:
            self._thread.start()
        except BaseException:
            self._close(
                end for channel in self._channels for end in (channel.inner, channel.source)
            )
            self._close([self._ended, self._end])
            raise
        return True

    def hand_over(self) -> None:
        """To be called once the child holds its ends: ours are closed, so that an end shows."""
        self._close(channel.inner for channel in self._channels)

    def finish(self, is_given_up: Callable[[], bool]) -> bool:
        """Hands on what the child has printed, and what comes soon after it.

        True where a background process still holds the output: it needs the legacy. A place that
        takes nothing holds us, until we are told off.
        """
        os.write(self._end, b"!")
        while not self._is_caught_up.wait(0.05):
            if is_given_up():
                # What told us off may have ended the child, too: what it said last is on its way.
                self._is_caught_up.wait(LINGER_SECONDS_MAX)
                break
        self._thread.join(timeout=0 if is_given_up() else LINGER_SECONDS_MAX)
        self._close([self._end])
        self._thread.join(timeout=0.05)
        while self._thread.is_alive() and not is_given_up():
            self._thread.join(timeout=0.05)
        if self._thread.is_alive():
            return False
        self._close([self._ended])
        return bool(self._open)

    def abandon(self) -> None:
        """Lets go of everything and ends the thread; for a child that could not be started."""
        self.hand_over()
        self._close([self._end])
        self._thread.join()
        self._close([self._ended])
        if self._open:
            self._close(channel.source for channel in self._channels)

    def resize(self) -> None:
        for channel in self._channels:
            channel.resize()

    @property
    def legacy(self) -> Legacy:
        """How another process goes on in our place: output is passed on to its end, unread."""
        ends = ((channel.source, channel.outer) for channel in self._channels)
        return Legacy(tuple(end for pair in ends for end in pair), self._go_on)

    def _go_on(self) -> None:
        self._reader = None
        self._pump(None)

    def _run(self) -> None:
        try:
            self._pump(self._ended)
        except BaseException as error:  # noqa: BLE001 (our fault must not become the user's)
            # Once more without a reader: who is not read any more waits for ever, or dies of it.
            self.failure, self._reader = error, None
            self._is_caught_up.set()
            self._pump(self._ended)
        finally:
            if not self._open:
                self._close(channel.source for channel in self._channels)
            self._is_caught_up.set()

    def _pump(self, ended: int | None) -> None:
        """Passes on until all sources have ended, or until we are to stop."""
        with selectors.DefaultSelector() as selector:
            for channel in self._open:
                selector.register(channel.source, selectors.EVENT_READ, channel)
            if ended is not None:
                selector.register(ended, selectors.EVENT_READ, None)
            while self._open:
                for key, _ in selector.select():
                    if key.data is None:
                        if not os.read(key.fd, 1):
                            return
                        self._catch_up()
                        # What else is ready has been read meanwhile.
                        break
                    if not self._pass_on(key.data):
                        selector.unregister(key.fd)
                        self._open.remove(key.data)

    def _catch_up(self) -> None:
        """Passes on all that the child itself has printed, however much others print meanwhile."""
        for channel in self._open:
            left = channel.held()
            while left > 0 and _is_readable(channel.source) and (passed := self._pass_on(channel)):
                left -= passed
        self._is_caught_up.set()

    def _pass_on(self, channel: Channel) -> int:
        """How many bytes; the user first, then the reader; one that fails is heard no more."""
        data = channel.read()
        channel.write(data)
        if self._reader is not None and data:
            try:
                self._reader(channel.outer, data)
            except BaseException as error:  # noqa: BLE001 (our fault must not become the user's)
                self.failure, self._reader = error, None
        return len(data)

    @staticmethod
    def _close(descriptors: Iterable[int]) -> None:
        for descriptor in descriptors:
            os.close(descriptor)


def _terminal_pair() -> tuple[int, int]:
    """A pseudo-terminal that changes no byte: the real terminal turns line ends, once is enough."""
    ours, theirs = os.openpty()
    attributes = termios.tcgetattr(theirs)
    attributes[1] &= ~termios.OPOST
    termios.tcsetattr(theirs, termios.TCSANOW, attributes)
    return ours, theirs


def _is_same_place(first: int, second: int) -> bool:
    try:
        one, other = os.fstat(first), os.fstat(second)
    except OSError:
        return False
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


def _is_readable(descriptor: int) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        return bool(selector.select(timeout=0))


def _wait_until_writable(descriptor: int) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_WRITE)
        selector.select(timeout=1)
