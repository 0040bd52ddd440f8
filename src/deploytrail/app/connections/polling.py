"""Asking tools for what they never send: one poll of one connection, step by step.

What a step brings is in the log before the place moves on: stopped anywhere, a step comes again,
and is known by its ids.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from deploytrail.actions import OWN_TOOL
from deploytrail.app.connections.taking import Connected, Keys, imported_one_by_one
from deploytrail.app.events.recording import Recorder, Submission, submission
from deploytrail.clock import Clock
from deploytrail.errors import Conflict, SenderError
from deploytrail.event import Actor, Auth, Error, Event, Source, Target
from deploytrail.follow.actor import Bookmarks
from deploytrail.kit.answer import Asks
from deploytrail.kit.delivery import fetched
from deploytrail.kit.poller import Asking, Lost, Polled, Poller
from deploytrail.trail import LOCAL_INSTANCE

BATCH_EVENTS: Final = 1_000
POLLING: Final = Actor(type="system", id="deploytrail:polling")
_NAME_CHARACTERS_MAX: Final = 63
_PREFIX: Final = "poll-"


def place_name(connection: str) -> str:
    """Under which the place of a connection's poller is kept."""
    name = _PREFIX + connection
    if len(name) <= _NAME_CHARACTERS_MAX:
        return name
    digest = hashlib.sha256(connection.encode()).hexdigest()[:16]
    return f"{name[: _NAME_CHARACTERS_MAX - 17]}-{digest}"


class Poll:
    """Polls of one trail; belongs to the thread of its recorder."""

    def __init__(
        self, recorder: Recorder, bookmarks: Bookmarks, http: Asks, keys: Keys, clock: Clock
    ) -> None:
        self._recorder = recorder
        self._bookmarks = bookmarks
        self._http = http
        self._keys = keys
        self._clock = clock

    def once(
        self, over: Connected, poller: Poller, *, settings: Mapping[str, str], token: str
    ) -> int:
        """As `steps`, all of them; how many there were."""
        return sum(1 for _ in self.steps(over, poller, settings=settings, token=token))

    def steps(
        self, over: Connected, poller: Poller, *, settings: Mapping[str, str], token: str
    ) -> Iterator[None]:
        """Everything that there is now; each step is in the log when it is given. Raises what the
        poller raises, and Conflict where another process moves the same place.
        """
        name = place_name(over.name)
        place = self._bookmarks.load(name)
        asking = Asking(self._http, settings, token, place, self._clock.now())
        for step in poller.poll(asking):
            self._record(step, over)
            if step.place > (place or 0):
                self._bookmarks.replace(name, place, step.place)
                place = step.place
            yield

    def _record(self, step: Polled, over: Connected) -> None:
        made = self._made(step, over)
        while batch := list(islice(made, BATCH_EVENTS)):
            for answer in self._recorder.record(batch):
                # A conflict has a notice of its own in the log; nothing else may pass for taken.
                if isinstance(answer, SenderError) and not isinstance(answer, Conflict):
                    raise answer

    def _made(self, step: Polled, over: Connected) -> Iterator[Submission]:
        if step.body is not None:
            delivery = fetched(step.body, self._clock.now())
            auth = Auth(method="fetched", assurance=1, verified_by=over.name)
            yield from imported_one_by_one(
                delivery, over, self._keys, self._clock.event_id, auth=auth
            )
        if step.redelivered is not None:
            yield _own(self._redelivered(step.redelivered, over))
        if step.lost is not None:
            yield _own(self._lost(step.lost, over))
        if step.verified is not None:
            yield _own(self._verified(step.verified, over))

    def _redelivered(self, what: str, over: Connected) -> Event:
        return Event(
            id=self._clock.event_id(),
            action="integration.delivery.redelivered",
            outcome="success",
            time=self._clock.now(),
            actor=POLLING,
            source=_source(f"redelivered/{over.name}/{what}"),
            targets=(Target(type="delivery", id=what),),
        )

    def _verified(self, what: str, over: Connected) -> Event:
        return Event(
            id=self._clock.event_id(),
            action="integration.audit_log.verified",
            outcome="success",
            time=self._clock.now(),
            actor=POLLING,
            source=_source(f"verified/{over.name}/{what}"),
            targets=(Target(type="digest", id=what), Target(type="connection", id=over.name)),
        )

    def _lost(self, lost: Lost, over: Connected) -> Event:
        return Event(
            id=self._clock.event_id(),
            action="integration.connection.failed",
            outcome="failure",
            time=self._clock.now(),
            actor=POLLING,
            source=_source(f"lost/{over.name}/{lost.code}/{lost.name}"),
            targets=(Target(type="connection", id=over.name),),
            error=Error(code=lost.code, text=lost.text),
        )


def _source(delivery: str) -> Source:
    return Source(tool=OWN_TOOL, instance=LOCAL_INSTANCE, delivery=delivery)


def _own(event: Event) -> Submission:
    """An event of the trail's own: told again, it is the same, whenever that was."""
    said = submission(event)
    if not isinstance(said, Submission):
        # What a tool calls its deliveries may be no text of ours; that is no reason to go on.
        raise said
    return said._replace(body=(event.source.delivery or "").encode())
