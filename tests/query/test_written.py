"""A filter as text: read again it is the same filter, simplified."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given

from deploytrail.query.algebra import both, simplified
from deploytrail.query.fields import BY_NAME
from deploytrail.query.parse import parse
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
    StartsWith,
    Within,
    Words,
)
from deploytrail.query.written import canonical, digest
from tests.fakes import NOON
from tests.query.filters import any_filters, filters
from tests.searching import examples

ENV, TIME = BY_NAME["env"], BY_NAME["time"]
PROD = Is(ENV, "prod")

WRITTEN: dict[str, tuple[Filter, str]] = {
    "everything": (EVERYTHING, "*"),
    "nothing": (NOTHING, "-*"),
    "a value": (PROD, "env:prod"),
    "a value of more words": (Is(ENV, 'say "a\\b"'), r'env:"say \"a\\b\""'),
    "a beginning": (StartsWith(ENV, "prod"), "env:prod*"),
    "a beginning with a star": (StartsWith(ENV, "*"), 'env:"*"*'),
    "any value": (Exists(ENV), "env:*"),
    "a flag": (Exists(BY_NAME["emergency"]), "emergency:true"),
    "a reason": (Exists(BY_NAME["reason"]), "reason:* -reason:none"),
    "a word": (Words(("replica",)), "replica"),
    "a phrase": (Words(("read", "replica")), '"read replica"'),
    "a phrase's beginning": (Words(("read", "repl"), is_prefix=True), '"read repl"*'),
    "a deployment": (Within("deployment", "dep-1"), "in:deployment/dep-1"),
    "a number": (Between(BY_NAME["attempt"], 2, 3), "attempt:2"),
    "numbers": (Between(BY_NAME["duration"], 1_000, 2_001), "duration:1000ms..2000ms"),
    "a day": (
        parse("time:2026-11-01", now=NOON),
        "time:2026-11-01T00:00:00.000000Z..2026-11-01T23:59:59.999999Z",
    ),
    "since": (parse("since:7d", now=NOON), "time:>=2026-11-15T12:00:00Z"),
    "until": (parse("until:2026-11-01T10:00:00.5", now=NOON), "time:<2026-11-01T10:00:00.500000Z"),
    "parentheses": (
        And((Not(PROD), Or((PROD, Not(And((Words(("a",)), PROD))))))),
        "-env:prod (env:prod OR -(a env:prod))",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRITTEN)
def test_a_filter_is_written(what: str) -> None:
    filter, text = WRITTEN[what]
    assert canonical(filter) == text
    assert parse(text, now=NOON) == simplified(filter)


@given(any_filters())
@examples(300)
def test_what_is_written_is_read_as_the_same(filter: Filter) -> None:
    assert parse(canonical(filter), now=NOON + timedelta(days=1)) == simplified(filter)


@given(filters())
@examples(300)
def test_what_is_written_is_written_the_same_again(filter: Filter) -> None:
    text = canonical(filter)
    assert canonical(parse(text, now=NOON)) == text


def test_a_deep_filter_is_written_and_read() -> None:
    deep: Filter = PROD
    for _ in range(10_000):
        deep = Or((Words(("a",)), Not(And((deep, Exists(ENV))))))
    assert parse(canonical(deep), now=NOON) == deep


def test_filters_that_are_written_the_same_have_one_digest() -> None:
    assert digest(And((PROD, PROD))) == digest(PROD)
    assert digest(PROD) != digest(Not(PROD))
    assert digest(EVERYTHING) != digest(NOTHING)


def test_a_digest_stays_what_it_is() -> None:
    # It stands in cursors that people keep.
    text = 'env:prod -action:build.* since:2026-11-01 "read replica"'
    assert digest(parse(text, now=NOON)) == digest(both(PROD, parse(text, now=NOON)))
    assert digest(parse(text, now=NOON)) == "d4dae68b28bbc35e9986a22f24494c29"
