"""A server over the trail of a directory: what each of its threads opens, and who may ask."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deploytrail.app.directory import DirectoryTrail, open_directory
from deploytrail.app.face import Face
from deploytrail.app.local import Asking
from deploytrail.clock import Clock
from deploytrail.index.part import Memory
from deploytrail.web.assembling import Parts
from deploytrail.web.journal import Journal, Sink
from deploytrail.web.matching import compiler
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
            compiled=compiler(self._clock),
            clock=self._clock,
            journal=Journal(sink, self._clock),
            is_fenced=trail.home.fence.exists,
        )

    def _reading(self) -> ServedTrail:
        trail = self.opened()
        return ServedTrail(trail, Asking(trail, self._clock, self._memory))
