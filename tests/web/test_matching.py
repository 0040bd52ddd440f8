"""What is listened for: the same is what means the same, for as long as somebody listens."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from deploytrail.access.scope import scope
from deploytrail.clock import rfc3339
from deploytrail.query.tree import EVERYTHING
from deploytrail.web.matching import (
    READ_AT_ONCE_CHARACTERS_MAX,
    Asked,
    Matching,
    compiler,
    everything,
)
from tests.fakes import NOON, FakeClock

LONG = " OR ".join(["env:prod", "action:x", "outcome:failure"] * 100)
RELATIVE = ("since:5s", "until:1h", "time:>1d", "time:today", "time:yesterday", "logged:<now")
PLAIN = ("env:prod", "reader", '-"read replica" (env:a OR env:b)', "since:2026-11-22", LONG)


def asked(matching: Matching, query: str, within: str = "") -> Asked:
    return asyncio.run(matching.of(query, scope(within) if within else EVERYTHING))


def test_who_asks_for_the_same_is_asked_once() -> None:
    clock = FakeClock()
    matching = Matching(compiler(clock))
    assert len(LONG) > READ_AT_ONCE_CHARACTERS_MAX
    for query in PLAIN:
        first = matching.begin(asked(matching, query))
        clock.advance(seconds=86_400)
        assert matching.begin(asked(matching, f" {query} ")) is first
    assert matching.begin(asked(matching, "")) is everything


def test_who_asks_within_another_scope_asks_for_something_else() -> None:
    matching = Matching(compiler(FakeClock()))
    wide, narrow = asked(matching, "reader"), asked(matching, "reader", "env:prod")
    assert matching.begin(wide) is not matching.begin(narrow)
    # Whoever names the scope, it is the same.
    assert matching.begin(asked(matching, "env:prod reader")) is matching.begin(narrow)


def test_a_time_is_what_it_is_to_whom_it_was_said() -> None:
    clock = FakeClock()
    matching = Matching(compiler(clock))
    before = {query: matching.begin(asked(matching, query)) for query in RELATIVE}
    moment = {"time": rfc3339(NOON - timedelta(seconds=1)), "logged": rfc3339(NOON)}
    assert before["since:5s"](moment)
    clock.advance(seconds=2 * 86_400)
    later = {query: matching.begin(asked(matching, query)) for query in RELATIVE}
    assert not [query for query in RELATIVE if later[query] is before[query]]
    assert before["since:5s"](moment)
    assert not later["since:5s"](moment)
    assert before["time:today"](moment)
    assert not later["time:today"](moment)


def test_a_day_is_the_same_all_day() -> None:
    clock = FakeClock()
    matching = Matching(compiler(clock))
    noon = matching.begin(asked(matching, "time:today"))
    clock.advance(seconds=3_600)
    assert matching.begin(asked(matching, "time:today")) is noon


def test_what_counts_is_what_somebody_listens_for_now_and_once() -> None:
    matching = Matching(compiler(FakeClock()))
    one, other = asked(matching, "env:prod"), asked(matching, "env:test")
    assert (matching.characters_with(one), matching.characters_with(one)) == (8, 8)
    matching.begin(one)
    matching.begin(one)
    assert matching.characters_with(one) == 8
    assert matching.characters_with(other) == 16
    assert not matching.end(one)
    assert matching.characters_with(other) == 16
    assert matching.end(one)
    assert matching.characters_with(other) == 8
