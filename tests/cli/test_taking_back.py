"""A dash before a term takes it back, before a letter it is an option."""

from __future__ import annotations

import pytest

from deploytrail.cli.taking_back import as_typed, taken_back

TERMS = ["-action:build.*", "-env:prod", "-replica", '-"read replica"', "-(a OR b)", '-"x"*']
OPTIONS = ["-n", "-n5", "-h", "--json", "--count=3", "-", "--", "env:prod", "word", ""]


@pytest.mark.parametrize("word", TERMS)
def test_a_term_is_no_option_and_comes_back_as_it_was(word: str) -> None:
    assert not taken_back(word).startswith("-")
    assert as_typed(taken_back(word)) == word


@pytest.mark.parametrize("word", OPTIONS)
def test_an_option_stays_one(word: str) -> None:
    assert taken_back(word) == word
