"""Which events one listens for: a query within a scope, as a function of an event.

Who asks for the same gets the same function, so that it is asked once for all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final
from weakref import WeakValueDictionary

from deploytrail.clock import Clock
from deploytrail.query.algebra import both
from deploytrail.query.parse import parse
from deploytrail.query.predicate import predicate
from deploytrail.query.tree import EVERYTHING, Filter

Matches = Callable[[Mapping[str, Any]], bool]
"""Whether an event, which has its `index`, is wanted."""
Compile = Callable[[str, Filter], Matches]
"""A query and a scope as one function; raises Malformed for a query that can't be read."""


READ_AT_ONCE_CHARACTERS_MAX: Final = 2_048


def compiler(clock: Clock) -> Compile:
    """Of the language of docs/query.md; what is relative in a query is so to the clock's now."""

    def compiled(query: str, scope: Filter) -> Matches:
        return predicate(both(scope, parse(query, now=clock.now())))

    return compiled


class Matching:
    """Compiles, and remembers as long as somebody listens. Belongs to the event loop."""

    def __init__(self, compiled: Compile) -> None:
        self._compiled = compiled
        self._known: WeakValueDictionary[tuple[str, Filter], _Kept] = WeakValueDictionary()

    async def of(self, query: str, scope: Filter) -> Matches:
        """Raises Malformed for a query that can't be read."""
        if not query and scope == EVERYTHING:
            return everything
        found = self._known.get((query, scope))
        if found is None:
            found = _Kept(await self._made(query, scope))
            self._known[query, scope] = found
        return found

    def characters_with(self, query: str, scope: Filter, *, longest: int) -> int:
        """How long all queries together are that somebody listens for, with one more; but for
        longer ones. What several listen for counts once.
        """
        all_of_them = {*self._known, (query, scope)}
        return sum(len(each) for each, _ in all_of_them if len(each) <= longest)

    async def _made(self, query: str, scope: Filter) -> Matches:
        if len(query) <= READ_AT_ONCE_CHARACTERS_MAX:
            return self._compiled(query, scope)
        # Others are not kept waiting by a long one.
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, self._compiled, query, scope)


def everything(_: Mapping[str, Any]) -> bool:
    return True


class _Kept:
    """A function that can be forgotten once nobody has it."""

    __slots__ = ("__weakref__", "_matches")

    def __init__(self, matches: Matches) -> None:
        self._matches = matches

    def __call__(self, event: Mapping[str, Any]) -> bool:
        return self._matches(event)
