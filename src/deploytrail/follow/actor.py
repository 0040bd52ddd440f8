"""What appends or sends because of the log: a contract, and who moves it along.

Unlike a view an actor is never rebuilt: where it stands is state, and what it did is done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from msgspec import structs

from deploytrail.actions import OWN_TOOL
from deploytrail.clock import Clock
from deploytrail.errors import Conflict, SenderError
from deploytrail.event import Event, Source
from deploytrail.follow.lease import Lease
from deploytrail.follow.reading import Piece, Step
from deploytrail.follow.retry import Retry
from deploytrail.follow.rounds import Head, Pace
from deploytrail.follow.told import Standing, State, Tell

_LOOKED_SECONDS: Final = 1.0


class Seen(NamedTuple):
    """An entry that an actor is shown: where it stands, its bytes, and what they say."""

    entry_index: int
    entry: bytes
    fields: Mapping[str, object]


class Consequence(NamedTuple):
    """An event to be appended because of an entry; its `source` is set by the host."""

    entry_index: int
    event: Event


class Actor(Protocol):
    """Something that acts on entries, each at least once and in order, from where it began.

    `act` may send, and returns what is to be appended. It is called again with the same entries
    where it, the appending, or the process failed before its place was kept; then what it returns
    for an index is appended once, whatever it says the second time. It is never shown its own
    events. `version` says whose code acts: a newer one goes on where the older one stopped.
    Belongs to one thread.
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    def begins(self, size: int) -> int:
        """From which index on it acts, in a log of `size` entries that it has never followed.

        `size` for one that leaves history alone, 0 for one that wants all of it.
        """
        ...

    def act(self, seen: Sequence[Seen]) -> Sequence[Consequence]: ...
    def close(self) -> None: ...


class Bookmarks(Protocol):
    """Where actors stand: state, backed up with the trail and never derived from anything."""

    def load(self, name: str) -> int | None:
        """The index of the next entry that an actor wants; None for one that never began."""
        ...

    def replace(self, name: str, expected: int | None, new: int) -> None:
        """Durable on return. Raises Conflict, and changes nothing, where another stands there."""
        ...


Append = Callable[[Sequence[Event]], Sequence[SenderError | None]]
"""Appends events durably, once per `source.delivery` and `part` whatever else they say.

One answer each, None where it is in the log."""


def delivery_of(actor: Actor, index: int) -> str:
    """By what the consequences of an entry are known again."""
    return f"{_prefix(actor.name)}{actor.version}/{index}"


def _prefix(name: str) -> str:
    return f"actor/{name}/"


def is_own(name: str, fields: Mapping[str, object]) -> bool:
    """Whether an entry is a consequence that the actor of that name drew, in any version."""
    source = fields.get("source")
    if not isinstance(source, dict) or source.get("tool") != OWN_TOOL:
        return False
    return str(source.get("delivery", "")).startswith(_prefix(name))


def deliveries(actor: Actor, drawn: Sequence[Consequence], *, instance: str) -> list[Event]:
    """The events of consequences, each with the id by which its repetition is known."""
    parts: dict[int, int] = {}
    events = []
    for index, event in drawn:
        part = parts.get(index, 0)
        parts[index] = part + 1
        source = Source(
            tool=OWN_TOOL, instance=instance, delivery=delivery_of(actor, index), part=part
        )
        events.append(structs.replace(event, source=source))
    return events


class ActorHost:
    """Moves one actor: shows it entries, appends what it makes of them, keeps its place."""

    def __init__(
        self,
        actor: Actor,
        lease: Lease,
        *,
        bookmarks: Bookmarks,
        append: Append,
        size: Callable[[], int],
        instance: str,
        clock: Clock,
        tell: Tell,
    ) -> None:
        self._actor = actor
        self._lease = lease
        self._bookmarks = bookmarks
        self._append = append
        self._size = size
        self._instance = instance
        self._clock = clock
        self._tell = tell
        self._retry = Retry(clock)
        self._looked: float | None = None
        self._is_ours = False
        self._is_ready = False
        self._place: int | None = None
        """Where it was seen last; None where it never began, or nobody looked yet."""
        self.pace = Pace()
        self.has_rest = False

    @property
    def cursor(self) -> int:
        return self._place or 0

    def heads(self) -> Sequence[Head]:
        if not self._retry.is_due():
            return ()
        try:
            self._prepare()
        except Exception as error:  # noqa: BLE001 (whatever fails here is this actor's affair)
            self._failed(error)
        return (self,) if self._is_ready else ()

    def take(self, found: Piece, taken: Sequence[Step]) -> None:
        if found.first > found.size:
            # A log that went back in time: what was acted upon once is not acted upon again.
            self.starve(
                Conflict(
                    f"expected a log of {found.first} entries, found {found.size}; it was set "
                    "back, or the place of this actor is another log's"
                )
            )
            return
        try:
            for step in taken:
                self._take(step)
        except Exception as error:  # noqa: BLE001 (as above)
            self._failed(error)
            return
        self._goes_on()

    def starve(self, error: Exception) -> None:
        self._failed(error, is_passing=True)

    def standing(self) -> Standing:
        """How it stands, for others to see; of another's, what was last seen of it."""
        return Standing(
            name=self._actor.name,
            state=self._state(),
            cursor=self._place,
            reason=self._retry.reason,
        )

    def close(self) -> None:
        self._actor.close()
        self._lease.close()

    def _prepare(self) -> None:
        if not self._is_ready and not self._is_time_to_look():
            return
        self._looked = self._clock.monotonic()
        is_ours = self._lease.is_ours()
        if is_ours != self._is_ours:
            self._tell("lease taken" if is_ours else "lease lost", follower=self._actor.name)
        self._is_ours = is_ours
        if not is_ours:
            self._place = self._bookmarks.load(self._actor.name)
            self._goes_on()
        elif not self._is_ready:
            self._place = self._begun()
        self._is_ready = is_ours

    def _begun(self) -> int:
        place = self._bookmarks.load(self._actor.name)
        if place is None:
            # Kept at once: were it asked anew after a crash, entries between would be left out.
            place = self._actor.begins(self._size())
            self._bookmarks.replace(self._actor.name, None, place)
        return place

    def _take(self, step: Step) -> None:
        """Stopped anywhere within, the entries come again, and what was appended is known."""
        name, read = self._actor.name, step.read
        seen = [
            Seen(index, octets, fields)
            for index, (octets, fields) in enumerate(
                zip(read.entries, read.fields, strict=True), read.first
            )
            if not is_own(name, fields)
        ]
        drawn = self._actor.act(seen) if seen else ()
        if drawn:
            events = deliveries(self._actor, drawn, instance=self._instance)
            for refused in self._append(events):
                if refused is not None:
                    raise refused
        self._bookmarks.replace(name, read.first, read.until)
        self._place = read.until

    def _goes_on(self) -> None:
        if self._retry.failures:
            self._tell("follower goes on", follower=self._actor.name, cursor=self.cursor)
            self._retry.succeeded()

    def _state(self) -> State:
        if self._retry.is_broken:
            return "broken"
        if self._retry.failures:
            return "waiting"
        return "following" if self._is_ours else "elsewhere"

    def _is_time_to_look(self) -> bool:
        return self._looked is None or self._clock.monotonic() >= self._looked + _LOOKED_SECONDS

    def _failed(self, error: Exception, *, is_passing: bool = False) -> None:
        self._is_ready, self._looked = False, None
        self._retry.failed(error, is_passing=is_passing)
        said = "follower is broken" if self._retry.is_broken else "follower failed"
        self._tell(said, follower=self._actor.name, reason=self._retry.reason)
