"""How values are written: for those that are not written as they are compared.

So that people see `PAY-17` where they find `pay-17`. What an entry wrote first is kept, of so many
values of a field; of more, what they are compared by is shown. It depends on the log alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from deploytrail.index import key
from deploytrail.index.block import ROUTE_BYTES

VALUES_MAX: Final = 10_000
"""Of each field. Where every event has another value, nobody reads a list of them."""

Written = tuple[bytes, str]
"""The key of a value, and how it is written."""


class Writings:
    """Which are kept, and the new ones that are not kept yet."""

    def __init__(self, kept: Iterable[bytes]) -> None:
        self._known = set(kept)
        self._counts = Counter(key.field_in(named) for named in self._known)
        self._new: list[Written] = []

    def take(self, found: Iterable[Written]) -> None:
        """In the order in which entries wrote them."""
        for named, text in found:
            if named in self._known or len(named) > ROUTE_BYTES:
                continue
            field = key.field_in(named)
            if self._counts[field] < VALUES_MAX:
                self._counts[field] += 1
                self._known.add(named)
                self._new.append((named, text))

    def unkept(self) -> list[Written]:
        """Those that came since this was last asked."""
        found, self._new = self._new, []
        return found
