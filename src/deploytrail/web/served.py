"""A server over a trail: what each of its threads opens, and who may ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from deploytrail.access.principal import ALL, Principal
from deploytrail.app.access.known_tokens import KnownTokens
from deploytrail.app.connections.known_connections import KnownConnections
from deploytrail.app.connections.taking import Keys
from deploytrail.app.face import Face
from deploytrail.app.local import Asking
from deploytrail.app.trails.directory import DirectoryTrail
from deploytrail.app.trails.lazily import Lazily
from deploytrail.app.trails.opening import Place, open_trail
from deploytrail.app.trails.stored import StoredTrail
from deploytrail.clock import Clock
from deploytrail.index.part import Memory
from deploytrail.intake.known import known
from deploytrail.trail import LOCAL_INSTANCE
from deploytrail.web.assembling import Parts
from deploytrail.web.journal import Journal, Sink
from deploytrail.web.matching import compiler
from deploytrail.web.reading import ServedTrail

LOCAL: Final = Principal(LOCAL_INSTANCE, LOCAL_INSTANCE, ALL)
"""Whoever may read the files of a directory: what it may do there, it may do here."""


class Served:
    """One trail; what is opened of it belongs to the thread that opens it."""

    def __init__(self, place: Place, clock: Clock, environment: Mapping[str, str]) -> None:
        self._place = place
        self._clock = clock
        self._environment = environment
        self._memory = Memory()
        # Each is read by a thread of its own.
        tokens, connections = Lazily(self.opened), Lazily(self.opened)
        self._lazily = (tokens, connections)
        self._tokens = KnownTokens(tokens.reading, clock)
        self._connections = KnownConnections(connections.reading, clock, environment)

    def opened(self, *, create: bool = False) -> StoredTrail:
        return open_trail(
            self._place, create=create, clock=self._clock, environment=self._environment
        )

    def parts(self, trail: StoredTrail, face: Face | None, sink: Sink) -> Parts:
        """`face` is that of a directory; a database has none."""

        def recognise(header: str | None) -> Principal | None:
            if face is not None and face.is_local(header):
                return LOCAL
            return self._tokens.recognise(header)

        # Before the first delivery, which would else wait until all sources are imported.
        known()
        parts = Parts(
            origin=trail.origin,
            writing_opened=self.opened,
            reading_opened=self._reading,
            recognise=recognise,
            authenticate=self._tokens.authenticate,
            compiled=compiler(self._clock),
            known_connections=self._connections,
            keys=Keys(trail.keyring.secrets.body, trail.fingerprint_key),
            clock=self._clock,
            journal=Journal(sink, self._clock),
        )
        if isinstance(trail, DirectoryTrail):
            # Of a database, whoever writes finds it in the same round trip.
            return parts._replace(is_fenced=trail.home.fence.exists)
        return parts

    def close(self) -> None:
        """Once the server has ended."""
        for each in self._lazily:
            each.close()

    def _reading(self) -> ServedTrail:
        trail = self.opened()
        return ServedTrail(trail, Asking(trail, self._clock, self._memory))
