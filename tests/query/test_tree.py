"""The filter tree: equal where it means the same kind of thing, and as deep as anybody likes."""

from __future__ import annotations

import pytest

from deploytrail.query.fields import BY_NAME
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
    StartsWith,
    Words,
    below,
    bottom_up,
)

ENV = BY_NAME["env"]
PROD = Is(ENV, "prod")
DEPTH = 10_000

DIFFERENT: dict[str, tuple[Filter, Filter]] = {
    "everything and nothing": (EVERYTHING, NOTHING),
    "equal to and beginning with": (PROD, StartsWith(ENV, "prod")),
    "all and any": (And((PROD,)), Or((PROD,))),
    "one and two": (And((PROD,)), And((PROD, PROD))),
    "another order": (And((PROD, Exists(ENV))), And((Exists(ENV), PROD))),
    "another leaf below": (Not(PROD), Not(Exists(ENV))),
    "a leaf and a branch": (PROD, Not(PROD)),
    "a branch and a leaf below": (Not(PROD), Not(Not(PROD))),
}


def deep(innermost: Filter = PROD) -> Filter:
    """A tree that no recursion would survive."""
    tree = innermost
    for _ in range(DEPTH):
        tree = Not(And((Or((tree, Exists(ENV))), PROD)))
    return tree


@pytest.mark.parametrize("reason", DIFFERENT)
def test_different_filters_are_not_equal(reason: str) -> None:
    one, two = DIFFERENT[reason]
    assert one != two
    assert not one == two  # noqa: SIM201 - both operators are written by hand
    assert hash(one) != hash(two)


def test_equal_filters_have_one_hash() -> None:
    assert Not(And((PROD,))) == Not(And((Is(ENV, "prod"),)))
    assert {Not(And((PROD,))), Not(And((Is(ENV, "prod"),)))} == {Not(And((PROD,)))}


def test_a_filter_is_no_other_thing() -> None:
    assert EVERYTHING != ()
    assert And((PROD,)) != (PROD,)


def test_a_deep_tree_is_compared_hashed_and_printed() -> None:
    one, two, other = deep(), deep(), deep(Exists(ENV))
    assert one == two
    assert hash(one) == hash(two)
    assert one != other
    assert repr(one).count("Not(of=") == DEPTH


def test_printing_gives_what_makes_the_tree() -> None:
    text = Words(("read", "replica"))
    tree = And((Not(text), Or(()), Or((text,)), Or((text, text))))
    assert repr(tree) == (
        f"And(of=(Not(of={text!r}), Or(of=()), Or(of=({text!r},)), Or(of=({text!r}, {text!r}))))"
    )


def test_walking_comes_to_every_filter_once() -> None:
    tree = Or((Not(PROD), And((Exists(ENV), PROD))))
    assert list(below(tree)) == [tree, tree.of[1], PROD, Exists(ENV), tree.of[0], PROD]


def test_what_is_made_bottom_up_keeps_the_order_of_the_parts() -> None:
    def leaf(found: Leaf) -> str:
        return found.value if isinstance(found, Is) else type(found).__name__

    def branch(found: Branch, parts: list[str]) -> str:
        return f"{type(found).__name__}[{' '.join(parts)}]"

    tree = Or((Not(PROD), And((Is(ENV, "a"), Is(ENV, "b"), EVERYTHING)), Between(ENV, 1, 2)))
    assert bottom_up(tree, leaf, branch) == "Or[Not[prod] And[a b And[]] Between]"


def test_a_deep_tree_is_walked_bottom_up() -> None:
    leaves = bottom_up(deep(), lambda _: 1, lambda _, parts: sum(parts))
    assert leaves == 2 * DEPTH + 1
