"""The hand-off from requests to the one thread that writes: bounded, and never a false answer.

Whatever waits when a commit ends goes into the next one, as far as it has room; a small request
does not wait behind large ones, so that nobody's approval is held up by an import. Where several
senders came together before, a commit of few events waits a moment until they are there again: each
costs an fsync and a fixed amount of work, and while the writer rests the event loop has the
interpreter to itself. A commit that failed is tried once more, batch by batch, then request by
request: the same delivery again gives the first receipt, so trying again is how one finds out
whether it was stored.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple, Protocol

from deploytrail.app.events.claimed import Heard
from deploytrail.app.events.recording import Recorded, Submission
from deploytrail.errors import Busy, DeploytrailError, Fenced, Overloaded, SenderError, Unreachable

WAITING_EVENTS_MAX: Final = 50_000
GROUP_EVENTS_MAX: Final = 1_000
GROUP_BYTES_MAX: Final = 4 * 1024 * 1024
SMALL_EVENTS_MAX: Final = 16
"""Requests of no more events wait in a line of their own: each commit takes some of both."""
SMALL_GROUP_EVENTS_MAX: Final = 256
SMALL_GROUP_BYTES_MAX: Final = 1024 * 1024
GATHER_SECONDS: Final = 0.002
"""For so long at most a commit of few events waits for those who were answered with the last."""
OVERLAPPED_EVENTS_MIN: Final = 128
"""From so many events on, what comes next is made ready while a commit is under way: for fewer,
handing them from thread to thread costs more than it saves.
"""

Answers = list[Recorded | SenderError]
Offered = Heard | Submission
"""What somebody wrote, or what intake made of what a proven sender said."""


class Recording(Protocol):
    """What the writer needs of a trail; used by its thread alone.

    `told` is called once for each batch, in order, in that thread or another; where something
    fails, for none that comes behind it.
    """

    def record_heard(self, batch: Sequence[Offered]) -> Answers: ...
    def record_heard_all(
        self, batches: Iterable[Sequence[Offered]], *, told: Callable[[Answers], None]
    ) -> None: ...
    def close(self) -> None: ...


class Wanted(NamedTuple):
    """The events of one request, and whom to tell."""

    events: Sequence[Offered]
    size_bytes: int
    told: Callable[[Answers | Exception], None]


class Tally(NamedTuple):
    """What the writer has done so far."""

    commits: int
    events: int
    waiting: int


_Group = list[Wanted]


class Writer:
    """One thread with a trail of its own. `offer` may be called from any thread.

    `committed` is called in a thread of the writer's, for one commit after the other, and must not
    wait. What tells senders is handed to `hand_over`, once for all of a commit: each time a thread
    is woken, it and the writer take the interpreter from one another.
    """

    def __init__(
        self,
        opened: Callable[[], Recording],
        *,
        committed: Callable[[Answers], None] = lambda _: None,
        hand_over: Callable[[Callable[[], None]], None] = lambda tell: tell(),
        waiting_max: int = WAITING_EVENTS_MAX,
        overlapped_min: int = OVERLAPPED_EVENTS_MIN,
    ) -> None:
        self._opened = opened
        self._committed = committed
        self._hand_over = hand_over
        self._waiting_max = waiting_max
        self._overlapped_min = overlapped_min
        self._turn = threading.Condition()
        self._waiting: deque[Wanted] = deque()
        self._small: deque[Wanted] = deque()
        self._count = 0
        self._is_ending = False
        self._last_count = 0
        """Of the requests in the last commit."""
        self._wake_count = 1
        """Of the requests that wait, from which on the writer is woken."""
        self._under_way: deque[_Group] = deque()
        self._commits = 0
        self._events = 0
        self.fault: DeploytrailError | None = None
        """Why nothing can be written any more; a fence stays until somebody has examined it."""
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def offer(self, wanted: Wanted) -> None:
        """Puts events in line. Raises Overloaded, Fenced or Unreachable; then nobody is told."""
        with self._turn:
            if self.fault is not None:
                raise self.fault
            if self._is_ending:
                raise Unreachable("server: it is being stopped; send the same again in a moment")
            if self._count and self._count + len(wanted.events) > self._waiting_max:
                raise Overloaded(
                    f"server: expected at most {self._waiting_max} events that wait to be logged, "
                    "found more; send the same again a little later, or slower"
                )
            line = self._small if len(wanted.events) <= SMALL_EVENTS_MAX else self._waiting
            line.append(wanted)
            self._count += len(wanted.events)
            if self._length() >= self._wake_count:
                self._turn.notify()

    def tally(self) -> Tally:
        return Tally(self._commits, self._events, self._count)

    def is_writing(self) -> bool:
        """Whether a commit is under way; from any thread."""
        return bool(self._under_way)

    def end(self, *, seconds_max: float) -> bool:
        """Takes nothing more, and waits until what was taken is answered; whether it was."""
        with self._turn:
            self._is_ending = True
            self._turn.notify()
        self._thread.join(seconds_max)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            trail = self._opened()
            try:
                while not self._has_ended() and self.fault is None:
                    self._write(trail)
            finally:
                trail.close()
        except DeploytrailError as error:
            self._give_up(error)
        except Exception as error:  # noqa: BLE001 (whoever waits is told, and nobody waits for ever)
            self._give_up(Unreachable(f"server: its writer ended ({type(error).__name__})"))

    def _write(self, trail: Recording) -> None:
        """Until the end, or until something fails."""
        try:
            while (group := self._next(wait=True)) is not None:
                self._under_way.append(group)
                events = _events(group)
                if len(events) < self._overlapped_min:
                    self._logged(trail.record_heard(events))
                else:
                    trail.record_heard_all(self._batches(events), told=self._logged)
        except Busy as error:
            # Whoever waited for the lock as long as is allowed does not wait once more. Some may be
            # stored all the same: whoever sends them again is told so.
            while self._under_way:
                self._refuse(self._under_way.popleft(), error)
        except Exception:  # noqa: BLE001 (each request is told by itself what became of it)
            # One of those that were under way failed, and of the others nobody knows.
            while self._under_way:
                self._repeat(trail, self._under_way.popleft())

    def _batches(self, first: Sequence[Offered]) -> Iterator[Sequence[Offered]]:
        """The first, and what waits, a commit at a time, until nothing does."""
        yield first
        while group := self._next(wait=False):
            self._under_way.append(group)
            yield _events(group)

    def _logged(self, answers: Answers) -> None:
        """What became of the group that was first under way."""
        self._settle(self._under_way.popleft(), answers)

    def _next(self, *, wait: bool) -> _Group | None:
        """What waits. Where nothing does it is waited for, or nothing is taken; None at the end."""
        if wait and not self._has_some():
            return None
        with self._turn:
            group = self._taken()
            self._last_count = len(group)
        return group

    def _has_some(self) -> bool:
        """Waits until there is something; False where there won't be."""
        with self._turn:
            expected = self._last_count + self._length() if self._last_count > 1 else 1
            while not self._length():
                if self._is_ending:
                    return False
                self._turn.wait()
            if self._count < self._overlapped_min:
                self._gather(expected)
        return True

    def _gather(self, count: int) -> None:
        """Whoever was answered together sends again together, so that one commit is enough."""
        self._wake_count = count
        self._turn.wait_for(lambda: self._is_ending or self._length() >= count, GATHER_SECONDS)
        self._wake_count = 1

    def _length(self) -> int:
        """How many requests wait."""
        return len(self._waiting) + len(self._small)

    def _taken(self) -> _Group:
        """Of the large ones as many as make a commit, and with them small ones, so that neither
        waits for all of the others.
        """
        group = self._cut(self._waiting, GROUP_EVENTS_MAX, GROUP_BYTES_MAX)
        if group:
            return group + self._cut(self._small, SMALL_GROUP_EVENTS_MAX, SMALL_GROUP_BYTES_MAX)
        return self._cut(self._small, GROUP_EVENTS_MAX, GROUP_BYTES_MAX)

    def _cut(self, line: deque[Wanted], events_max: int, octets_max: int) -> _Group:
        group: _Group = []
        events = octets = 0
        while line:
            wanted = line[0]
            events += len(wanted.events)
            octets += wanted.size_bytes
            if group and (events > events_max or octets > octets_max):
                break
            group.append(line.popleft())
            self._count -= len(wanted.events)
        return group

    def _settle(self, group: _Group, answers: Answers) -> None:
        self._commits += 1
        self._events += len(answers)
        self._committed(answers)
        self._hand_over(partial(_tell, group, answers))

    def _repeat(self, trail: Recording, group: _Group) -> None:
        """A group whose commit failed, or was never begun."""
        try:
            self._settle(group, trail.record_heard(_events(group)))
        except Fenced as error:
            self._refuse(group, error)
            self._give_up(error)
        except DeploytrailError as error:
            self._refuse(group, error)
        except Exception as error:  # noqa: BLE001 (a fault of ours in one keeps no other out)
            if len(group) == 1:
                self._refuse(group, error)
                return
            for wanted in group:
                self._repeat(trail, [wanted])

    def _give_up(self, error: DeploytrailError) -> None:
        with self._turn:
            self.fault = error
            waiting = [*self._waiting, *self._small]
            self._waiting.clear()
            self._small.clear()
            self._count = 0
        self._refuse(waiting, error)

    def _refuse(self, group: _Group, error: Exception) -> None:
        if group:
            self._hand_over(partial(_tell_error, group, error))

    def _has_ended(self) -> bool:
        with self._turn:
            return self._is_ending and not self._length()


def _events(group: _Group) -> list[Offered]:
    return [event for wanted in group for event in wanted.events]


def _tell(group: _Group, answers: Answers) -> None:
    at = 0
    for wanted in group:
        until = at + len(wanted.events)
        wanted.told(answers[at:until])
        at = until


def _tell_error(group: _Group, error: Exception) -> None:
    for wanted in group:
        wanted.told(error)
