"""Time, ids and randomness: the only module that reads them.

Everybody else is given a `Clock`, so that a test decides what time it is.
"""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from deploytrail.event import EventId

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class Uptime(NamedTuple):
    """Which boot of this machine, and how far into it, in microseconds.

    `boot` is empty where the system does not tell; then jumps of the clock can't be noticed.
    """

    boot: str
    microseconds: int


class Clock(Protocol):
    """Where time, ids and random bytes come from.

    `now` is UTC and may jump in either direction; `uptime` never runs backwards within one boot
    and counts suspended time; `random` is fit for keys; `event_id` is a UUIDv7 of `now`.
    `monotonic` are seconds that never run backwards, from no time in particular. `wait` sleeps
    until it is woken or so many seconds are over; whether it was woken.
    Safe for use from several threads.
    """

    def now(self) -> datetime: ...
    def uptime(self) -> Uptime: ...
    def random(self, length_bytes: int) -> bytes: ...
    def event_id(self) -> EventId: ...
    def monotonic(self) -> float: ...
    def wait(self, wake: threading.Event, seconds: float) -> bool: ...


class SystemClock:
    """The clock and the random generator of this machine."""

    def __init__(self) -> None:
        self._boot: str | None = None

    def now(self) -> datetime:
        return at_microseconds(time.time_ns() // 1000)

    def uptime(self) -> Uptime:
        try:
            # A process does not outlive a boot.
            if self._boot is None:
                self._boot = _BOOT_ID.read_text(encoding="ascii").strip()
            return Uptime(self._boot, time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000)
        except (OSError, AttributeError):
            return Uptime("", 0)

    def random(self, length_bytes: int) -> bytes:
        return os.urandom(length_bytes)

    def event_id(self) -> EventId:
        return uuid7(time.time_ns() // 1_000_000, self.random(10))

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, wake: threading.Event, seconds: float) -> bool:
        return wake.wait(seconds)


def uuid7(milliseconds: int, random: bytes) -> EventId:
    """A UUIDv7 (RFC 9562 §5.7) from a Unix time and 10 random bytes."""
    number = milliseconds << 80 | int.from_bytes(random, "big")
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    text = f"{number:032x}"
    return EventId(f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}")


def at_microseconds(since_1970: int) -> datetime:
    """The UTC time so many microseconds after the epoch; exact, unlike a float."""
    return _EPOCH + timedelta(microseconds=since_1970)


def microseconds(moment: datetime) -> int:
    """Microseconds from the epoch to an aware time; exact."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def rfc3339(moment: datetime) -> str:
    """Exactly 27 characters, UTC, microseconds: `2026-11-22T10:11:12.123456Z`."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"
