"""Which events one listens for: a query within a scope, as a function of an event.

Who asks for the same gets the same function, so that it is asked once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakValueDictionary

from deploytrail.query.tree import EVERYTHING, Filter

Matches = Callable[[Mapping[str, Any]], bool]
"""Whether an event, which has its `index`, is wanted."""
Compile = Callable[[str, Filter], Matches]
"""A query and a scope as one function; raises Malformed for a query that can't be read."""


class Matching:
    """Compiles, and remembers as long as somebody listens. Belongs to the event loop."""

    def __init__(self, compiled: Compile) -> None:
        self._compiled = compiled
        self._known: WeakValueDictionary[tuple[str, Filter], _Kept] = WeakValueDictionary()

    def of(self, query: str, scope: Filter) -> Matches:
        """Raises Malformed for a query that can't be read."""
        if not query and scope == EVERYTHING:
            return everything
        found = self._known.get((query, scope))
        if found is None:
            found = self._known[query, scope] = _Kept(self._compiled(query, scope))
        return found


def everything(_: Mapping[str, Any]) -> bool:
    return True


class _Kept:
    """A function that can be forgotten once nobody has it."""

    __slots__ = ("__weakref__", "_matches")

    def __init__(self, matches: Matches) -> None:
        self._matches = matches

    def __call__(self, event: Mapping[str, Any]) -> bool:
        return self._matches(event)
