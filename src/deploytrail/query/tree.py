"""The filter tree: what a query means, whoever answers it.

Values only. A predicate decides it over an event, a compiler per engine turns it into SQL; both
must agree on every event. Texts are compared as `fields.folded` gives them, and stand folded here.
A tree may be as deep as its query is long, so nothing here or elsewhere walks it by recursion:
`bottom_up` does, and comparing, hashing and printing do as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Literal, TypeAlias, TypeVar

from msgspec import Struct

from deploytrail.query.fields import Field

T = TypeVar("T")


class Is(Struct, frozen=True):
    """The field has a value equal to `value`, which is not empty; of several values, any."""

    field: Field
    value: str


class StartsWith(Struct, frozen=True):
    """The field has a value that begins with `value`, which is not empty."""

    field: Field
    value: str


class Exists(Struct, frozen=True):
    """The field has a value at all, other than its `Field.none`; a flag, that it is true."""

    field: Field


class Between(Struct, frozen=True):
    """The number, or the time in microseconds since 1970, is at least `low` and below `high`.

    None leaves that side open; both are never None. A field without a value is not between.
    """

    field: Field
    low: int | None
    high: int | None


class Words(Struct, frozen=True):
    """One of the event's texts has these words one behind the other; never empty.

    As `words.words` cuts them. Of the last one `is_prefix` wants only its beginning.
    """

    words: tuple[str, ...]
    is_prefix: bool = False


class Within(Struct, frozen=True):
    """The event belongs to something derived: `in:deployment/ID`."""

    kind: str
    id: str


class _Branch(Struct, frozen=True, eq=False):
    """What holds other filters. Equal where the kind and everything below is."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Branch):
            return NotImplemented
        pending: list[tuple[object, object]] = [(self, other)]
        while pending:
            one, two = pending.pop()
            if one is two:
                continue
            if not isinstance(one, Not | And | Or):
                if one != two:
                    return False
            elif type(one) is not type(two) or not isinstance(two, Not | And | Or):
                return False
            else:
                ours, theirs = parts(one), parts(two)
                if len(ours) != len(theirs):
                    return False
                pending.extend(zip(ours, theirs, strict=True))
        return True

    def __hash__(self) -> int:
        assert isinstance(self, Not | And | Or)
        return bottom_up(self, hash, lambda branch, below: hash((type(branch), *below)))

    def __repr__(self) -> str:
        assert isinstance(self, Not | And | Or)
        return "".join(_printed(self))


class Not(_Branch, frozen=True, eq=False):
    """The event does not match."""

    of: Filter


class And(_Branch, frozen=True, eq=False):
    """Every one of them; of none: everything."""

    of: tuple[Filter, ...]


class Or(_Branch, frozen=True, eq=False):
    """Any of them; of none: nothing."""

    of: tuple[Filter, ...]


Leaf: TypeAlias = Is | StartsWith | Exists | Between | Words | Within
Branch: TypeAlias = Not | And | Or
Filter: TypeAlias = Leaf | Branch
Order: TypeAlias = Literal["newest", "oldest"]
"""In which order what matches is wanted, by time and then by index."""
EVERYTHING: Final = And(())
NOTHING: Final = Or(())


def parts(branch: Branch) -> tuple[Filter, ...]:
    """The filters directly below."""
    return (branch.of,) if isinstance(branch, Not) else branch.of


def below(filter: Filter) -> Iterator[Filter]:
    """The filter and all below it: each after what holds it, from right to left."""
    pending = [filter]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, Not | And | Or):
            pending.extend(parts(node))


def bottom_up(
    filter: Filter, leaf: Callable[[Leaf], T], branch: Callable[[Branch, list[T]], T]
) -> T:
    """What `leaf` makes of each leaf, and `branch` of what was made of its parts, in their order.

    Never deeper in the stack than one call, however deep the tree is.
    """
    made: list[T] = []
    for node in reversed(list(below(filter))):
        if not isinstance(node, Not | And | Or):
            made.append(leaf(node))
            continue
        count = len(parts(node))
        own = made[len(made) - count :]
        del made[len(made) - count :]
        made.append(branch(node, own))
    return made[0]


def _printed(filter: Filter) -> Iterator[str]:
    pending: list[Filter | str] = [filter]
    while pending:
        node = pending.pop()
        if isinstance(node, str):
            yield node
        elif isinstance(node, Not):
            yield "Not(of="
            pending += [")", node.of]
        elif isinstance(node, And | Or):
            yield f"{type(node).__name__}(of=("
            pending.append(",))" if len(node.of) == 1 else "))")
            for at in range(len(node.of) - 1, -1, -1):
                pending.append(node.of[at])
                pending.append(", " if at else "")
        else:
            yield repr(node)
