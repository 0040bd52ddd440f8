"""Many leaves asked at once: the answer is that of each of them alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.query.fields import BY_NAME
from deploytrail.query.many import AnyBeginning, AnyWord, OneOf, any_of, none_of
from deploytrail.query.parse import parse
from deploytrail.query.predicate import predicate
from deploytrail.query.tree import And, Filter, Is, Not, Or, StartsWith, Within, Words
from tests.fakes import NOON
from tests.query.filters import leaves, shown_events
from tests.searching import examples

ENV, ACTOR = BY_NAME["env"], BY_NAME["actor"]
FIELDS = [BY_NAME[name] for name in ("env", "actor", "target", "action", "index", "time")]
_leaves = st.lists(
    st.sampled_from(FIELDS).flatmap(leaves).filter(lambda one: not isinstance(one, Within)),
    min_size=9,
    max_size=40,
)


@examples(60)
@given(alike=_leaves, negated=st.sets(st.integers(0, 39)), event=shown_events())
def test_many_answer_as_each_alone(
    alike: list[Filter], negated: set[int], event: dict[str, Any]
) -> None:
    parts = tuple(Not(one) if at in negated else one for at, one in enumerate(alike))
    alone = [predicate(one)(event) for one in parts]
    assert predicate(Or(parts))(event) == any(alone)
    assert predicate(And(parts))(event) == all(alone)
    assert predicate(And(tuple(Not(one) for one in alike)))(event) == (
        not any(predicate(one)(event) for one in alike)
    )


def test_what_is_alike_is_asked_at_once_and_the_rest_keeps_its_order() -> None:
    values = [Is(ENV, name) for name in ("a", "b", "c")]
    begun = [StartsWith(ENV, name) for name in ("pr", "prod", "d", "dev")]
    words: list[Filter] = [Words((name,), False) for name in ("x", "y", "z")]
    phrase, few = Words(("x", "y"), False), [Is(ACTOR, "a"), Is(ACTOR, "b")]
    assert any_of([phrase, *values, *few, *begun, *words]) == [
        phrase,
        OneOf(ENV, frozenset("abc")),
        *few,
        AnyBeginning(ENV, ("d", "pr")),
        AnyWord(frozenset("xyz")),
    ]
    assert none_of([*values, *(Not(one) for one in words)]) == [*values, AnyWord(frozenset("xyz"))]


TEN_THOUSAND = {
    "values of a field": " OR ".join(f"env:e{at}" for at in range(10_000)) + " OR env:prod",
    "words": " OR ".join(f"w{at}" for at in range(10_000)) + " OR replica",
    "beginnings": " OR ".join(f"actor:a{at}*" for at in range(10_000)) + " OR actor:al*",
    "what may not be": "env:prod " + " ".join(f"-w{at}" for at in range(10_000)),
    "groups": " OR ".join(f"(env:prod w{at})" for at in range(5_000)) + " OR replica",
    "parentheses": "(" * 10_000 + "env:prod" + ")" * 10_000,
}


@pytest.mark.parametrize("kind", TEN_THOUSAND)
def test_ten_thousand_terms_have_an_answer(kind: str) -> None:
    matches = predicate(parse(TEN_THOUSAND[kind], now=NOON))
    event: dict[str, Any] = {
        "action": "deployment.started",
        "actor": {"id": "github:alice"},
        "where": {"environment": "prod"},
        "reason": {"from": "stated", "text": "the read replica lags"},
    }
    assert matches(event)
    other = {"action": "build.started", "actor": {"id": "bob"}, "where": {"environment": "dev"}}
    assert not matches(other)
