"""Processes that make what entries become (`index.made`), several parts beside each other.

They only ever make it faster: each is handed bytes and gives bytes back, has no store, no key and
no place to write to, and ends with whoever started it. Whatever one of them doesn't give back, for
whatever reason, is made by the caller, who then sees the reason as well.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import suppress
from typing import Final

import msgspec

from deploytrail.follow.view import Read
from deploytrail.index.made import Made

COMMAND: Final = (sys.executable, "-P", "-m", "deploytrail.index.maker")
"""Without the directory that somebody happens to be in, which may have modules of any name."""
LENGTH_BYTES: Final = 8
_STILL_SECONDS_MAX: Final = 30.0
"""So long one may neither take nor give a byte; making a part takes less than one."""
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Made).decode


class Asked(msgspec.Struct, array_like=True, gc=False):
    """What a maker is handed."""

    origin: str
    first: int
    entries: list[bytes]
    disclosures: Mapping[bytes, bytes]


class Makers:
    """So many processes, started when there is something to be made. Belongs to one thread."""

    def __init__(
        self,
        origin: str,
        count: int,
        *,
        command: tuple[str, ...] = COMMAND,
        still_seconds_max: float = _STILL_SECONDS_MAX,
    ) -> None:
        self._origin = origin
        self._count = count
        self._command = command
        self._still_seconds_max = still_seconds_max
        self._idle: list[_Maker] = []
        self._all: list[_Maker] = []
        self._is_given_up = False

    @property
    def processes(self) -> int:
        """As many are there now."""
        return len(self._all)

    def made(self, parts: Iterable[Read], own: Callable[[Read], Made]) -> Generator[Made]:
        """What parts become, in their order; `own` makes one here."""
        waiting: deque[tuple[Read, _Maker | None]] = deque()
        try:
            for part in parts:
                asked = _encode(
                    Asked(self._origin, part.first, [*part.entries], part.disclosures(part.entries))
                )
                found = None
                if len(waiting) == self._count:
                    found = self._taken(*waiting.popleft(), own)
                # Handed over first: while the caller keeps what was found, the next is made.
                waiting.append((part, self._handed(asked)))
                if found is not None:
                    yield found
            while waiting:
                yield self._taken(*waiting.popleft(), own)
        finally:
            # Left half-way, the answers of those that still work are nobody's.
            if waiting:
                self.close()

    def close(self) -> None:
        """End them; they are started again when there is something to be made."""
        for maker in self._all:
            maker.end()
        self._all, self._idle = [], []

    def _handed(self, asked: bytes) -> _Maker | None:
        if self._is_given_up:
            return None
        try:
            if not self._idle:
                self._idle.append(_Maker(self._command, self._still_seconds_max))
                self._all.append(self._idle[-1])
            maker = self._idle.pop()
            maker.hand(asked)
        except OSError:
            self._give_up()
            return None
        return maker

    def _taken(self, part: Read, maker: _Maker | None, own: Callable[[Read], Made]) -> Made:
        if maker is None or self._is_given_up:
            return own(part)
        try:
            found = _decode(maker.take())
        except (OSError, msgspec.DecodeError):
            self._give_up()
            return own(part)
        self._idle.append(maker)
        return found

    def _give_up(self) -> None:
        """What failed once, as where memory is short, is not tried again and again."""
        self._is_given_up = True
        self.close()


class _Maker:
    """One process: handed something, it gives back one thing, before it is handed the next."""

    def __init__(self, command: tuple[str, ...], still_seconds_max: float) -> None:
        self._still_seconds_max = still_seconds_max
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            bufsize=0,
        )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._in, False)

    def hand(self, asked: bytes) -> None:
        """Raises OSError where it takes nothing any more."""
        left = memoryview(len(asked).to_bytes(LENGTH_BYTES, "big") + asked)
        while left:
            self._await(self._in, select.POLLOUT)
            left = left[os.write(self._in, left) :]

    def take(self) -> bytes:
        """Raises OSError where it gives nothing any more."""
        return self._read(int.from_bytes(self._read(LENGTH_BYTES), "big"))

    def end(self) -> None:
        self._process.kill()
        with suppress(OSError):
            # What was written is read by nobody.
            self._process.communicate()

    def _read(self, count: int) -> bytes:
        found = bytearray()
        while len(found) < count:
            self._await(self._out, select.POLLIN)
            octets = os.read(self._out, min(count - len(found), 1 << 20))
            if not octets:
                raise ConnectionAbortedError
            found += octets
        return bytes(found)

    def _await(self, descriptor: int, event: int) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        if not poll.poll(1_000 * self._still_seconds_max):
            raise TimeoutError
