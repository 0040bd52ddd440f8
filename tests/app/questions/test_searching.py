"""Questions to a trail, over a directory with its log, its vault and its index."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from deploytrail.app.questions.changes import changes_something
from deploytrail.app.questions.cursors import decode
from deploytrail.app.questions.searching import Limits, Searching, stats
from deploytrail.app.trails.directory import DirectoryTrail
from deploytrail.errors import Behind, Malformed, TooSlow
from deploytrail.event import Event, Reason, Where
from deploytrail.query.fields import BY_NAME
from deploytrail.query.tree import Is
from deploytrail.trail import Page
from tests.app.searched import Searched
from tests.events import BOB, event
from tests.fakes import NOON, FakeClock

STAGING = Is(BY_NAME["env"], "staging")


@pytest.fixture
def searched(trail: DirectoryTrail, clock: FakeClock) -> Iterator[Searched]:
    found = Searched(trail, clock)
    yield found
    found.close()


def at(seconds: int, **fields: Any) -> Event:
    """An event so long before noon."""
    return event(time=NOON - timedelta(seconds=seconds), **fields)


def where(environment: str) -> Where:
    return Where(project="payments", environment=environment)


def indexes(page: Page) -> list[int]:
    return [one.index for one in page.items]


def test_what_matches_comes_newest_first_as_its_readers_see_it(searched: Searched) -> None:
    searched.record(at(9, where=where("prod")), at(5), at(7, where=where("prod")))
    searched.follow()
    page = searched.searching.search("env:prod actor:alice")
    assert indexes(page) == [2, 0]
    assert page.items[0] == searched.trail.show(2)
    assert page.items[0].event["reason"] == {"from": "stated", "text": "the read replica lags"}
    assert (page.next, page.indexed, page.size) == (None, 3, 3)
    assert indexes(searched.searching.search("env:prod", order="oldest")) == [0, 2]


def test_pages_go_on_with_the_cursor_of_the_last_one(searched: Searched) -> None:
    searched.record(*(at(one) for one in range(7)))
    searched.follow()
    found, cursor = [], None
    while True:
        page = searched.searching.search("since:1h", limit=3, cursor=cursor)
        found += indexes(page)
        # What comes meanwhile is newer than what was shown, hence on no later page.
        searched.record(event(time=NOON + timedelta(seconds=1)))
        searched.follow()
        if page.next is None:
            break
        cursor = page.next
    assert found == [0, 1, 2, 3, 4, 5, 6]


def test_what_is_relative_stays_what_it_was_on_the_first_page(
    searched: Searched, clock: FakeClock
) -> None:
    searched.record(*(at(600 * one) for one in range(6)))
    searched.follow()
    first = searched.searching.search("since:1h", limit=3)
    clock.advance(seconds=3_000)
    second = searched.searching.search("since:1h", limit=3, cursor=first.next)
    assert indexes(first) + indexes(second) == [0, 1, 2, 3, 4, 5]


def _next(searched: Searched) -> str:
    searched.record(at(1), at(2))
    searched.follow()
    cursor = searched.searching.search("actor:alice", limit=1).next
    assert cursor is not None
    return cursor


FOREIGN: dict[str, dict[str, Any]] = {
    "another query": {"query": "actor:bob"},
    "another order": {"query": "actor:alice", "order": "oldest"},
    "another scope": {"query": "actor:alice", "scope": STAGING},
}


@pytest.mark.parametrize("asked", FOREIGN.values(), ids=FOREIGN)
def test_a_cursor_belongs_to_its_question(searched: Searched, asked: dict[str, Any]) -> None:
    cursor = _next(searched)
    with pytest.raises(Malformed, match="cursor: expected one of this query, order and scope"):
        searched.searching.search(**asked, cursor=cursor)


def test_a_cursor_of_a_search_is_none_of_changes(searched: Searched) -> None:
    cursor = _next(searched)
    with pytest.raises(Malformed, match="cursor: expected one of this query"):
        searched.searching.changes("actor:alice", cursor=cursor)


CURSORS = {
    "nothing": "",
    "no base64url": "%%%",
    "too short": "AAAA",
    "too long": "A" * 10_000,
    "not ASCII": "é" * 48,
    "zeros": "A" * 48,
}


@pytest.mark.parametrize("text", CURSORS.values(), ids=CURSORS)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="cursor: expected one"):
        decode(text, "actor:alice")


def test_every_changed_character_of_a_cursor_is_noticed(searched: Searched) -> None:
    cursor = _next(searched)
    for place, old in enumerate(cursor):
        changed = cursor[:place] + ("A" if old != "A" else "B") + cursor[place + 1 :]
        with pytest.raises(Malformed, match="cursor: expected one"):
            searched.searching.search("actor:alice", cursor=changed)


def test_a_phrase_is_decided_by_the_text_itself(searched: Searched) -> None:
    texts = ["read replica", "replica read", "the read replica", "a read, a replica"]
    searched.record(
        *(at(9 - n, reason=Reason(from_="stated", text=text)) for n, text in enumerate(texts))
    )
    searched.follow()
    assert indexes(searched.searching.search('"read replica"')) == [2, 0]
    assert indexes(searched.searching.search('-"read replica"', limit=1)) == [3]
    assert indexes(searched.searching.search('"read repl"*')) == [2, 0]
    (facet,) = searched.searching.facets('"read replica"', ["action"])
    assert [(one.value, one.count) for one in facet.counts] == [("deployment.started", 2)]
    assert facet.is_exact


def test_what_is_out_of_scope_looks_absent_everywhere(searched: Searched) -> None:
    searched.record(
        at(1, where=where("prod"), actor=BOB), at(2, where=where("staging")), at(3), at(4)
    )
    searched.follow()
    ask = searched.searching
    assert indexes(ask.search(scope=STAGING)) == [1]
    assert indexes(ask.search("-env:staging", scope=STAGING)) == []
    assert indexes(ask.search("env:prod OR actor:alice", scope=STAGING)) == [1]
    assert indexes(ask.changes(scope=STAGING)) == [1]
    env, actor = ask.facets("", ["env", "actor"], scope=STAGING)
    assert [(one.value, one.count) for one in env.counts] == [("staging", 1)]
    assert [(one.value, one.count) for one in actor.counts] == [("github:alice", 1)]
    assert sum(bar.count for bar in ask.histogram("", scope=STAGING).bars) == 1
    assert ask.suggest("env", "", scope=STAGING) == ["staging"]
    assert ask.suggest("actor", "bob", scope=STAGING) == []


def test_facets_count_what_has_no_value_too(searched: Searched) -> None:
    searched.record(at(1, where=where("Prod")), at(2, where=where("prod")), at(3))
    searched.follow()
    env, imported = searched.searching.facets("", ["environment", "imported"])
    assert (env.field, env.is_exact) == ("env", True)
    assert [(one.value, one.count) for one in env.counts] == [("Prod", 2), (None, 1)]
    assert [(one.value, one.count) for one in imported.counts] == [(None, 3)]


def test_bars_are_as_wide_as_people_think_of_time(searched: Searched) -> None:
    searched.record(at(0), at(59), at(61, outcome="failure", action="deployment.failed"), at(3600))
    searched.follow()
    found = searched.searching.histogram("since:1h", bars=60)
    assert len(found.bars) <= 60
    assert {bar.until[17:] for bar in found.bars} == {"00.000000Z"}
    assert sum(bar.count for bar in found.bars) == 4
    assert sum(bar.outcomes.get("failure", 0) for bar in found.bars) == 1
    assert [bar.until for bar in found.bars[:-1]] == [bar.since for bar in found.bars[1:]]


def test_bars_without_events_are_there_too(searched: Searched) -> None:
    searched.record(at(0))
    searched.follow()
    query = "since:2026-11-01T00:00:00Z until:2026-11-02T00:00:00Z"
    bars = searched.searching.histogram(query, bars=24).bars
    assert [bar.count for bar in bars] == [0] * 24
    assert bars[0].since == "2026-11-01T00:00:00.000000Z"
    assert bars[-1].until == "2026-11-02T00:00:00.000000Z"
    assert searched.searching.histogram("env:nowhere").bars == ()


def test_changes_are_what_changed_and_what_went_past_a_rule(searched: Searched) -> None:
    searched.record(
        at(9, action="plan.created"),
        at(8, action="config.updated"),
        at(7, action="resource.read"),
        at(6, action="policy.check.overridden"),
        at(5, action="deployment.failed", outcome="failure"),
        at(4, action="build.finished"),
    )
    searched.follow()
    assert indexes(searched.searching.changes()) == [4, 3, 1]
    assert indexes(searched.searching.changes("action:config.*")) == [1]
    first = searched.searching.changes(limit=2)
    assert indexes(searched.searching.changes(limit=2, cursor=first.next)) == [1]


CHANGING = {
    "deployment.started": True, "deployment.requested": False, "state.read": False,
    "secret.rotated": True, "runtime.exec.started": True, "access.denied": False,
    "code.protection.bypassed": True, "code.pushed": False, "drift.out_of_band.noticed": True,
    "breakglass.opened": True, "policy.check.passed": False, "approval.granted": False,
}  # fmt: skip


@pytest.mark.parametrize(("action", "is_change"), CHANGING.items())
def test_an_action_changes_something_or_only_looks(action: str, is_change: bool) -> None:
    assert changes_something(action) == is_change


def test_without_an_index_there_is_nothing_to_search(searched: Searched) -> None:
    searched.record(at(1))
    with pytest.raises(Behind, match="index: expected one to search in"):
        searched.searching.search()


def test_an_entry_is_waited_for_for_a_bounded_time(trail: DirectoryTrail, clock: FakeClock) -> None:
    searched = Searched(trail, clock, Limits(wait_seconds=1))
    searched.record(at(1), at(2))
    searched.follow()
    assert indexes(searched.searching.search(after=1)) == [0, 1]
    searched.record(at(0))
    with pytest.raises(Behind, match="expected it to have read entry 2 within 1 s"):
        searched.searching.search(after=2)
    assert indexes(searched.searching.search()) == [0, 1]
    searched.close()


class Hurrying(FakeClock):
    """A clock on which a second goes by each time that it is looked at."""

    def monotonic(self) -> float:
        self.advance(seconds=1)
        return super().monotonic()


def test_the_time_of_an_answer_is_one_however_often_it_looks_on(trail: DirectoryTrail) -> None:
    # Each event has both words, none the phrase: it is looked at, in vain, in ever larger runs.
    searched = Searched(trail, Hurrying(), Limits(seconds=12))
    text = Reason(from_="stated", text="read the replica")
    searched.record(*(at(one, reason=text) for one in range(600)))
    searched.follow()
    with pytest.raises(TooSlow):
        searched.searching.search('"read replica"', limit=1)
    patient = Searching(trail, searched.indexes, Hurrying(), Limits(seconds=1000))
    assert patient.search('"read replica"', limit=1).items == ()
    assert len(patient.search('"read the replica"', limit=7).items) == 7
    searched.close()


def test_a_query_that_takes_too_long_says_what_to_narrow(trail: DirectoryTrail) -> None:
    searched = Searched(trail, Hurrying(), Limits(seconds=0.5))
    searched.record(at(1))
    searched.follow()
    with pytest.raises(TooSlow, match=r"within 0\.5 s, found none yet; narrow it"):
        searched.searching.search("env:prod actor:bob")
    searched.close()


def _bad(name: str, **given: Any) -> tuple[str, dict[str, Any]]:
    return name, given


BAD = {
    "no pages": (_bad("search", limit=0), "limit: expected 1 to"),
    "too long a page": (_bad("search", limit=1001), "limit: expected 1 to"),
    "no order": (_bad("search", order="random"), "order: expected newest or oldest"),
    "an unknown field": (_bad("search", query="enviro:prod"), "expected a field"),
    "a facet of no field": (_bad("facets", query="", fields=["host"]), "field: expected one"),
    "a facet of times": (_bad("facets", query="", fields=["time"]), "ask for a histogram"),
    "a facet of places": (_bad("facets", query="", fields=["index"]), "whose values repeat"),
    "no bars": (_bad("histogram", query="", bars=0), "bars: expected 1 to"),
    "nobody's membership": (_bad("search", query="in:deployment/x"), "in:"),
    "an entry to come": (_bad("search", after=1), "after: expected the index of an entry, below 1"),
}


@pytest.mark.parametrize(("asked", "said"), BAD.values(), ids=BAD)
def test_a_question_that_makes_no_sense_is_refused(
    searched: Searched, asked: tuple[str, dict[str, Any]], said: str
) -> None:
    searched.record(at(1))
    searched.follow()
    name, given = asked
    with pytest.raises(Malformed, match=said):
        getattr(searched.searching, name)(**given)


def test_the_tail_goes_on_behind_an_entry_and_misses_none(searched: Searched) -> None:
    searched.record(at(3), at(2, actor=BOB), at(1))
    tail = searched.searching.tail("actor:alice", after=0)
    assert next(tail).index == 2
    searched.record(at(0, actor=BOB), at(0))
    assert next(tail).index == 4
    searched.record(at(0))
    assert next(tail).index == 5


def test_stats_say_how_far_it_is(searched: Searched) -> None:
    assert stats(searched.trail, size_signed=0, followers={}).logged is None
    receipts = searched.record(at(2), at(1))
    found = stats(searched.trail, size_signed=1, followers={"index": 2})
    assert (found.size, found.size_signed, found.followers) == (2, 1, {"index": 2})
    assert found.logged == receipts[1].logged
    assert found.origin == searched.trail.origin


def test_another_index_takes_the_place_of_the_one_that_was_open(searched: Searched) -> None:
    searched.record(at(1), at(2))
    searched.follow()
    assert indexes(searched.searching.search()) == [0, 1]
    searched.store.begin()
    searched.store.swap()
    assert indexes(searched.searching.search()) == []
    searched.follow()
    assert indexes(searched.searching.search()) == [0, 1]
