"""Figures of many tests become one line for each kind, and nothing objected to goes uncounted."""

from __future__ import annotations

import pytest

from tests.crash.figures import MINIMUMS, Figures, Properties, Tally, lines, shortfalls
from tests.crash.oracle import Broken, Lost


def test_figures_of_one_kind_are_summed_and_maxima_kept() -> None:
    properties: Properties = [("another's", 1)]
    for kills, waited in ((700, 0.25), (800, 0.125)):
        Figures(properties).tell("kills", kills=kills, lost=0, seconds_waited_max=waited)
    Figures(properties).tell("calls", fired=3)
    assert lines(properties) == [
        "calls: 3 fired",
        "kills: 1,500 kills, 0 lost, 0.250 seconds waited at most",
    ]


def told(**replaced: int) -> Properties:
    """The figures of a long run that did just enough, but for some."""
    properties: Properties = []
    for (what, name), minimum in MINIMUMS.items():
        number = minimum if isinstance(minimum, int) else 7
        bytes_max = {} if isinstance(minimum, int) else {minimum: 7}
        Figures(properties).tell(what, **{name: replaced.get(name, number)}, **bytes_max)
    return properties


def test_a_long_run_that_did_enough_falls_short_of_nothing() -> None:
    assert shortfalls(told()) == []


def test_a_long_run_that_did_too_little_says_of_what() -> None:
    assert shortfalls(told(kills=99)) == ["kills: expected 100 kills, found 99"]
    assert shortfalls(told(checked=6)) == [
        "flipped bytes: expected 7 checked, found 6",
        "truncations: expected 7 checked, found 6",
    ]
    assert len(shortfalls([])) == len(MINIMUMS)


def test_what_is_lost_and_what_is_broken_is_counted_apart() -> None:
    tally = Tally()
    for error in (Lost("an entry"), Broken("a root"), Broken("another")):
        with tally.checking("a disk"):
            raise error
    assert (tally.lost, tally.inconsistent, tally.is_clean) == (1, 2, False)
    assert tally.objections == ["a disk: an entry", "a disk: a root", "a disk: another"]


def test_an_error_of_another_kind_ends_the_test() -> None:
    tally = Tally()
    with pytest.raises(ValueError, match="a bug"), tally.checking("a disk"):
        raise ValueError("a bug")
    assert tally.is_clean
