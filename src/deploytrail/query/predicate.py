"""A filter as a question to one event: does it match?

Pure. The filter is compiled once, to one step per leaf with where to go on if it holds and if it
doesn't, so that asking neither recurses nor looks at more than it has to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from deploytrail.errors import Malformed
from deploytrail.query.algebra import simplified
from deploytrail.query.leaves import Test, cost, tested
from deploytrail.query.many import AnyBeginning, AnyWord, Group, OneOf, Reading, any_of, none_of
from deploytrail.query.tree import (
    EVERYTHING,
    And,
    Filter,
    Leaf,
    Not,
    Or,
    Within,
    Words,
    below,
    bottom_up,
)

Resolver: TypeAlias = Callable[[Within, Mapping[str, Any]], bool]
"""Whether an event belongs to what `Within` names."""
_Step: TypeAlias = tuple[Test, int, int]
_WORDS_MANY: Final = 8
"""With more terms of words than that, it pays to read an event's words once for all of them."""
_MATCHES: Final = -1
_FAILS: Final = -2
_BEFORE: Final = -3
"""The step that was made last, hence the first of what comes next in order."""


def predicate(filter: Filter, *, within: Resolver | None = None) -> Test:
    """A function that tells whether an event matches.

    An event in the shape of `event.Event` as JSON, with `logged` and, where known, `index` and
    `subjects` (pointer to pseudonym). Raises Malformed for a `Within` that nobody can resolve.
    """
    cheap_first = bottom_up(simplified(filter), lambda leaf: (cost(leaf), leaf), _sorted)[1]
    steps = _steps(cheap_first, within)
    if not steps:
        return _always if cheap_first == EVERYTHING else _never
    if len(steps) == 1 and steps[0][1:] == (_MATCHES, _FAILS):
        return steps[0][0]
    return _asking(steps)


def _sorted(branch: Not | And | Or, costs: list[tuple[int, Filter]]) -> tuple[int, Filter]:
    """The branch with its cheap parts first; their order means nothing."""
    if isinstance(branch, Not):
        return costs[0][0], Not(costs[0][1])
    costs = sorted(costs, key=lambda one: one[0])
    dearest = costs[-1][0] if costs else 0
    return dearest, type(branch)(tuple(one for _, one in costs))


def _steps(filter: Filter, within: Resolver | None) -> list[_Step]:
    """From the last to the first; each knows the number of the steps that may follow it."""
    steps: list[_Step] = []
    asked = sum(isinstance(one, Words) for one in below(filter))
    reading = Reading() if asked > _WORDS_MANY else None
    pending: list[tuple[Filter | Group, int, int]] = [(filter, _MATCHES, _FAILS)]
    while pending:
        node, yes, no = pending.pop()
        yes = len(steps) - 1 if yes == _BEFORE else yes
        no = len(steps) - 1 if no == _BEFORE else no
        if isinstance(node, Not):
            pending.append((node.of, no, yes))
        elif isinstance(node, And | Or):
            is_every = isinstance(node, And)
            own = none_of(node.of) if is_every else any_of(node.of)
            # The last part is made first, and decides; any other goes on to the one after it.
            for at, part in enumerate(own):
                holds, fails = (_BEFORE, no) if is_every else (yes, _BEFORE)
                if at == len(own) - 1:
                    holds, fails = yes, no
                if is_every and isinstance(part, OneOf | AnyBeginning | AnyWord):
                    holds, fails = fails, holds
                pending.append((part, holds, fails))
        else:
            steps.append((_test(node, within, reading), yes, no))
    return steps


def _test(leaf: Leaf | Group, within: Resolver | None, reading: Reading | None) -> Test:
    if not isinstance(leaf, Within):
        return tested(leaf, reading)
    if within is None:
        raise Malformed(
            f"query: in:{leaf.kind}/ asks for what this trail does not derive yet; leave it out"
        )
    resolver = within
    return lambda event: resolver(leaf, event)


def _asking(steps: list[_Step]) -> Test:
    first = len(steps) - 1

    def matches(event: Mapping[str, Any]) -> bool:
        at = first
        while at >= 0:
            test, yes, no = steps[at]
            at = yes if test(event) else no
        return at == _MATCHES

    return matches


def _always(_: Mapping[str, Any]) -> bool:
    return True


def _never(_: Mapping[str, Any]) -> bool:
    return False
