"""What is wrong with connections, as events of the trail's own: each once while it lasts."""

from __future__ import annotations

from typing import Final

from deploytrail.actions import OWN_TOOL
from deploytrail.app.connections.polling import POLLING
from deploytrail.app.followers.episodes import Episodes
from deploytrail.clock import Clock
from deploytrail.event import Error, Event, Source, Target
from deploytrail.follow.actor import Append
from deploytrail.log.store import Reader, Reading
from deploytrail.trail import LOCAL_INSTANCE

ACTOR: Final = "polling"
VERSION: Final = 1
_TEXT_CHARACTERS_MAX: Final = 1_000


class Troubles:
    """Those of all connections of a trail, by connection and kind. Belongs to one thread."""

    def __init__(self, reading: Reading[Reader], append: Append, clock: Clock) -> None:
        self._reading = reading
        self._append = append
        self._clock = clock
        self._of: dict[tuple[str, str], Episodes] = {}

    def begin(self, connection: str, kind: str, *, code: str, text: str) -> None:
        """Durable on return; nothing where one of the kind lasts already."""
        episodes = self._episodes(connection, kind)
        if not episodes.is_open:
            error = Error(code=code, text=text[:_TEXT_CHARACTERS_MAX])
            episodes.begin(self._event(connection, error))

    def end(self, connection: str, kind: str) -> None:
        """Durable on return; nothing where none of the kind lasts."""
        episodes = self._episodes(connection, kind)
        if episodes.is_open:
            episodes.end(self._event(connection, None))

    def _episodes(self, connection: str, kind: str) -> Episodes:
        known = self._of.get((connection, kind))
        if known is None:
            known = Episodes(
                self._reading,
                self._append,
                actor=ACTOR,
                version=VERSION,
                kind=f"{kind}/{connection}",
            )
            self._of[connection, kind] = known
        return known

    def _event(self, connection: str, error: Error | None) -> Event:
        is_over = error is None
        return Event(
            id=self._clock.event_id(),
            action=f"integration.connection.{'recovered' if is_over else 'failed'}",
            outcome="success" if is_over else "failure",
            time=self._clock.now(),
            actor=POLLING,
            source=Source(tool=OWN_TOOL, instance=LOCAL_INSTANCE),
            targets=(Target(type="connection", id=connection),),
            error=error,
        )
