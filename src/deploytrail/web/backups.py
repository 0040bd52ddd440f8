"""Backups that are being made for others: one at a time, into files that have no name.

Without a name nothing of them is left, however the server ends.
"""

from __future__ import annotations

import asyncio
import errno
import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from deploytrail.app.backups.backing_up import backup_into, source_of
from deploytrail.clock import Clock
from deploytrail.errors import DiskFull, Overloaded, Unreachable
from deploytrail.trail import Backup
from deploytrail.web.readers import Readers
from deploytrail.web.reading import ServedTrail

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

Scratch = Callable[[], io.FileIO]
"""Opens an empty file, to be written and read, that is gone once it is closed."""
_LOOK_SECONDS: Final = 0.25
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def scratch() -> io.FileIO:
    """In the folder for what is temporary, which TMPDIR names."""
    file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (closed by who asked for it)
    assert isinstance(file, io.FileIO)
    return file


class Backups:
    """Belongs to the event loop; the thread that makes them has a trail of its own."""

    def __init__(self, opened: Callable[[], ServedTrail], clock: Clock, scratch: Scratch) -> None:
        self._readers = Readers(opened, threads=1)
        self._clock = clock
        self._scratch = scratch
        self._making: Making | None = None

    @property
    def is_busy(self) -> bool:
        return self._making is not None

    def begin(self) -> Making:
        """Raises Overloaded while another is under way. Whoever begins it ends it."""
        if self.is_busy:
            raise Overloaded(
                "backup: expected one at a time, found another under way; ask again once it is done"
            )
        with _told_when_full():
            self._making = Making(self._readers, self._clock, self._scratch, self._ended)
        return self._making

    def close(self) -> None:
        """Waits until what is being made has noticed that nobody wants it any more."""
        if self._making is not None:
            self._making.end()
        self._readers.close()

    def _ended(self) -> None:
        self._making = None


class Making:
    """A backup under way, and afterwards its two files. `stood` is how many entries of how many."""

    def __init__(
        self,
        readers: Readers[ServedTrail],
        clock: Clock,
        scratch: Scratch,
        ended: Callable[[], None],
    ) -> None:
        self.stood = (0, 0)
        self._readers = readers
        self._clock = clock
        self._ended = ended
        self._is_ending = False
        self.keys = _Wanted(scratch(), self._refuse_unwanted)
        self.log = _Wanted(scratch(), self._refuse_unwanted)
        self._made = asyncio.ensure_future(readers.ask(self._make))
        self._made.add_done_callback(_noticed)

    async def made(self, ending: asyncio.Event, *, seconds_max: float) -> Backup | None:
        """What is in it, None where it is not made in time.

        Raises what making it raised, and Unreachable once the server ends.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds_max
        while not self._made.done() and loop.time() < until:
            refuse_ending(ending)
            await asyncio.wait({self._made}, timeout=_LOOK_SECONDS)
        return self._made.result() if self._made.done() else None

    async def read(self, stream: io.BufferedRandom, count: int) -> bytes:
        """The next bytes of one of the files, once it is made."""
        return await self._readers.ask(lambda _: stream.read(count))

    def end(self) -> None:
        """It is not wanted any more, or was taken; another may begin once its thread is done."""
        if self._is_ending:
            return
        self._is_ending = True
        if self._made.done():
            self._close()
        else:
            self._made.add_done_callback(lambda _: self._close())

    def _make(self, served: ServedTrail) -> Backup:
        with _told_when_full():
            done = backup_into(
                source_of(served.trail), self.log, self.keys, clock=self._clock, told=self._told
            )
            for each in (self.log, self.keys):
                each.seek(0)
        return done

    def _told(self, done: int, total: int) -> None:
        self.stood = (done, total)

    def _refuse_unwanted(self) -> None:
        if self._is_ending:
            raise Unreachable("server: expected somebody to take the backup, found nobody")

    def _close(self) -> None:
        for each in (self.log, self.keys):
            # What could not be written is tried once more, and may fail again.
            with suppress(OSError):
                each.close()
        self._ended()


def refuse_ending(ending: asyncio.Event) -> None:
    if ending.is_set():
        raise Unreachable("server: it is being stopped; take the backup again once it is there")


class _Wanted(io.BufferedRandom):
    """A file that is written as long as somebody wants it."""

    def __init__(self, file: io.FileIO, refuse_unwanted: Callable[[], None]) -> None:
        super().__init__(file)
        self._refuse_unwanted = refuse_unwanted

    def write(self, octets: ReadableBuffer, /) -> int:
        self._refuse_unwanted()
        return super().write(octets)


@contextmanager
def _told_when_full() -> Iterator[None]:
    """OSError for a full disk as one of ours."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise DiskFull(
            "backup: no room left for it in the server's temporary folder; free some there, or "
            "start the server with another one in TMPDIR"
        ) from None


def _noticed(made: asyncio.Future[Backup]) -> None:
    """Whoever wanted it may be gone."""
    if not made.cancelled():
        made.exception()
