"""The body of a request: read as it comes, unpacked, and never more of it than is allowed.

A bomb is refused while it is unpacked: no more than a step beyond the limit is ever in memory.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Final, Protocol

from starlette.requests import ClientDisconnect, Request

from deploytrail.errors import Malformed, Overloaded, TooLarge
from deploytrail.gzipped import Gunzip
from deploytrail.web.problem import TooSlowSending, WrongType
from deploytrail.zstd import zstd

BODY_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of a body, as it is sent and as it is once unpacked."""
BODY_SECONDS_MAX: Final = 60
IN_FLIGHT_BYTES_MAX: Final = 32 * 1024 * 1024
_STEP_BYTES: Final = 64 * 1024
_YIELD_BYTES: Final = 1024 * 1024
"""After so much that was unpacked, others on the event loop have their turn."""
FRAMES_MAX: Final = 1_024
"""Of zstd in one body: each costs what it costs, however empty."""
_WINDOW_LOG_MAX: Final = 23
"""A frame of zstd may ask for 8 MiB of memory, not for two gigabytes."""
_LENGTH: Final = re.compile("[0-9]{1,18}")


class Budget:
    """How many bytes of all requests together may be in memory. Belongs to the event loop."""

    def __init__(self, bytes_max: int = IN_FLIGHT_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self.taken = 0

    def take(self, count: int) -> None:
        """Raises Overloaded where there is no room; then nothing is taken."""
        if self.taken + count > self._bytes_max:
            raise Overloaded(
                f"server: expected at most {self._bytes_max} bytes on their way into the log, "
                "found more; send the same again a little later, or slower"
            )
        self.taken += count

    def give_back(self, count: int) -> None:
        self.taken -= count


class Share:
    """What one request has taken of the budget; given back as a whole where its block ends."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.taken = 0

    def grow_to(self, count: int) -> None:
        if count > self.taken:
            self._budget.take(count - self.taken)
            self.taken = count

    def __enter__(self) -> Share:
        return self

    def __exit__(self, *_: object) -> None:
        self._budget.give_back(self.taken)
        self.taken = 0


class Unpacking(Protocol):
    """Unpacks a stream, a step at a time."""

    def feed(self, octets: bytes) -> Iterator[bytes]: ...
    def end(self) -> None:
        """Raises Malformed where the stream is not whole."""
        ...


async def read(
    request: Request,
    share: Share,
    *,
    seconds: float = BODY_SECONDS_MAX,
    bytes_max: int = BODY_BYTES_MAX,
) -> bytes:
    """All of a body, unpacked; `bytes_max` bounds it as it is sent, and as it is once unpacked.

    Raises TooLarge, Overloaded (also before anything was read), WrongType, Malformed,
    TooSlowSending, or ClientDisconnect.
    """
    unpacking = _unpacking(request.headers.get("content-encoding", "identity"))
    declared = _declared(request, bytes_max)
    # Whoever says how much will come is refused before it comes.
    share.grow_to(declared)
    parts: list[bytes] = []
    unpacked = 0
    try:
        async with _patience(request, seconds):
            async for chunk in _received(request, bytes_max):
                for part in unpacking.feed(chunk):
                    if (unpacked + len(part)) // _YIELD_BYTES > unpacked // _YIELD_BYTES:
                        await asyncio.sleep(0)
                    unpacked += len(part)
                    _refuse_large(unpacked, bytes_max)
                    share.grow_to(unpacked)
                    parts.append(part)
    except TimeoutError:
        raise TooSlowSending(
            f"body: expected all of it within {seconds:g} seconds; send less at once"
        ) from None
    unpacking.end()
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _received(request: Request, bytes_max: int) -> AsyncIterator[bytes]:
    """The chunks as they came, of no more than the limit."""
    received = 0
    while True:
        event = await request.receive()
        if event["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = event.get("body", b"")
        received += len(chunk)
        _refuse_large(received, bytes_max)
        if chunk:
            yield chunk
        if not event.get("more_body", False):
            return


def _patience(request: Request, seconds: float) -> AbstractAsyncContextManager[object]:
    """Where all has come nobody is waited for: a time limit costs more than a short body."""
    state: dict[str, Any] = request.scope.get("state", {})
    has_come: Callable[[], bool] | None = state.get("has_come")
    if has_come is not None and has_come():
        return nullcontext()
    return asyncio.timeout(seconds)


def _declared(request: Request, bytes_max: int) -> int:
    text = request.headers.get("content-length", "0")
    if _LENGTH.fullmatch(text) is None:
        raise Malformed("content-length: expected a number of bytes, found something else")
    _refuse_large(int(text), bytes_max)
    return int(text)


def _refuse_large(count: int, bytes_max: int) -> None:
    if count > bytes_max:
        raise TooLarge(
            f"body: expected at most {bytes_max} bytes, packed and unpacked, found more; "
            "send it in several requests"
        )


def _unpacking(coding: str) -> Unpacking:
    made = CODINGS.get(coding.strip().lower())
    if made is None:
        raise WrongType(f"content-encoding: expected gzip, zstd or none, found {coding[:40]!a}")
    return made()


class _Plain:
    def feed(self, octets: bytes) -> Iterator[bytes]:
        yield octets

    def end(self) -> None:
        """Whatever came is whole."""


class _Zstd:
    """RFC 8878: one frame behind the other."""

    def __init__(self) -> None:
        self._frame = self._new()
        self._frames = 1
        self._has_begun = False

    @staticmethod
    def _new() -> zstd.ZstdDecompressor:
        limit = {int(zstd.DecompressionParameter.window_log_max): _WINDOW_LOG_MAX}
        return zstd.ZstdDecompressor(options=limit)

    def feed(self, octets: bytes) -> Iterator[bytes]:
        while True:
            if self._frame.eof:
                self._frame = self._new()
                self._frames += 1
                self._refuse_many()
            self._has_begun = True
            try:
                part = self._frame.decompress(octets, max_length=_STEP_BYTES)
            except zstd.ZstdError as error:
                raise Malformed(f"body: expected zstd, found other bytes ({error})") from None
            octets = self._frame.unused_data if self._frame.eof else b""
            if part:
                yield part
            if self._frame.eof and not octets:
                return
            if not self._frame.eof and self._frame.needs_input:
                return

    def end(self) -> None:
        if self._has_begun and not self._frame.eof:
            raise Malformed("body: expected all of a zstd frame, found its beginning; send it all")

    def _refuse_many(self) -> None:
        if self._frames > FRAMES_MAX:
            raise TooLarge(
                f"body: expected at most {FRAMES_MAX} frames of zstd, found more; pack it as one"
            )


CODINGS: Final[dict[str, Callable[[], Unpacking]]] = {
    "identity": _Plain,
    "gzip": Gunzip,
    "x-gzip": Gunzip,
    "zstd": _Zstd,
}
