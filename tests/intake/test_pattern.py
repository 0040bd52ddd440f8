"""Patterns match what the same regular expression would, in linear time."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.errors import Malformed
from deploytrail.intake.pattern import pattern

PARTS = {"*": "[^/]*", "**": ".*", "{x}": "(?P<x>[^/]+)", "{y}": "(?P<y>[^/]+)"}


@given(st.lists(st.sampled_from(["a", "b", "/", *PARTS]), min_size=1, max_size=7), st.text("ab/"))
def test_it_matches_as_a_regular_expression_does(parts: list[str], text: str) -> None:
    try:
        made = pattern("".join(parts))
    except Malformed:
        return
    joined = re.sub(r"\*\*|\*|\{.\}", lambda found: PARTS[found[0]], "".join(parts))
    wanted = re.compile(joined, re.DOTALL).fullmatch(text)
    assert made.captured(text) == (None if wanted is None else wanted.groupdict())


def test_no_pattern_makes_it_slow() -> None:
    assert pattern("**a" * 170).captured("a" * 511 + "b") is None
    assert pattern("**a" * 170 + "b").captured("a" * 511 + "b") == {}


BAD = {
    "nothing": ("", "1 to 512 characters"),
    "an open brace": ("{a", "{ and } around a name"),
    "a name with a blank": ("{a b}", "{ and } around a name"),
    "a name twice": ("{a}/{a}", "{a} twice"),
    "three stars": ("a***", "more stars in a row"),
}


@pytest.mark.parametrize("reason", BAD)
def test_what_is_no_pattern_is_refused(reason: str) -> None:
    text, said = BAD[reason]
    with pytest.raises(Malformed, match=re.escape(said)):
        pattern(text)
