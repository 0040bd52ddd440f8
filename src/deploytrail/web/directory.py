"""A server over the trail of a directory: what each of its threads opens, and who may ask."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploytrail.app.directory import DirectoryTrail, open_directory
from deploytrail.app.face import Face
from deploytrail.app.local import Asking
from deploytrail.clock import Clock
from deploytrail.index.part import Memory
from deploytrail.query.parse import parse
from deploytrail.query.predicate import predicate
from deploytrail.query.tree import EVERYTHING, And, Filter
from deploytrail.web.assembling import Parts
from deploytrail.web.journal import Journal, Sink
from deploytrail.web.matching import Matches
from deploytrail.web.reading import ServedTrail


class Served:
    """One directory; a trail belongs to the thread that opens it."""

    def __init__(self, directory: Path, clock: Clock, environment: Mapping[str, str]) -> None:
        self._directory = directory
        self._clock = clock
        self._environment = environment
        self._memory = Memory()

    def opened(self, *, create: bool = False) -> DirectoryTrail:
        return open_directory(
            self._directory, create=create, clock=self._clock, environment=self._environment
        )

    def parts(self, trail: DirectoryTrail, face: Face, sink: Sink) -> Parts:
        """`trail` is used on the event loop, to look tokens up."""
        return Parts(
            origin=trail.origin,
            writing_opened=self.opened,
            reading_opened=self._reading,
            authenticate=face.authenticating(trail.tokens().authenticate),
            compiled=self._compiled,
            clock=self._clock,
            journal=Journal(sink, self._clock),
            is_fenced=trail.home.fence.exists,
        )

    def _reading(self) -> ServedTrail:
        trail = self.opened()
        return ServedTrail(trail, Asking(trail, self._clock, self._memory))

    def _compiled(self, query: str, scope: Filter) -> Matches:
        filter = parse(query, now=self._clock.now())
        return _matching(filter if scope == EVERYTHING else And((scope, filter)))


def _matching(filter: Filter) -> Matches:
    matches = predicate(filter)

    def wanted(event: Mapping[str, Any]) -> bool:
        return matches(event)

    return wanted
