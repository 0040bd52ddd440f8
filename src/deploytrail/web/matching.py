"""Which events one listens for: a query within a scope, as a function of an event.

Who asks for the same gets the same function, so that it is asked once for all of them. The same is
what means the same: `since:5s` is something else with every moment, `env:prod` never.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from deploytrail.clock import Clock
from deploytrail.query.algebra import both
from deploytrail.query.parse import parse
from deploytrail.query.predicate import predicate
from deploytrail.query.tree import EVERYTHING, Filter
from deploytrail.query.written import EVERYTHING_TEXT, canonical

Matches = Callable[[Mapping[str, Any]], bool]
"""Whether an event, which has its `index`, is wanted."""


class Asked(NamedTuple):
    """What somebody asks for, at the time when they ask.

    `means` is a text that only what means the same has; `characters` is how long the query was.
    """

    means: str
    matches: Matches
    characters: int


Compile = Callable[[str, Filter], Asked]
"""A query and a scope as one function; raises Malformed for a query that can't be read."""


READ_AT_ONCE_CHARACTERS_MAX: Final = 2_048


def compiler(clock: Clock) -> Compile:
    """Of the language of docs/query.md; what is relative in a query is so to the clock's now."""

    def compiled(query: str, scope: Filter) -> Asked:
        # With its times as they are now, and not as they will be when somebody asks it again.
        filter = both(scope, parse(query, now=clock.now()))
        return Asked(canonical(filter), predicate(filter), len(query))

    return compiled


def everything(_: Mapping[str, Any]) -> bool:
    return True


_ALL: Final = Asked(EVERYTHING_TEXT, everything, 0)


class Matching:
    """Compiles, and knows what is listened for. Belongs to the event loop."""

    def __init__(self, compiled: Compile) -> None:
        self._compiled = compiled
        self._shared: dict[str, _Shared] = {}

    async def of(self, query: str, scope: Filter) -> Asked:
        """Raises Malformed for a query that can't be read."""
        if not query and scope == EVERYTHING:
            return _ALL
        if len(query) <= READ_AT_ONCE_CHARACTERS_MAX:
            return self._compiled(query, scope)
        # Others are not kept waiting by a long one.
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, self._compiled, query, scope)

    def begin(self, asked: Asked) -> Matches:
        """Somebody listens for it, until as many times `end`. One function for all who do."""
        shared = self._shared.setdefault(asked.means, _Shared(asked))
        shared.listeners += 1
        return shared.asked.matches

    def end(self, asked: Asked) -> bool:
        """Whether nobody listens for it any more."""
        shared = self._shared[asked.means]
        shared.listeners -= 1
        if not shared.listeners:
            del self._shared[asked.means]
        return not shared.listeners

    def characters_with(self, asked: Asked) -> int:
        """How long all queries together are that somebody listens for, with one more. What several
        listen for counts once.
        """
        more = 0 if asked.means in self._shared else asked.characters
        return more + sum(each.asked.characters for each in self._shared.values())


class _Shared:
    """What at least one listens for."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.listeners = 0
