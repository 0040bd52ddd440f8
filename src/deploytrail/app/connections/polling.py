"""Asking tools for what they never send: one poll of one connection, step by step.

What a step brings is in the log before the place moves on: stopped anywhere, a step comes again,
and is known by its ids.
"""

from __future__ import annotations

import hashlib
from typing import Final

from deploytrail.actions import OWN_TOOL
from deploytrail.app.connections.taking import Connected, Keys, imported
from deploytrail.app.events.recording import Recorder, Submission, submission
from deploytrail.clock import Clock
from deploytrail.event import Actor, Auth, Event, Source, Target
from deploytrail.follow.actor import Bookmarks
from deploytrail.kit.answer import Asks
from deploytrail.kit.delivery import fetched
from deploytrail.kit.poller import Asking, Polled, Poller
from deploytrail.trail import LOCAL_INSTANCE

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

    def once(self, over: Connected, poller: Poller, *, settings: dict[str, str], token: str) -> int:
        """Everything that there is now; how many steps it took. Raises what the poller raises, and
        Conflict where another process moves the same place.
        """
        name = place_name(over.name)
        place = self._bookmarks.load(name)
        asking = Asking(self._http, settings, token, place, self._clock.now())
        steps = 0
        for step in poller.poll(asking):
            self._record(step, over)
            if step.place != place:
                self._bookmarks.replace(name, place, step.place)
                place = step.place
            steps += 1
        return steps

    def _record(self, step: Polled, over: Connected) -> None:
        some: list[Submission] = []
        if step.body is not None:
            delivery = fetched(step.body, self._clock.now())
            auth = Auth(method="fetched", assurance=1, verified_by=over.name)
            some += imported(delivery, over, self._keys, self._clock, auth=auth)
        if step.redelivered is not None:
            said = submission(self._redelivered(step.redelivered, over))
            if isinstance(said, Submission):
                some.append(said._replace(body=step.redelivered.encode()))
        self._recorder.record(some)

    def _redelivered(self, what: str, over: Connected) -> Event:
        return Event(
            id=self._clock.event_id(),
            action="integration.delivery.redelivered",
            outcome="success",
            time=self._clock.now(),
            actor=Actor(type="system", id="deploytrail:polling"),
            source=Source(
                tool=OWN_TOOL, instance=LOCAL_INSTANCE, delivery=f"redelivered/{over.name}/{what}"
            ),
            targets=(Target(type="delivery", id=what),),
        )
