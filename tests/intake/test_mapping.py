"""Rules place what tools say, the first that matches; what none places is unknown."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.errors import Malformed
from deploytrail.event import Raw, Where
from deploytrail.intake.mapping import NOWHERE, Places, canonical, places
from deploytrail.intake.pattern import pattern
from deploytrail.intake.tables import Faults
from tests.quickly import quickly

FILE = """
[prod]
class = "prod"
aliases = ["production", "Live"]

[staging]
class = "staging"
mode = "async"

[[where]]
name = "infra-live"
match = "repository:acme/infra path:live/{environment}/{unit}/**"
project = "payments"

[[where]]
match = "cluster:prod-* namespace:{project}"
environment = "prod"

[[where]]
match = 'application:"{project} {unit}"'
"""


def declared(text: str = FILE) -> Places:
    faults = Faults("environments.toml", text)
    found = places(tomllib.loads(text), faults)
    assert faults.found == []
    return found


PLACED: dict[str, tuple[Raw, Where | None, tuple[str | None, ...]]] = {
    "captured": (
        Raw(repository="acme/infra", path="live/prod/network/main.tf"),
        None,
        ("payments", "network", "prod", "prod", "infra-live"),
    ),
    "by another name": (
        Raw(repository="acme/infra", path="live/LIVE/network/x"),
        None,
        ("payments", "network", "prod", "prod", "infra-live"),
    ),
    "an environment that is not declared": (
        Raw(repository="acme/infra", path="live/qa/network/x"),
        None,
        ("payments", "network", "qa", None, "infra-live"),
    ),
    "a rule without a name": (
        Raw(cluster="prod-eu-1", namespace="shop"),
        None,
        ("shop", "unknown", "prod", "prod", "where-2"),
    ),
    "what a rule leaves open is the tool's": (
        Raw(cluster="prod-eu-1", namespace="shop"),
        Where(unit="cart", environment="staging"),
        ("shop", "cart", "prod", "prod", "where-2"),
    ),
    "a pattern with a blank": (
        Raw(application="shop cart"),
        None,
        ("shop", "cart", "unknown", None, "where-3"),
    ),
    "one field of two": (
        Raw(repository="acme/infra"),
        None,
        ("unknown", "unknown", "unknown", None, None),
    ),
    "no rule, the tool says": (
        Raw(repository="acme/web"),
        Where(environment="production"),
        ("unknown", "unknown", "prod", "prod", None),
    ),
    "a star is no slash": (
        Raw(cluster="prod-a/b", namespace="shop"),
        None,
        ("unknown", "unknown", "unknown", None, None),
    ),
}


@pytest.mark.parametrize("why", PLACED)
def test_where_it_happened(why: str) -> None:
    raw, claimed, expected = PLACED[why]
    found = declared().placed(raw, claimed)
    assert (
        found.project,
        found.unit,
        found.environment,
        found.environment_class,
        found.mapping,
    ) == expected
    assert found.raw is raw


def test_without_rules_everything_is_unknown() -> None:
    found = NOWHERE.placed(Raw(repository="acme/infra"))
    assert (found.project, found.unit, found.environment) == ("unknown",) * 3


def test_what_is_declared_is_the_same_when_it_is_written_out() -> None:
    found = declared()
    faults = Faults("applied", None)
    again = places(canonical(found), faults)
    assert faults.found == []
    assert canonical(again) == canonical(found)


FAULTY: dict[str, tuple[str, str]] = {
    "no class": ("[prod]\n", "line 1: prod.class: is missing; expected dev, test, staging or prod"),
    "another class": ('[prod]\nclass = "live"\n', "line 2: prod.class: expected dev, test"),
    "a mode that is none": (
        '[prod]\nclass = "prod"\nmode = "stric"\n',
        "line 3: prod.mode: expected strict, guarded or async, found 'stric'; did you mean strict?",
    ),
    "a field that is none": ('[prod]\nclass = "prod"\ncolour = "red"\n', "line 3: prod.colour"),
    "a name twice": (
        '[prod]\nclass = "prod"\naliases = ["live"]\n[old]\nclass = "prod"\naliases = ["LIVE"]\n',
        "expected a name that no other environment has, found 'LIVE', which is prod",
    ),
    "no pattern": ('[[where]]\nproject = "shop"\n', "line 1: where[0].match: is missing"),
    "a field of no place": (
        '[[where]]\nmatch = "repo:acme/*"\nproject = "shop"\n',
        "expected a field of a place, found 'repo'",
    ),
    "a rule that says nothing": (
        '[[where]]\nmatch = "repository:acme/*"\n',
        "expected a project, a unit or an environment beside it",
    ),
    "a capture that is none": (
        '[[where]]\nmatch = "repository:acme/{name}"\nproject = "{nme}"\n',
        "expected what its match captures (name), found {nme}",
    ),
    "an environment that is none": (
        '[[where]]\nmatch = "repository:acme/*"\nenvironment = "prod"\n',
        "expected an environment of this file",
    ),
    "three stars": (
        '[[where]]\nmatch = "repository:acme/***"\nproject = "shop"\n',
        "expected * or **, found more stars",
    ),
}


@pytest.mark.parametrize("why", FAULTY)
def test_what_is_wrong_is_told_with_its_line(why: str) -> None:
    text, expected = FAULTY[why]
    faults = Faults("config/environments.toml", text)
    places(tomllib.loads(text), faults)
    assert any(expected in each for each in faults.found), faults.found
    assert all(each.startswith("config/environments.toml") for each in faults.found)


CAPTURED: dict[tuple[str, str], dict[str, str] | None] = {
    ("a*c", "abbc"): {},
    ("a*c", "ab/c"): None,
    ("a**c", "ab/c"): {},
    ("{one}/{two}", "x/y"): {"one": "x", "two": "y"},
    ("{one}/{two}", "x/"): None,
    ("{one}-{two}", "a-b-c"): {"one": "a-b", "two": "c"},
    ("acme/infra", "acme/infra"): {},
    ("acme/infra", "acme/infra2"): None,
    ("**/{unit}/main.tf", "live/prod/net/main.tf"): {"unit": "net"},
}


@pytest.mark.parametrize(("text", "given"), CAPTURED)
def test_a_pattern_matches_the_whole_text(text: str, given: str) -> None:
    assert pattern(text).captured(given) == CAPTURED[text, given]


def test_no_text_makes_a_pattern_slow() -> None:
    hard = pattern("*a" * 40 + "{one}" + "**b" * 20)
    quickly(lambda: hard.captured("a" * 400 + "c"))


@given(st.text("ab/*{}", max_size=12), st.text("ab/", max_size=12))
def test_whatever_a_pattern_says_it_matches_or_is_refused(text: str, given_: str) -> None:
    try:
        found = pattern(text).captured(given_)
    except Malformed:
        return
    assert found is None or all("/" not in each and each for each in found.values())
