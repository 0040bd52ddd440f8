"""No number of terms and no depth of parentheses is too much to read."""

from __future__ import annotations

import pytest

from deploytrail.clock import microseconds
from deploytrail.errors import TooLarge
from deploytrail.query.fields import BY_NAME
from deploytrail.query.parse import QUERY_BYTES_MAX, parse
from deploytrail.query.tree import (
    And,
    Filter,
    Is,
    Not,
    Or,
    Words,
)
from tests.fakes import NOON

ACTION, ACTOR, ENV, TIME = (BY_NAME[name] for name in ("action", "actor", "env", "time"))
OUTCOME, REASON, TARGET = (BY_NAME[name] for name in ("outcome", "reason", "target"))
PROD = Is(ENV, "prod")
A, B, C, D = (Words((letter,)) for letter in "abcd")
NOW = microseconds(NOON)
DAY = 86_400_000_000


def read(text: str) -> Filter:
    return parse(text, now=NOON)


def test_a_query_may_be_long_but_not_endless() -> None:
    word = "é" * (QUERY_BYTES_MAX // 2)
    assert read(word) == Words(("é" * 64,))
    with pytest.raises(TooLarge, match=f"expected at most {QUERY_BYTES_MAX} bytes, found"):
        read(word + "a")


def test_ten_thousand_terms_are_read() -> None:
    found = read(" ".join(f"env:e{number}" for number in range(10_000)))
    assert found == And(tuple(Is(ENV, f"e{number}") for number in range(10_000)))
    found = read(" OR ".join(f"w{number}" for number in range(10_000)))
    assert found == Or(tuple(Words((f"w{number}",)) for number in range(10_000)))
    found = read(f"env:({' OR '.join(f'e{number}' for number in range(10_000))})")
    assert found == Or(tuple(Is(ENV, f"e{number}") for number in range(10_000)))


def test_ten_thousand_parentheses_are_read() -> None:
    assert read("(" * 10_000 + "a" + ")" * 10_000) == A
    assert read("-(" * 10_000 + "a" + ")" * 10_000) == A
    assert read("NOT " * 10_001 + "a") == Not(A)


def test_ten_thousand_filters_inside_one_another_are_read() -> None:
    expected: Filter = A
    for _ in range(10_000):
        expected = Or((B, Not(And((expected, PROD)))))
    assert read("(b OR -(" * 10_000 + "a" + " env:prod))" * 10_000) == expected
