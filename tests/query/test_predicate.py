"""A filter as a question to one event: the same answer as the plainest way of deciding it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.errors import Malformed
from deploytrail.event import (
    Actor,
    Auth,
    Command,
    Error,
    Event,
    Links,
    Policy,
    Raw,
    Reason,
    Source,
    Target,
    Vcs,
    Violation,
    Where,
)
from deploytrail.query.fields import BY_NAME, folded, known_as
from deploytrail.query.parse import parse
from deploytrail.query.predicate import predicate
from deploytrail.query.tree import (
    EVERYTHING,
    NOTHING,
    And,
    Exists,
    Filter,
    Is,
    Not,
    Or,
    StartsWith,
    Within,
)
from tests.events import ALICE, BOB, event
from tests.fakes import NOON
from tests.index.oracle import matches
from tests.query.filters import PERSONS, filters, shown, shown_events
from tests.searching import examples

ENV = BY_NAME["env"]
DEPLOYED = event(
    actor=Actor(
        type="agent",
        id="github:alice",
        name="Alice Example",
        roles=("admin", "on-call"),
        auth=Auth(method="oidc", assurance=2),
    ),
    on_behalf_of=BOB,
    duration_ms=90_000,
    where=Where(
        project="payments",
        environment="Prod",
        environment_class="prod",
        raw=Raw(repository="acme/infra", path="live/prod"),
    ),
    targets=(Target(type="aws_instance", id='web["a"]'), Target(type="dns", name="the zone")),
    reason=Reason(from_="stated", text="the read replica lags", tickets=("OPS-7",), emergency=True),
    links=Links(repository="acme/app", ref="feature/STRASSE", plan="sha256:0a1b"),
    error=Error(code="E42", text="read failed; replica is gone"),
    policy=Policy(
        engine="opa", decision="deny", violations=(Violation(rule="r1", text="no tags"),)
    ),
    vcs=Vcs(message="Fix: größer"),
    command=Command(
        tool="terraform", exit_code=1, arguments=("apply", "-auto"), variables={"TF_LOG": "trace"}
    ),
    source=Source(tool="terraform", instance="local", imported=True, url="https://ci.test/run/7"),
)


def asked(text: str, found: Event = DEPLOYED) -> bool:
    return predicate(parse(text, now=NOON))(shown(found, index=7))


MATCHING = """
    actor:github:alice actor:Alice actor:"alice example" actor:alice* actor:git* actor:*
    actor:YWxpY2UtYWxpY2UtYWxpYw for:bob for:Bob for:github:* actor.type:agent role:admin
    role:on-call role:adm* auth:oidc assurance:2 assurance:1..3 assurance:<=2 env:prod env:PROD
    env:p* class:prod repo:acme/infra repo:acme/app repository:acme/* path:live/*
    target:"web[\\"a\\"]" target:web* target.type:dns target.type:aws* reason:stated reason:*
    ticket:ops-7 emergency:true error:e42 policy:deny rule:r1 command:terraform exit_code:1
    duration:90s duration:>89s duration:1m..2m imported:yes index:7 index:>=7 plan:sha256:0a1b
    time:2026-11-22 time:2026-11-22T12:00 time:>=now since:now -until:now since:1d logged:today
    "read replica" "the read repl"* replica READ "read failed" größer GRÖSSER strasse
    "feature strasse" "acme infra" infra deployment.started "no tags" trace auto "ops 7" e42 zone
    "alice example" "https ci test" -"replica read" -observed:* -attempt:* -incident:* -trigger:*
"""
SILENT = """
    actor:bob actor:ali for:alice for:alice* role:ops assurance:3 assurance:<2 env:dev env:rod
    class:dev repo:acme path:prod target:web target.type:ec2 reason:none ticket:ops -emergency:true
    duration:90001 duration:<90s exit_code:0 index:8 time:2026-11-21 until:now since:2026-11-23
    "replica read" "lags read" repl replicas "lags stated" TF_LOG "tags e42" observed:* "infra live"
    -imported:true attempt:1
"""


def terms(text: str) -> list[str]:
    """Apart at blanks that stand in no quotes."""
    found: list[str] = []
    for piece in text.split():
        if found and found[-1].replace('\\"', "").count('"') % 2:
            found[-1] += f" {piece}"
        else:
            found.append(piece)
    return found


@pytest.mark.parametrize("text", terms(MATCHING))
def test_an_event_matches(text: str) -> None:
    assert asked(text)
    assert not asked(f"-({text})")


@pytest.mark.parametrize("text", terms(SILENT))
def test_an_event_does_not_match(text: str) -> None:
    assert not asked(text)
    assert asked(f"-({text})")


def test_everything_and_nothing_are_decided_without_looking() -> None:
    assert predicate(EVERYTHING)({})
    assert not predicate(NOTHING)({})


def test_a_phrase_stands_in_one_text() -> None:
    apart = event(reason=Reason(from_="stated", text="the read"), vcs=Vcs(message="replica lags"))
    assert asked("read replica", apart)
    assert not asked('"read replica"', apart)


def test_a_reason_of_none_is_no_reason() -> None:
    without = event(reason=Reason(from_="none"))
    assert not asked("reason:*", without)
    assert asked("reason:none", without)
    assert asked("-reason:*", event(reason=None))


def test_nobody_is_found_where_nobody_is_known() -> None:
    nobody = event(actor=Actor(type="anonymous"))
    assert not asked("actor:*", nobody)
    assert asked("actor.type:anonymous -actor:*", nobody)


def test_who_was_erased_is_found_by_the_pseudonym_alone() -> None:
    erased = {**shown(event(actor=ALICE)), "actor": {"type": "user"}}
    pseudonym = PERSONS[0][2]
    assert predicate(parse(f"actor:{pseudonym}", now=NOON))(erased)
    assert predicate(parse("actor:*", now=NOON))(erased)
    assert not predicate(parse("actor:alice", now=NOON))(erased)


def test_an_event_without_index_and_pseudonyms_is_decided_too() -> None:
    plain = {name: value for name, value in shown(DEPLOYED).items() if name not in _OURS}
    assert predicate(parse("actor:alice -index:*", now=NOON))(plain)


_OURS = ("index", "subjects")


def test_a_time_of_another_shape_is_the_same_time() -> None:
    seconds = {
        **shown(DEPLOYED),
        "time": "2026-11-22T12:00:00Z",
        "observed": "2026-11-22T13:00+01:00",
    }
    ask = predicate(parse("time:2026-11-22T12:00:00 observed:>=2026-11-22T12:00", now=NOON))
    assert ask(seconds)


def test_an_identity_is_known_by_id_name_and_what_is_behind_the_realm() -> None:
    assert list(known_as("GitHub:Alice", "Alice Example")) == [
        "github:alice",
        "alice",
        "alice example",
    ]
    assert list(known_as("oidc:a:b", None)) == ["oidc:a:b", "a:b"]
    assert list(known_as("mallory:", "")) == ["mallory:"]
    assert list(known_as(None, None)) == []


def test_what_is_derived_is_asked_of_whoever_derives_it() -> None:
    def within(asked: Within, found: Mapping[str, Any]) -> bool:
        return asked == Within("deployment", "dep-1") and found["index"] == 7

    ask = predicate(parse("in:deployment/dep-1 env:prod", now=NOON), within=within)
    assert ask(shown(DEPLOYED, index=7))
    assert not ask(shown(DEPLOYED, index=8))


def test_what_nobody_derives_is_refused() -> None:
    with pytest.raises(Malformed, match="in:deployment/ asks for what this trail does not derive"):
        predicate(parse("env:prod -in:deployment/dep-1", now=NOON))


@given(filters(), shown_events())
@examples(1_000)
def test_the_answer_is_that_of_the_plainest_way(filter: Filter, found: dict[str, Any]) -> None:
    assert predicate(filter)(found) == matches(filter, found)


@given(filters(max_leaves=4), st.lists(shown_events(), min_size=1, max_size=20))
def test_many_events_are_answered_as_each_by_itself(
    filter: Filter, found: list[dict[str, Any]]
) -> None:
    ask = predicate(filter)
    assert [ask(one) for one in found] == [matches(filter, one) for one in found]


def test_a_deep_filter_is_asked() -> None:
    deep: Filter = Is(ENV, "prod")
    for number in range(10_000):
        deep = Or((Is(ENV, f"e{number}"), Not(And((deep, Exists(ENV))))))
    # An even number of times not.
    assert predicate(deep)(shown(DEPLOYED))
    assert not predicate(Not(deep))(shown(DEPLOYED))


def test_ten_thousand_terms_are_asked() -> None:
    none = tuple(Is(ENV, f"e{number}") for number in range(10_000))
    assert not predicate(Or(none))(shown(DEPLOYED))
    assert predicate(Or((*none, Is(ENV, "prod"))))(shown(DEPLOYED))
    assert predicate(And(tuple(map(Not, none))))(shown(DEPLOYED))
    beginnings = tuple(StartsWith(ENV, f"e{number}") for number in range(10_000))
    assert not predicate(Or(beginnings))(shown(DEPLOYED))


class Counting(dict[str, Any]):
    """An event that counts how often it is looked into."""

    looks = 0

    def get(self, name: str, default: Any = None) -> Any:
        self.looks += 1
        return super().get(name, default)


def test_what_is_dear_is_asked_last() -> None:
    found = Counting(shown(DEPLOYED))
    assert not predicate(parse('"read replica" actor:alice env:dev', now=NOON))(found)
    assert found.looks == 1


def test_any_of_many_values_of_a_field_is_one_look() -> None:
    found = Counting(shown(DEPLOYED))
    values = tuple(Is(ENV, f"e{number}") for number in range(1_000))
    assert not predicate(Or(values))(found)
    assert found.looks == 1
    assert predicate(Or((*values, StartsWith(ENV, "p"))))(found)
    assert found.looks == 3


def test_texts_are_folded_on_both_sides() -> None:
    assert asked('env:"STRASSE"', event(where=Where(environment="straße")))
    assert asked("env:é", event(where=Where(environment="e\u0301")))
    assert folded("Straße") == "strasse"
