"""A trail that is opened when it is first read, by the thread that does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from deploytrail.app.trails.stored import StoredTrail
from deploytrail.log.store import Reader


class Lazily:
    """Belongs to the thread that first reads; closed once that has ended."""

    def __init__(self, opened: Callable[[], StoredTrail]) -> None:
        self._opened = opened
        self._trail: StoredTrail | None = None

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        if self._trail is None:
            self._trail = self._opened()
        with self._trail.store.reading() as reader:
            yield reader

    def close(self) -> None:
        if self._trail is not None:
            self._trail.close()
            self._trail = None
