"""Filters made of filters: simplified, and joined.

Pure. Never by recursion, and in time that grows with the tree and hardly faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

from deploytrail.query.fields import Kind
from deploytrail.query.moments import NUMBER_MAX, TIME_MAX, TIME_MIN
from deploytrail.query.tree import (
    EVERYTHING,
    NOTHING,
    And,
    Between,
    Branch,
    Exists,
    Filter,
    Is,
    Leaf,
    Not,
    Or,
    bottom_up,
)


def simplified(filter: Filter) -> Filter:
    """A filter that matches the same events: nothing in it is said twice, or in vain.

    No `And` in an `And` nor `Or` in an `Or`, none of them with fewer than two parts, no part twice,
    no double negation; `EVERYTHING` and `NOTHING` only as the whole; no range that is empty or
    open to both sides; that there is a reason leaves out what says that there is none. What is kept
    keeps its order. Simplified again, it is the same.
    """
    making = Making()
    return making.filter(bottom_up(filter, making.leaf, making.branch))


def both(one: Filter, other: Filter) -> Filter:
    """What matches the one and the other, simplified."""
    return simplified(And((one, other)))


class _Loose(NamedTuple):
    """A branch that has no number yet: its parent may be of its kind, and take its parts in.

    Of a `Not`, the one part may be loose, too. Parts of another kind have their numbers.
    """

    kind: type[Branch]
    parts: tuple[Part, ...]


Part: TypeAlias = "int | _Loose"
"""A simplified filter while it is made."""
_EVERYTHING: Final = 0
_NOTHING: Final = 1


class Making:
    """A simplified filter, made from its leaves up.

    Filters have numbers, equal ones the same, so that none is compared twice. A branch gets its
    number only in a parent of another kind: if it got one at once, `((a b) c) d` would be written
    down anew at each parenthesis.
    """

    def __init__(self) -> None:
        self._filters: list[Filter] = [EVERYTHING, NOTHING]
        self._parts: list[tuple[int, ...]] = [(), ()]
        self._leaves: dict[Leaf, int] = {}
        self._branches: dict[tuple[type[Branch], tuple[int, ...]], int] = {}

    def filter(self, part: Part) -> Filter:
        return self._filters[self._number(part)]

    def leaf(self, leaf: Leaf) -> Part:
        if isinstance(leaf, Between):
            bounded = _bounded(leaf)
            return _NOTHING if bounded is None else self._leaf(bounded)
        if isinstance(leaf, Exists) and leaf.field.none:
            none = self._leaf(Is(leaf.field, leaf.field.none))
            return _Loose(And, (self._leaf(leaf), self._branch(Not, (none,))))
        return self._leaf(leaf)

    def branch(self, branch: Branch, parts: Sequence[Part]) -> Part:
        return (
            self.negated(parts[0]) if isinstance(branch, Not) else self.joined(type(branch), parts)
        )

    def joined(self, kind: type[And | Or], parts: Sequence[Part]) -> Part:
        """All of the parts, or any of them."""
        # What changes nothing here, and what alone decides.
        idle, final = (_EVERYTHING, _NOTHING) if kind is And else (_NOTHING, _EVERYTHING)
        if final in parts:
            return final
        left = [part for part in parts if part != idle]
        if len(left) < 2:
            return left[0] if left else idle
        return _Loose(
            kind,
            tuple(
                part if isinstance(part, int) or part.kind is kind else self._number(part)
                for part in left
            ),
        )

    def negated(self, part: Part) -> Part:
        if not isinstance(part, int):
            return part.parts[0] if part.kind is Not else _Loose(Not, (part,))
        if part in (_EVERYTHING, _NOTHING):
            return _NOTHING if part == _EVERYTHING else _EVERYTHING
        is_negated = isinstance(self._filters[part], Not)
        return self._parts[part][0] if is_negated else _Loose(Not, (part,))

    def _number(self, part: Part) -> int:
        """The number of the filter that a part stands for."""
        if isinstance(part, int):
            return part
        if part.kind is Not:
            inner = self._number(part.parts[0])
            # What said a negation twice is one by now.
            negated = self.negated(inner)
            return negated if isinstance(negated, int) else self._branch(Not, (inner,))
        numbers: dict[int, None] = {}
        pending: list[Part] = [part]
        while pending:
            one = pending.pop()
            if isinstance(one, _Loose):
                pending.extend(reversed(one.parts))
            elif type(self._filters[one]) is part.kind:
                numbers.update(dict.fromkeys(self._parts[one]))
            else:
                numbers[one] = None
        if len(numbers) == 1:
            return next(iter(numbers))
        return self._branch(part.kind, tuple(numbers))

    def _leaf(self, leaf: Leaf) -> int:
        known = self._leaves.setdefault(leaf, len(self._filters))
        if known == len(self._filters):
            self._filters.append(leaf)
            self._parts.append(())
        return known

    def _branch(self, kind: type[Branch], numbers: tuple[int, ...]) -> int:
        known = self._branches.setdefault((kind, numbers), len(self._filters))
        if known == len(self._filters):
            parts = tuple(self._filters[one] for one in numbers)
            self._filters.append(
                Not(parts[0]) if kind is Not else (And if kind is And else Or)(parts)
            )
            self._parts.append(numbers)
        return known


def _bounded(leaf: Between) -> Leaf | None:
    """The same without an end beyond which there is nothing; None if nothing is between."""
    is_time = leaf.field.kind is Kind.TIME
    lowest, highest = (TIME_MIN, TIME_MAX) if is_time else (0, NUMBER_MAX)
    low, high = leaf.low, leaf.high
    first = lowest if low is None else max(low, lowest)
    last = highest if high is None else min(high - 1, highest)
    if first > last:
        return None
    low = None if low is None or low < lowest else low
    high = None if high is None or high > highest else high
    return Exists(leaf.field) if low is None and high is None else Between(leaf.field, low, high)
