"""A scope is made of what stands clear in every entry, and of nothing else."""

from __future__ import annotations

import pytest

from deploytrail.access.scope import is_scope, scope
from deploytrail.errors import Malformed
from deploytrail.query.fields import BY_NAME
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

PROD = Is(BY_NAME["env"], "prod")
SCOPES: dict[str, Filter] = {
    "everything": EVERYTHING,
    "nothing": NOTHING,
    "one environment": PROD,
    "all but one": Not(PROD),
    "a project in a class": And((Is(BY_NAME["project"], "a"), Is(BY_NAME["class"], "prod"))),
    "either of two connections": Or(
        (StartsWith(BY_NAME["connection"], "github-"), Exists(BY_NAME["action"]))
    ),
    "very deep": And((PROD,)),
}
for _ in range(5000):
    SCOPES["very deep"] = Not(And((SCOPES["very deep"], PROD)))
FOREIGN: dict[str, tuple[Filter, str]] = {
    "a person": (Is(BY_NAME["actor"], "alice"), "the field actor"),
    "a time": (Between(BY_NAME["time"], 0, None), "the field time"),
    "a word": (Words(("replica",)), "the words 'replica'"),
    "a membership": (Within("deployment", "dep-1"), "in:deployment"),
    "deep within": (And((PROD, Or((PROD, Not(Exists(BY_NAME["unit"])))))), "the field unit"),
    "the first of two": (And((Words(("a", "b")), Is(BY_NAME["id"], "x"))), "the words 'a b'"),
}


@pytest.mark.parametrize("reason", SCOPES)
def test_a_scope_is_taken_as_it_is(reason: str) -> None:
    found = SCOPES[reason]
    assert is_scope(found)
    assert scope("", parse=lambda _: found) is found


@pytest.mark.parametrize("reason", FOREIGN)
def test_what_no_scope_may_have_is_named_beside_what_it_may(reason: str) -> None:
    found, named = FOREIGN[reason]
    assert not is_scope(found)
    with pytest.raises(Malformed, match="project, env, class, connection and action") as caught:
        scope("", parse=lambda _: found)
    assert f"found {named};" in str(caught.value)
