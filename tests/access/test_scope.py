"""A scope is made of what stands clear in every entry, and of nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import pytest

from deploytrail.access.principal import Permission, Principal
from deploytrail.access.scope import refuse_outside, refuse_project, scope, written
from deploytrail.errors import Malformed, NotPermitted
from deploytrail.query.fields import BY_NAME, SCOPING
from deploytrail.query.tree import EVERYTHING, And, Filter, Is, Not, Or, StartsWith

PROD = Is(BY_NAME["env"], "prod")
SCOPES: dict[str, tuple[Filter, str]] = {
    "": (EVERYTHING, ""),
    "  ": (EVERYTHING, ""),
    "env:prod": (PROD, "env:prod"),
    "environment:PROD": (PROD, "env:prod"),
    "-env:prod": (Not(PROD), "-env:prod"),
    "project:payments AND class:prod": (
        And((Is(BY_NAME["project"], "payments"), Is(BY_NAME["class"], "prod"))),
        "project:payments class:prod",
    ),
    "(connection:github-* OR env:prod)": (
        Or((StartsWith(BY_NAME["connection"], "github-"), PROD)),
        "connection:github-* OR env:prod",
    ),
}
FOREIGN = {
    "a person": ("actor:alice", "the field actor"),
    "a time": ("env:prod since:7d", "the field time"),
    "a word": ("replica", "the words 'replica'"),
    "words of other letters": ('"r\u00e9plique lente"', "the words 'r\\xe9plique lente'"),
    "a membership": ("in:deployment/dep-1", "in:deployment"),
    "deep within": ("env:prod (class:prod OR -(env:dev unit:*))", "the field unit"),
    "the first of two": ('env:a "b c" id:x', "the words 'b c'"),
}
UNREADABLE = {
    "an open parenthesis": "env:prod (",
    "a field that nobody knows": "enviroment:prod",
    "nothing behind a field": "env:",
    "a class that nobody knows": "class:production",
    "half a character": "env:\ud800",
    "a zero byte": "env:\0",
}


@pytest.mark.parametrize("text", SCOPES)
def test_a_scope_is_a_query_with_one_text(text: str) -> None:
    found = scope(text)
    assert (found, written(found)) == SCOPES[text]
    assert scope(written(found)) == found


@pytest.mark.parametrize("reason", FOREIGN)
def test_what_no_scope_may_have_is_named_beside_what_it_may(reason: str) -> None:
    text, named = FOREIGN[reason]
    with pytest.raises(Malformed, match="project, env, class, connection and action") as caught:
        scope(text)
    assert f"found {named};" in str(caught.value)


def test_the_fields_of_a_scope_are_those_that_are_told() -> None:
    with pytest.raises(Malformed) as caught:
        scope("replica")
    told = str(caught.value).partition("the fields ")[2].partition(", such")[0]
    assert all(name in told for name in SCOPING)


@pytest.mark.parametrize("reason", UNREADABLE)
def test_what_is_no_query_is_told_where(reason: str) -> None:
    with pytest.raises(Malformed, match=r"^scope: column [0-9]+: expected "):
        scope(UNREADABLE[reason])


@pytest.mark.parametrize("part", ["(", "-(", "env:a OR (env:b "])
def test_no_depth_is_too_much(part: str) -> None:
    text = part * 20_000 + "env:prod" + ")" * 20_000
    assert "env:prod" in written(scope(text))


def test_what_lies_outside_of_a_scope_is_not_recorded_with_it() -> None:
    who = Principal("token:ci", "github:bob", frozenset({Permission.RECORD}), scope("env:prod"))
    prod, dev = ({"where": {"environment": name}} for name in ("prod", "dev"))

    def covers(event: Mapping[str, Any]) -> bool:
        return event.get("where") == prod["where"]

    refuse_outside(who, prod, covers=covers)
    for outside in (dev, {}):
        with pytest.raises(NotPermitted, match=r"^token:ci: expected an event within env:prod,"):
            refuse_outside(who, outside, covers=covers)
    everywhere = who._replace(scope=scope(""))
    refuse_outside(everywhere, dev, covers=lambda _: False)


REACHED = {
    "everything": ("", True),
    "that project": ("project:payments", True),
    "one that begins so": ("project:pay*", True),
    "somewhere in it": ("env:prod project:payments -action:build.*", True),
    "an environment": ("env:prod", True),
    "one of several": ("project:(web OR payments)", True),
    "another": ("project:web", False),
    "another's environment": ("env:prod project:web", False),
    "all but that": ("-project:payments env:prod", False),
    "another, or an environment": ("project:web OR env:prod", True),
    "none": ("-project:*", False),
}


@pytest.mark.parametrize("what", REACHED)
def test_a_project_is_reached_where_one_of_its_events_may_be(what: str) -> None:
    text, is_reached = REACHED[what]
    who = Principal("token:ci", "github:bob", frozenset({Permission.RECORD}), scope(text))
    with nullcontext() if is_reached else pytest.raises(NotPermitted, match=r"^token:ci: expected"):
        refuse_project(who, "payments")
