"""The tail's fan-out: one thread finds what is new for all clients; the newest is kept for them.

What this process logged it hears from its writer; what others logged, it reads from the log.
Deliveries happen on the event loop, each a run of indexes without a gap; whoever joins at an index
gets everything from there on, once. A client is a place in what is kept, and costs no room; one
that falls behind it reads the log itself.
"""

from __future__ import annotations

import asyncio
import threading
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Final, Protocol

from deploytrail.app.events.asked_event import asked_event
from deploytrail.app.events.fresh import Fresh, fresh
from deploytrail.app.events.recording import Recorded
from deploytrail.errors import SenderError
from deploytrail.log.accounts import ERASED
from deploytrail.sentence import value_of
from deploytrail.trail import Shown
from deploytrail.web.matching import Matches, everything
from deploytrail.web.overheard import Overheard

KEPT_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of events as they are sent, for all who listen together."""
CLIENTS_MAX: Final = 500
IDLE_RUNS_MAX: Final = 100
"""After so many looks for nobody, it looks no more until somebody comes."""
POLL_SECONDS: Final = 0.1
HEARD_SECONDS: Final = 0.25
"""So long at most the writer is waited for, which says what it logged when it has an answer."""
FAILED_SECONDS: Final = 1
RUN_ENTRIES_MAX: Final = 64
BEHIND_AT_ONCE_MAX: Final = 2
"""Who searches is not to wait for those who are behind."""
UNDER_WAY_MAX: Final = 4
"""So many runs may wait for the event loop, which has other things to do."""


class Following(Protocol):
    """What the hub's thread needs of a trail."""

    def size(self) -> int: ...
    def entries(self, *, first: int = 0, until: int | None = None) -> Iterator[Shown]: ...
    def close(self) -> None: ...


New = Shown | Fresh
"""An entry, read from the log or heard of by the writer."""


class Run:
    """Entries from index `first` up to, not including, `until`, as they are sent."""

    def __init__(self, first: int, new: Sequence[New], sent: Callable[[New], bytes]) -> None:
        self.first = first
        self.until = first + len(new)
        pieces = [sent(one) for one in new]
        self._ends = list(accumulate(map(len, pieces), initial=0))
        self._whole = b"".join(pieces)
        self.is_erasing = any(value_of(one.event, "action") == ERASED for one in new)
        """Whether it says that somebody was erased."""
        self._new = new
        self._events: list[dict[str, Any]] | None = None
        self._wanted: dict[Matches, Sequence[int]] = {}

    @property
    def size_bytes(self) -> int:
        return len(self._whole)

    def decide(self, matches: Matches) -> None:
        """Find what is wanted. Many listen for the same: it is found once."""
        if matches is everything or matches in self._wanted:
            return
        if self._events is None:
            read = (one.shown() if isinstance(one, Fresh) else one for one in self._new)
            self._events = [asked_event(one) for one in read]
        pairs = enumerate(self._events, self.first)
        self._wanted[matches] = [index for index, one in pairs if matches(one)]

    def settle(self) -> None:
        """Nothing more is decided: let go of what takes the most room."""
        self._new, self._events = (), None

    def keep_only(self, listened: Collection[Matches]) -> None:
        """Let go of what was found for those who left before it came here."""
        self._wanted = {each: at for each, at in self._wanted.items() if each in listened}

    def let_go(self, matches: Matches) -> None:
        self._wanted.pop(matches, None)

    def is_decided(self, matches: Matches) -> bool:
        return matches is everything or matches in self._wanted

    def wanted(self, matches: Matches) -> Sequence[int]:
        """The indexes of what is wanted; it is decided."""
        return range(self.first, self.until) if matches is everything else self._wanted[matches]

    def sent(self, matches: Matches, at: int) -> bytes:
        """What is wanted from that index on."""
        if matches is everything:
            return self._whole[self._ends[max(0, at - self.first)] :]
        places = (index - self.first for index in self.wanted(matches) if index >= at)
        return b"".join(self._whole[self._ends[it] : self._ends[it + 1]] for it in places)


class Client:
    """One who listens. Belongs to the event loop.

    `at` is the index of the next entry that it has not been given. One that `is_lagging` gets
    nothing more, and goes on from `at` by reading the log itself.
    """

    def __init__(self, matches: Matches, at: int) -> None:
        self.matches = matches
        self.at = at
        self.is_lagging = False
        self._news = asyncio.Event()

    def rouse(self) -> None:
        self._news.set()

    async def news(self, *, seconds_max: float) -> bool:
        """Waits until there may be something new, or it lags; whether there is."""
        try:
            async with asyncio.timeout(seconds_max):
                await self._news.wait()
        except TimeoutError:
            return False
        self._news.clear()
        return True


class Hub:
    """One reader for all who listen. Its methods belong to the event loop, except `hear`.

    `at` is the index of the next entry that will be delivered; None while nobody listens.
    """

    def __init__(
        self,
        opened: Callable[[], Following],
        sent: Callable[[New], bytes],
        failed: Callable[[Exception], None] = lambda _: None,
        *,
        is_writing: Callable[[], bool] = lambda: False,
    ) -> None:
        """`failed` is told, in the thread, once the log can't be read any more. `is_writing` says
        whether the writer has something under way, of which `hear` will be told.
        """
        self._opened = opened
        self._failed = failed
        self._is_writing = is_writing
        self._sent = sent
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = threading.Event()
        self._is_ending = False
        self._wanted = threading.Event()
        self._overheard = Overheard()
        self._under_way = threading.Semaphore(UNDER_WAY_MAX)
        self._asked: frozenset[Matches] = frozenset()
        """What is listened for, by clients or by who will be one soon; another one whenever that
        changes."""
        self.clients: set[Client] = set()
        self.listening = 0
        """How many there are, with those who read for themselves."""
        self.apart = 0
        """How many of them always do."""
        self.behind = asyncio.Semaphore(BEHIND_AT_ONCE_MAX)
        """Held by who reads for itself while it does."""
        self.at: int | None = None
        self._idle_runs = 0
        self._kept: list[Run] = []
        self._kept_bytes = 0
        self._thread = threading.Thread(target=self._run, name="tail", daemon=True)

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def hear(self, answers: Iterable[Recorded | SenderError]) -> None:
        """What became of a commit; from the writer's thread, in the order of the commits."""
        if self._wanted.is_set():
            self._overheard.hear(answers)
            self._wake.set()

    def join(self, client: Client) -> bool:
        """Whether the client gets everything from its `at` on from here; else it is behind."""
        self._wanted.set()
        self._wake.set()
        if client.matches not in self._asked:
            # Of what comes from now on it is found, even for one that is behind until then.
            self._asked |= {client.matches}
        if self.at is None or client.at < self._oldest(self.at, client.matches):
            return False
        client.is_lagging = False
        self.clients.add(client)
        return True

    def taken(self, client: Client) -> bytes:
        """What comes next for a client that joined, and is counted as given; nothing where there is
        nothing, or where it lags.
        """
        if self.at is None or client.at >= self.at:
            return b""
        if not self._kept or client.at < self._kept[0].first:
            client.is_lagging = True
            client.rouse()
            return b""
        place = bisect_right(self._kept, client.at, key=lambda run: run.until)
        for run in self._kept[place:]:
            octets = run.sent(client.matches, client.at)
            client.at = run.until
            if octets:
                return octets
        return b""

    def _oldest(self, at: int, matches: Matches) -> int:
        """From which index on it is decided what is wanted."""
        for run in reversed(self._kept):
            if not run.is_decided(matches):
                break
            at = run.first
        return at

    def leave(self, client: Client) -> None:
        self.clients.discard(client)

    def let_go(self, matches: Matches) -> None:
        """Nobody listens for it any more, neither here nor behind."""
        self._asked -= {matches}
        for run in self._kept:
            run.let_go(matches)

    def rouse(self) -> None:
        """Everybody who waits for news looks whether the server is being stopped."""
        for client in self.clients:
            client.rouse()

    def end(self) -> None:
        self._is_ending = True
        self._wanted.set()
        self._wake.set()
        self._thread.join(5)

    def _run(self) -> None:
        trail: Following | None = None
        at, is_failing = -1, False
        try:
            while not self._is_ending:
                if not self._wanted.is_set():
                    self._wanted.wait()
                    at = -1
                    continue
                try:
                    trail = self._opened() if trail is None else trail
                    at = self._step(trail, at)
                    is_failing = False
                except Exception as error:  # noqa: BLE001 (who listens waits until it is mended)
                    if not is_failing:
                        self._failed(error)
                    is_failing = True
                    _close(trail)
                    trail = None
                    self._wake.wait(FAILED_SECONDS)
        finally:
            _close(trail)

    def _step(self, trail: Following, at: int) -> int:
        """Deliver what is new from `at` on; below 0, begin where the log ends now."""
        if at >= 0:
            heard = self._overheard.next(at, RUN_ENTRIES_MAX)
            if heard:
                return self._deliver(at, [fresh(one.receipt, one.said) for one in heard])
        size = trail.size()
        if at < 0:
            return self._deliver(size, [])
        if at >= size:
            self._pause()
            # So that whoever left last lets us rest.
            return self._deliver(at, [])
        if self._is_heard_soon():
            return at
        until = min(size, at + RUN_ENTRIES_MAX)
        first_heard = self._overheard.first()
        if first_heard is not None and first_heard > at:
            until = min(until, first_heard)
        return self._deliver(at, list(trail.entries(first=at, until=until)))

    def _is_heard_soon(self) -> bool:
        """Whether what the log has more is ours: it stands there before we are told of it."""
        self._wake.clear()
        if self._overheard.first() is not None or not self._is_writing():
            return False
        return self._wake.wait(HEARD_SECONDS)

    def _pause(self) -> None:
        self._wake.wait(POLL_SECONDS)
        self._wake.clear()

    def _deliver(self, first: int, new: Sequence[New]) -> int:
        """Hands a run over to the event loop, soon; few may wait there. The index behind it."""
        run = Run(first, new, self._sent)
        for matches in self._asked if new else ():
            # Here it holds up nobody.
            run.decide(matches)
        while not self._under_way.acquire(timeout=1):
            if self._is_ending:
                return run.until
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._offer, run)
        except RuntimeError:
            # The loop is closed: we are being stopped.
            self._is_ending = True
        return run.until

    def _offer(self, run: Run) -> None:
        self._under_way.release()
        if not self._wanted.is_set():
            # We said that we rest, and the thread had not heard it yet.
            return
        if self.at is not None and run.first != self.at:
            # It rested, and begins elsewhere: whoever came meanwhile reads what lies between.
            self._forget()
            self.rouse()
        if run.is_erasing:
            # What is kept still names whom it speaks of; whoever wants it is shown what is left.
            self._forget()
            self.rouse()
        self.at = run.until
        self._idle_runs = 0 if self.clients else self._idle_runs + 1
        if self._idle_runs > IDLE_RUNS_MAX:
            self._wanted.clear()
            self._overheard.forget()
            self._forget()
            self.at, self._idle_runs = None, 0
        elif run.until > run.first and not run.is_erasing:
            self._keep(run)

    def _keep(self, run: Run) -> None:
        self._kept.append(run)
        self._kept_bytes += run.size_bytes
        while self._kept_bytes > KEPT_BYTES_MAX and len(self._kept) > 1:
            self._kept_bytes -= self._kept.pop(0).size_bytes
        for client in self.clients:
            run.decide(client.matches)
            if run.wanted(client.matches):
                client.rouse()
            elif client.at >= run.first:
                # Of what it has seen until now, nothing waits.
                client.at = max(client.at, run.until)
        run.keep_only(self._asked)
        run.settle()

    def _forget(self) -> None:
        self._kept.clear()
        self._kept_bytes = 0


def _close(trail: Following | None) -> None:
    if trail is not None:
        trail.close()
