"""A run's spool on disk: one file below `<home>/spool/`, written while the command runs.

The file is the owner's alone (0600 in a 0700 folder), and locked for as long as its run lives. What
`append` was given is durable when it returns; a line that a crash tore is recognised by its missing
end. docs/spool.md says what lies in it.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from deploytrail import attachment_line
from deploytrail.clock import Clock, rfc3339
from deploytrail.event import Event, EventId
from deploytrail.spool.line import SEED_BYTES, Signer, delivery, spool_id
from deploytrail.spool.seal import SpoolKey
from deploytrail.trail import Attachment

FOLDER: Final = "spool"
SUFFIX: Final = ".spool"
REFUSED: Final = ".refused"


class NoSpool(Exception):
    """Something else lies where a spool should."""


class SpoolFile:
    """The spool of one run, whose lines are signed by a key that ends with this process."""

    def __init__(
        self,
        folder: Path,
        *,
        run: str,
        clock: Clock,
        trail: str | None = None,
        key: SpoolKey | None = None,
    ) -> None:
        self.path = folder / f"{run}{SUFFIX}"
        self._key = key
        self._signer = Signer(clock.random(SEED_BYTES))
        header = self._signer.header(
            run=run,
            made=rfc3339(clock.now()),
            trail=trail,
            sealed_to=None if key is None else str(key),
        )
        self.id = spool_id(header[:-1])
        self._unwritten = [header]
        self._file: int | None = None
        self._size = 0

    def stamped(
        self,
        events: Sequence[Event],
        attachments: Mapping[EventId, Sequence[Attachment]],
        *,
        is_last: bool = False,
    ) -> list[Event]:
        """The events with the delivery of their lines, which `write` then makes durable.

        `is_last`: the run has nothing more to tell.
        """
        told: list[Event] = []
        for event in events:
            attached = attachments.get(event.id, ())
            counter = self._signer.counter + len(attached) + 1
            source = replace(
                event.source, delivery=delivery(self.id, counter), part=0, sequence=counter
            )
            event = replace(event, source=source)
            # Evidence before its event: whoever has the event has all of it.
            for each in attached:
                self._put(attachment_line.encode(event.id, each), of=counter)
            self._put(msgspec.json.encode(event), is_last=is_last and len(told) + 1 == len(events))
            told.append(event)
        return told

    @property
    def is_written(self) -> bool:
        """Whether all that was stamped is durable."""
        return not self._unwritten

    def write(self) -> None:
        """Write what was stamped, durably; what raises OSError is written by the next call."""
        if not self._unwritten:
            return
        if self._file is None:
            self._create()
            return
        self._write(self._file)

    def release(self) -> None:
        """Let go of the file, which others may drain now."""
        if self._file is not None:
            os.close(self._file)
        self._file = None

    def discard(self) -> None:
        """Remove the file: all that is in it stands in a trail.

        Stopped before that, it is drained again, which gives the same receipts.
        """
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        self.release()

    def _put(self, body: bytes, *, of: int | None = None, is_last: bool = False) -> None:
        if self._key is None:
            line = self._signer.line(body, of=of, is_last=is_last)
        else:
            from deploytrail.spool.seal import seal

            sealed = seal(body, self._key, spool=self.id, counter=self._signer.counter + 1)
            line = self._signer.line(None, sealed=sealed, of=of, is_last=is_last)
        self._unwritten.append(line)

    def _create(self) -> None:
        """The file appears with its first lines in it, and locked: nobody sees less of it."""
        folder = self.path.parent
        unnamed = made_folder(folder)
        # Stopped before the rename, only a hidden file remains, which nobody takes for a spool.
        partial = self.path.with_name(f".{self.path.name}.partial")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(partial, flags, 0o600)
        lines = list(self._unwritten)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._write(file)
            partial.rename(self.path)
            # A folder without a durable name takes its files along.
            for each in (self.path, *unnamed):
                sync(each.parent)
        except BaseException:
            # The disk may be full: a torn file would only take the room of a later try.
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            os.close(file)
            # A later try makes the whole file again, in place of one that may have its name.
            self._unwritten, self._size = lines, 0
            raise
        self._file = file

    def _write(self, file: int) -> None:
        octets = b"".join(self._unwritten)
        try:
            _write_all(file, octets)
            os.fsync(file)
        except OSError:
            # Half a line in the middle would take the next one along.
            with suppress(OSError):
                os.ftruncate(file, self._size)
                os.lseek(file, self._size, os.SEEK_SET)
            raise
        self._size += len(octets)
        self._unwritten.clear()


def made_folder(folder: Path) -> list[Path]:
    """Make a folder (0700) with those above it; whose names may not be durable yet, it first."""
    unnamed = [folder, folder.parent]
    while not unnamed[-1].parent.exists():
        unnamed.append(unnamed[-1].parent)
    for each in reversed(unnamed):
        each.mkdir(mode=0o700, exist_ok=True)
    return unnamed


def spools(folder: Path) -> list[Path]:
    """Those that wait, oldest first: their names are UUIDv7."""
    try:
        return sorted(folder.glob(f"[!.]*{SUFFIX}"))
    except OSError:
        return []


def is_left(path: Path) -> bool:
    """Whether nobody is at it: neither its run nor another one who drains."""
    try:
        with taken(path) as file:
            return file is not None
    except NoSpool:
        return True


@contextmanager
def taken(path: Path) -> Iterator[int | None]:
    """A spool's file, held against others who drain; None where its run lives, or one is at it.

    Raises NoSpool for what is no file, or can't be read.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        # Another one was faster.
        yield None
        return
    except OSError as error:
        raise NoSpool(f"{path.name}: expected a spool, found none to read: {error}") from None
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise NoSpool(f"{path.name}: expected a spool, found what is no file")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        # It may have been drained and removed between the two.
        yield file if os.fstat(file).st_nlink else None
    finally:
        os.close(file)


def _write_all(file: int, octets: bytes) -> None:
    rest = memoryview(octets)
    while rest:
        rest = rest[os.write(file, rest) :]


def sync(path: Path) -> None:
    """Make what a file holds durable, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
