"""Runs that began and never ended: what a lease that is over makes of them.

A run's start is leased for a day. Whoever looks after the log asks its index, now and then, for
starts whose lease is over and to which no end belongs, and has a gap noticed for each. The notice's
delivery names the start, so neither a restart nor another node notices one twice.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, Final

from deploytrail.actions import OWN_TOOL
from deploytrail.app.followers.acting import appending
from deploytrail.app.local import Asking
from deploytrail.app.trails.stored import StoredTrail
from deploytrail.clock import Clock, rfc3339
from deploytrail.errors import DeploytrailError
from deploytrail.event import Actor, Error, Event, EventId, Links, Source, Target
from deploytrail.follow.told import Standing, Tell
from deploytrail.trail import LOCAL_INSTANCE, Shown

NAME: Final = "lease"
VERSION: Final = 1
LEASE: Final = timedelta(hours=24)
_HISTORY: Final = timedelta(days=30)
"""What began longer ago is left alone when nobody has looked for that long."""
_LOOKED_SECONDS: Final = 300.0
_FIRST_SECONDS: Final = 10.0
_PAGE: Final = 200
_NOTICES_MAX: Final = 128
"""As many as one spool is told of, and some."""
_is_id: Final = re.compile("[0-9a-f]{32}").fullmatch
_STARTS: Final = "action:(deployment.started OR runtime.command.started)"
_ENDS: Final = (
    "action:(deployment.succeeded OR deployment.failed OR deployment.cancelled "
    "OR runtime.command.finished)"
)


class Overdue:
    """Looks for them in one trail. Belongs to one thread."""

    def __init__(self, trail: StoredTrail, clock: Clock) -> None:
        self._trail = trail
        self._clock = clock
        self._asking = Asking(trail, clock)
        self._append = appending(trail.recorder)
        self._settled: datetime | None = None

    def look(self) -> int:
        """Notice what is overdue now; how many were, known or not. Raises as a search does."""
        until = self._clock.now() - LEASE
        since = self._settled or until - _HISTORY
        # An end that the index hasn't read yet would be missed.
        after = self._trail.size() - 1
        events = [
            self._gap(start) for start in self._starts(since, until, after) if self._is_open(start)
        ]
        for refused in self._append(events) if events else ():
            if refused is not None:
                raise refused
        # What began before is settled: it has an end, or a notice.
        self._settled = until
        return len(events)

    def close(self) -> None:
        self._asking.close()
        self._trail.close()

    def _starts(self, since: datetime, until: datetime, after: int) -> Iterator[Shown]:
        query = f"{_STARTS} logged:>={rfc3339(since)} logged:<{rfc3339(until)}"
        cursor: str | None = None
        while True:
            page = self._asking.search(
                query, limit=_PAGE, cursor=cursor, order="oldest", after=max(after, 0)
            )
            # Other tools say how their runs end in their own words.
            yield from (one for one in page.items if _spool(one.event) is not None)
            cursor = page.next
            if cursor is None:
                return

    def _is_open(self, start: Shown) -> bool:
        ends = f"caused_by:{start.event['id']} {_ENDS}"
        if self._asking.search(ends, limit=1).items:
            return False
        noticed = f"action:audit.gap.noticed target:{_spool(start.event)}"
        found = self._asking.search(noticed, limit=_NOTICES_MAX).items
        return not any(_tells_of_the_end(one.event) for one in found)

    def _gap(self, start: Shown) -> Event:
        id = EventId(str(start.event["id"]))
        hours = int(LEASE.total_seconds()) // 3600
        return Event(
            id=self._clock.event_id(),
            action="audit.gap.noticed",
            outcome="failure",
            time=self._clock.now(),
            actor=Actor(type="system"),
            source=Source(
                tool=OWN_TOOL,
                instance=LOCAL_INSTANCE,
                delivery=f"actor/{NAME}/{VERSION}/{start.index}",
            ),
            targets=(Target(type="spool", id=_spool(start.event)),),
            links=Links(caused_by=(id,)),
            error=Error(code="no-end", location=f"no end within {hours} hours of its start"),
        )


class Leases:
    """`following.Beside`: looks now and then, in a thread of its own."""

    def __init__(self, opened: Callable[[], StoredTrail], *, clock: Clock, tell: Tell) -> None:
        self._opened = opened
        self._clock = clock
        self._tell = tell
        self._stopping = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """For the length of a block; a look that is under way is not waited for."""
        threading.Thread(target=self._run, name=NAME, daemon=True).start()
        try:
            yield
        finally:
            self._stopping.set()

    def standings(self) -> Sequence[Standing]:
        """Nobody waits for it: it has no cursor."""
        return ()

    def _run(self) -> None:
        overdue: Overdue | None = None
        wait = _FIRST_SECONDS
        while not self._clock.wait(self._stopping, wait):
            wait = _LOOKED_SECONDS
            try:
                overdue = overdue or Overdue(self._opened(), self._clock)
                overdue.look()
            except Exception as error:  # noqa: BLE001 (an index may come, a database come back)
                self._tell("leases can't be looked at", reason=str(error))
                _close(overdue)
                overdue = None
        _close(overdue)


def _close(overdue: Overdue | None) -> None:
    if overdue is not None:
        with suppress(DeploytrailError):
            overdue.close()


def _tells_of_the_end(event: dict[str, Any]) -> bool:
    """Whether a gap is that of the end: other lines of a spool may be missing, too."""
    code = (event.get("error") or {}).get("code")
    return code == "no-end" or str(event["source"].get("delivery")).endswith("-:gap")


def _spool(event: dict[str, Any]) -> str | None:
    """The id of the spool from which an event came; None for one that came otherwise."""
    parts = str((event.get("source") or {}).get("delivery", "")).split(":")
    is_spool = len(parts) == 3 and parts[0] == "spool" and _is_id(parts[1])
    return parts[1] if is_spool else None
