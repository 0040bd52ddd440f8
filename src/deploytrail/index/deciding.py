"""Which entries of a segment a filter matches: sets, reckoned from those of its terms.

The filter compiler: it turns a tree into questions for terms, and those into arithmetic. A phrase
is known only as far as its words are, so a set has a lower and an upper bound; between them an
event's own text decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from deploytrail.errors import Malformed
from deploytrail.index import key
from deploytrail.index.part import Part
from deploytrail.index.shelf import Moment
from deploytrail.query.fields import Field, Kind
from deploytrail.query.tree import (
    And,
    Between,
    Branch,
    Exists,
    Filter,
    Is,
    Leaf,
    Not,
    Or,
    StartsWith,
    Within,
    Words,
    parts,
)

_DEEP: Final = 8


class Decided(NamedTuple):
    """The entries that match for certain, and those that may; the same where all is known."""

    certain: int
    possible: int


NONE: Final = Decided(0, 0)


class Question:
    """A filter that is asked of one segment after the other, at one moment."""

    def __init__(self, filter: Filter, moment: Moment) -> None:
        self._filter = filter
        self._moment = moment
        self._people: dict[Leaf, list[tuple[str, int]]] = {}
        self._needs = _needs(filter)

    def decided(self, part: Part) -> Decided:
        """Which of a segment's entries match."""
        if not isinstance(self._filter, Not | And | Or):
            return self._leaf(self._filter, part)
        stack = [_Frame(self._filter, self, part)]
        while True:
            frame = stack[-1]
            child = next(frame.children, None)
            if isinstance(child, Not | And | Or):
                stack.append(_Frame(child, self, part))
                continue
            if child is not None:
                frame.take(self._leaf(child, part))
                continue
            stack.pop()
            if not stack:
                return frame.result()
            stack[-1].take(frame.result())

    def terms(self, part: Part) -> list[bytes] | None:
        """The terms that an entry of a segment needs all of to match, where that is all there is
        to it; None where there is more.
        """
        found: dict[bytes, None] = {}
        pending = [self._filter]
        while pending:
            node = pending.pop()
            if isinstance(node, And):
                pending.extend(node.of)
                continue
            if isinstance(node, Between) and _is_within(part, node):
                continue
            named = _term(node)
            if named is None:
                return None
            found[named] = None
        return list(found)

    def order(self, branch: Branch) -> list[Filter]:
        """The parts of a branch in the order in which they are decided.

        Leaves first, since one that matches nothing spares the rest. Of a deep tree, what holds
        more sets at a time goes first, so that few of them are held at once (Sethi and Ullman).
        """
        below = list(parts(branch))
        is_deep = self._needs.get(id(branch), 1) > _DEEP
        return sorted(below, key=lambda one: self._need(one), reverse=is_deep)

    def _need(self, filter: Filter) -> int:
        return self._needs[id(filter)] if isinstance(filter, Not | And | Or) else 0

    def any_of(self, leaves: list[Is], part: Part) -> int:
        """The entries that have any of these clear words."""
        keys = sorted(key.value(leaf.field.name, leaf.value) for leaf in leaves)
        return part.bits_of_any(keys)

    def _leaf(self, leaf: Leaf, part: Part) -> Decided:
        if isinstance(leaf, Words):
            return _words(leaf, part)
        found = self._known(leaf, part)
        return Decided(found, found)

    def _known(self, leaf: Leaf, part: Part) -> int:
        if isinstance(leaf, Exists):
            return _present(leaf.field, part)
        if isinstance(leaf, Between):
            return _between(leaf, part)
        if isinstance(leaf, Is | StartsWith):
            if leaf.field.kind is Kind.PERSON:
                return self._person(leaf, part)
            if isinstance(leaf, Is):
                return part.bits(key.value(leaf.field.name, leaf.value))
            return _beginning(leaf, part)
        assert isinstance(leaf, Within)
        raise Malformed(
            f"in: expected what a view knows, found {leaf.kind!r}; there is none of that yet"
        )

    def _person(self, leaf: Is | StartsWith, part: Part) -> int:
        people = self._people.get(leaf)
        if people is None:
            people = self._moment.named(leaf.value, is_beginning=isinstance(leaf, StartsWith))
            self._people[leaf] = people
        return part.bits_of_any(
            key.person(leaf.field.name, subject, number) for subject, number in people
        )


class _Frame:
    """A branch on its way: what its parts said so far."""

    def __init__(self, branch: Branch, question: Question, part: Part) -> None:
        self._branch = branch
        self._everything = part.everything
        self._so_far: Decided | None = None
        below = question.order(branch)
        if isinstance(branch, Or) and len(below) > 1:
            plain = [one for one in below if isinstance(one, Is) and one.field.kind is Kind.WORD]
            if len(plain) > 1:
                found = question.any_of(plain, part)
                self._so_far = Decided(found, found)
                below = [
                    one
                    for one in below
                    if not (isinstance(one, Is) and one.field.kind is Kind.WORD)
                ]
        self.children: Iterator[Filter] = iter(below)

    def take(self, one: Decided) -> None:
        before = self._so_far
        if isinstance(self._branch, Not):
            self._so_far = Decided(
                self._everything & ~one.possible, self._everything & ~one.certain
            )
        elif before is None:
            self._so_far = one
        elif isinstance(self._branch, And):
            self._so_far = _both(before, one)
        else:
            self._so_far = _either(before, one)
        if self._is_settled():
            self.children = iter(())

    def _is_settled(self) -> bool:
        found = self._so_far
        if found is None:
            return False
        if isinstance(self._branch, And):
            return found.possible == 0
        return isinstance(self._branch, Or) and found.certain == self._everything

    def result(self) -> Decided:
        if self._so_far is not None:
            return self._so_far
        everything = self._everything
        return NONE if isinstance(self._branch, Or) else Decided(everything, everything)


def _both(one: Decided, two: Decided) -> Decided:
    possible = one.possible & two.possible
    if one.certain is one.possible and two.certain is two.possible:
        return Decided(possible, possible)
    return Decided(one.certain & two.certain, possible)


def _either(one: Decided, two: Decided) -> Decided:
    possible = one.possible | two.possible
    if one.certain is one.possible and two.certain is two.possible:
        return Decided(possible, possible)
    return Decided(one.certain | two.certain, possible)


def _needs(filter: Filter) -> dict[int, int]:
    """How many sets must be held at once to decide each branch, by its identity."""
    found: dict[int, int] = {}
    order: list[Branch] = []
    pending = [filter]
    while pending:
        node = pending.pop()
        if isinstance(node, Not | And | Or):
            order.append(node)
            pending.extend(parts(node))
    for node in reversed(order):
        below = sorted((found.get(id(one), 1) for one in parts(node)), reverse=True)
        found[id(node)] = max((need + (at > 0) for at, need in enumerate(below)), default=1)
    return found


def _term(filter: Filter) -> bytes | None:
    """The one term that decides a filter, if there is one."""
    if isinstance(filter, Exists):
        return None if filter.field.none else key.present(filter.field.name)
    if not isinstance(filter, Is | StartsWith) or filter.field.kind is Kind.PERSON:
        return None
    name, value = filter.field.name, filter.value
    if isinstance(filter, Is):
        return key.value(name, value)
    return key.family(name, value) if _is_family(filter) else None


def _is_family(leaf: StartsWith) -> bool:
    return leaf.field.name in key.DOTTED and leaf.value.endswith(".")


def _present(field: Field, part: Part) -> int:
    found = part.present(field)
    if field.none:
        # Such a field has one value.
        found &= ~part.bits(key.value(field.name, field.none))
    return found


def _beginning(leaf: StartsWith, part: Part) -> int:
    name, text = leaf.field.name, leaf.value
    if _is_family(leaf):
        return part.bits(key.family(name, text))
    return part.joined(part.beginning(key.value(name, text)))


def _words(leaf: Words, part: Part) -> Decided:
    possible = part.everything
    for at, word in enumerate(leaf.words):
        is_beginning = leaf.is_prefix and at == len(leaf.words) - 1
        possible &= _word(word, part, is_beginning=is_beginning)
        if not possible:
            return NONE
    # Of several words only the text knows whether they stand one behind the other.
    return Decided(possible, possible) if len(leaf.words) == 1 else Decided(0, possible)


def _word(word: str, part: Part, *, is_beginning: bool) -> int:
    found = 0
    for layer in key.WORDS:
        named = key.word(layer, word)
        found |= part.joined(part.beginning(named)) if is_beginning else part.bits(named)
    return found


def _between(leaf: Between, part: Part) -> int:
    name = leaf.field.name
    about = part.about
    if name == "index":
        low = max(0, (leaf.low or 0) - about.first)
        high = about.span if leaf.high is None else max(0, min(about.span, leaf.high - about.first))
        return ((1 << high) - 1) >> low << low
    if name == "time":
        if _is_within(part, leaf):
            return part.everything
        if (leaf.low is not None and about.high < leaf.low) or (
            leaf.high is not None and leaf.high <= about.low
        ):
            return 0
    found = part.present(leaf.field)
    if leaf.low is not None and found:
        found &= _at_least(name, leaf.low, part)
    if leaf.high is not None and found:
        found &= ~_at_least(name, leaf.high, part)
    return found


def _is_within(part: Part, leaf: Between) -> bool:
    """Whether all of a segment happened in a time."""
    about = part.about
    return (
        leaf.field.name == "time"
        and (leaf.low is None or leaf.low <= about.low)
        and (leaf.high is None or about.high < leaf.high)
    )


def _at_least(name: str, bound: int, part: Part) -> int:
    """The entries whose number is at least `bound`; one without a number counts as 0.

    Bit by bit from the highest: an entry whose bits so far are those of the bound is still open.
    """
    if bound <= 0:
        return part.everything
    if bound.bit_length() > key.BITS:
        return 0
    above, level = 0, part.everything
    for bit in range(key.BITS - 1, -1, -1):
        has = part.bits(key.bit(name, bit))
        if bound >> bit & 1:
            level &= has
        elif has:
            above |= level & has
            level &= ~has
        if not level:
            break
    return above | level
