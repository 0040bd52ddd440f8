"""Filters made of filters."""

from __future__ import annotations

import pytest
from hypothesis import given

from deploytrail.query.algebra import both, simplified
from deploytrail.query.fields import BY_NAME
from deploytrail.query.moments import NUMBER_MAX, TIME_MAX, TIME_MIN
from deploytrail.query.tree import (
    EVERYTHING,
    NOTHING,
    And,
    Between,
    Exists,
    Filter,
    Is,
    Not,
    Or,
    below,
    parts,
)
from tests.query.filters import any_filters
from tests.searching import examples

ENV, TIME, ATTEMPT, REASON = (BY_NAME[name] for name in ("env", "time", "attempt", "reason"))
A, B, C = (Is(ENV, letter) for letter in "abc")

SIMPLIFIED: dict[str, tuple[Filter, Filter]] = {
    "one of all": (And((A,)), A),
    "one of any": (Or((A,)), A),
    "all in all": (And((And((A, B)), And((C,)))), And((A, B, C))),
    "any in any": (Or((A, Or((B, Or((C,)))))), Or((A, B, C))),
    "any in all stays": (And((A, Or((B, C)))), And((A, Or((B, C))))),
    "twice": (And((A, B, A)), And((A, B))),
    "twice below": (Or((And((A, B)), C, And((A, B)))), Or((And((A, B)), C))),
    "twice and then of the parent's kind": (
        And((A, Or((And((B, C)), And((B, C)))))),
        And((A, B, C)),
    ),
    "not not": (Not(Not(A)), A),
    "not not all in all": (And((A, Not(Not(And((B, C)))))), And((A, B, C))),
    "not not not": (Not(Not(Not(A))), Not(A)),
    "not everything": (Not(EVERYTHING), NOTHING),
    "not nothing": (Not(Or(())), EVERYTHING),
    "everything in all": (And((A, EVERYTHING)), A),
    "nothing in all": (And((A, NOTHING)), NOTHING),
    "everything in any": (Or((A, Not(NOTHING))), EVERYTHING),
    "nothing in any": (Or((A, NOTHING)), A),
    "an empty range": (And((A, Between(ATTEMPT, 3, 3))), NOTHING),
    "a range backwards": (Between(ATTEMPT, 4, 3), NOTHING),
    "below all numbers": (Between(ATTEMPT, None, 0), NOTHING),
    "above all numbers": (Between(ATTEMPT, NUMBER_MAX + 1, None), NOTHING),
    "from below all numbers": (Between(ATTEMPT, -5, 3), Between(ATTEMPT, None, 3)),
    "to above all numbers": (Between(ATTEMPT, 3, 2**60), Between(ATTEMPT, 3, None)),
    "all numbers": (Between(ATTEMPT, -1, 2**53), Exists(ATTEMPT)),
    "from the first number": (Between(ATTEMPT, 0, None), Between(ATTEMPT, 0, None)),
    "before all times": (Between(TIME, None, TIME_MIN), NOTHING),
    "all times": (Between(TIME, TIME_MIN - 1, TIME_MAX + 1), Exists(TIME)),
    "a reason": (Exists(REASON), And((Exists(REASON), Not(Is(REASON, "none"))))),
    "no reason": (Not(Exists(REASON)), Not(And((Exists(REASON), Not(Is(REASON, "none")))))),
}  # fmt: skip


@pytest.mark.parametrize("what", SIMPLIFIED)
def test_a_filter_is_simplified(what: str) -> None:
    filter, expected = SIMPLIFIED[what]
    assert simplified(filter) == expected


@given(any_filters())
@examples(300)
def test_what_is_simplified_is_as_simple_as_it_gets(filter: Filter) -> None:
    found = simplified(filter)
    assert simplified(found) == found
    for one in below(found):
        if isinstance(one, Not | And | Or):
            own = parts(one)
            assert len(set(own)) == len(own)
            assert type(one) not in {type(part) for part in own}
            assert isinstance(one, Not) or len(own) > 1 or one is found


def test_a_chain_of_any_length_is_simplified() -> None:
    chain: Filter = A
    for number in range(20_000):
        chain = And((chain, Is(ENV, f"e{number}")))
    found = simplified(chain)
    assert isinstance(found, And)
    assert len(found.of) == 20_001


def test_both_is_one_list() -> None:
    assert both(And((A, B)), And((B, C))) == And((A, B, C))
    assert both(A, EVERYTHING) == A
    assert both(A, NOTHING) == NOTHING
