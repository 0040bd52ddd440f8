"""A query's text as a filter tree; what can't be read is refused with the place and the reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.clock import microseconds
from deploytrail.errors import Malformed
from deploytrail.query.fields import BY_NAME
from deploytrail.query.parse import Unreadable, parse
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
from tests.fakes import NOON
from tests.searching import examples

ACTION, ACTOR, ENV, TIME = (BY_NAME[name] for name in ("action", "actor", "env", "time"))
OUTCOME, REASON, TARGET = (BY_NAME[name] for name in ("outcome", "reason", "target"))
PROD = Is(ENV, "prod")
A, B, C, D = (Words((letter,)) for letter in "abcd")
NOW = microseconds(NOON)
DAY = 86_400_000_000


def read(text: str) -> Filter:
    return parse(text, now=NOON)


def at(year: int, month: int, day: int, *time: int) -> int:
    hour, minute, second, microsecond = (*time, 0, 0, 0, 0)[:4]
    return microseconds(datetime(year, month, day, hour, minute, second, microsecond, UTC))


def refusal(text: str) -> Unreadable | None:
    try:
        read(text)
    except Unreadable as error:
        return error
    return None


GOOD: dict[str, tuple[str, Filter]] = {
    # The whole.
    "the example": (
        'actor:alice env:prod -action:build.* outcome:failure since:7d "read replica"',
        And(
            (
                Is(ACTOR, "alice"),
                PROD,
                Not(StartsWith(ACTION, "build.")),
                Is(OUTCOME, "failure"),
                Between(TIME, NOW - 7 * DAY, None),
                Words(("read", "replica")),
            )
        ),
    ),
    "nothing": ("", EVERYTHING),
    "blanks": (" \t\n\u00a0\u3000 ", EVERYTHING),
    "a star": ("*", EVERYTHING),
    "no star": ("-*", NOTHING),
    "lines": ("env:prod\n\ta", And((PROD, A))),
    # Words and phrases.
    "a word": ("Replica", Words(("replica",))),
    "a word's beginning": ("repl*", Words(("repl",), is_prefix=True)),
    "a word in two": ("read-replica", Words(("read", "replica"))),
    "a path": ("live/prod/network", Words(("live", "prod", "network"))),
    "a phrase": ('"read  replica!"', Words(("read", "replica"))),
    "a phrase's beginning": ('"read repl"*', Words(("read", "repl"), is_prefix=True)),
    "a star inside a phrase": ('"read * replica"', Words(("read", "replica"))),
    "a quoted operator": ('"OR"', Words(("or",))),
    "small operators": ("a or b", And((A, Words(("or",)), B))),
    "an operator inside a word": ("ORder", Words(("order",))),
    "a word of another script": ("東京 Straße", And((Words(("東京",)), Words(("strasse",))))),
    # Values.
    "a value with colons": ("plan:sha256:0a1b", Is(BY_NAME["plan"], "sha256:0a1b")),
    "a value's case": ("env:PROD", PROD),
    "a field's case": ("Env:prod", PROD),
    "an alias": ("environment:prod", PROD),
    "a quoted value": ('env:"a b"', Is(ENV, "a b")),
    "escapes": (r'target:"m[\"a\\b\"]"', Is(TARGET, r'm["a\b"]')),
    "a quoted value's beginning": ('env:"a b"*', StartsWith(ENV, "a b")),
    "a quoted star": ('env:"a*"', Is(ENV, "a*")),
    "a quoted comma": ('env:"a,b"', Is(ENV, "a,b")),
    "a quoted parenthesis": ('env:"(a)"', Is(ENV, "(a)")),
    "a backslash without quotes": (r"path:a\b", Is(BY_NAME["path"], r"a\b")),
    "an operator as a value": ("env:OR", Is(ENV, "or")),
    "a value that begins with a minus": ("env:-x", Is(ENV, "-x")),
    "a value's beginning": ("action:build.*", StartsWith(ACTION, "build.")),
    "any value": ("env:*", Exists(ENV)),
    "any quoted value": ('env:""*', Exists(ENV)),
    "a person's name": ('actor:"Alice Example"', Is(ACTOR, "alice example")),
    "one of several values": (
        'env:(prod OR "a b" OR c*)',
        Or((PROD, Is(ENV, "a b"), StartsWith(ENV, "c"))),
    ),
    "one value in parentheses": ("env:( prod )", PROD),
    "one of several numbers": (
        "exit_code:(1 OR >=100)",
        Or((Between(BY_NAME["exit_code"], 1, 2), Between(BY_NAME["exit_code"], 100, None))),
    ),
    "a choice": ("outcome:Failure", Is(OUTCOME, "failure")),
    "a choice's beginning": ("outcome:f*", StartsWith(OUTCOME, "f")),
    "a reason": ("reason:*", And((Exists(REASON), Not(Is(REASON, "none"))))),
    "no reason": ("reason:none", Is(REASON, "none")),
    "a flag": ("emergency:true", Exists(BY_NAME["emergency"])),
    "any flag": ("emergency:*", Exists(BY_NAME["emergency"])),
    "no flag": ("emergency:no", Not(Exists(BY_NAME["emergency"]))),
    "a deployment": ("in:deployment/dep-1", Within("deployment", "dep-1")),
    "a deployment in quotes": ('in:"deployment/a b"', Within("deployment", "a b")),
    # Numbers.
    "a number": ("assurance:2", Between(BY_NAME["assurance"], 2, 3)),
    "at least": ("assurance:>=2", Between(BY_NAME["assurance"], 2, None)),
    "more than": ("assurance:>2", Between(BY_NAME["assurance"], 3, None)),
    "at most": ("assurance:<=2", Between(BY_NAME["assurance"], None, 3)),
    "less than": ("assurance:<2", Between(BY_NAME["assurance"], None, 2)),
    "a range has its ends in it": ("assurance:1..2", Between(BY_NAME["assurance"], 1, 3)),
    "from": ("assurance:1..", Between(BY_NAME["assurance"], 1, None)),
    "up to": ("assurance:..1", Between(BY_NAME["assurance"], None, 2)),
    "leading zeros": ("assurance:007", Between(BY_NAME["assurance"], 7, 8)),
    "milliseconds": ("duration:1500", Between(BY_NAME["duration"], 1500, 1501)),
    "durations": ("duration:1s..10s", Between(BY_NAME["duration"], 1_000, 10_001)),
    "a longer duration": ("duration:>5m", Between(BY_NAME["duration"], 300_001, None)),
    "the longest units": (
        "duration:>=2h -duration:<=1w",
        And(
            (
                Between(BY_NAME["duration"], 7_200_000, None),
                Not(Between(BY_NAME["duration"], None, 604_800_001)),
            )
        ),
    ),
    "less than nothing": ("attempt:<0", NOTHING),
    "as much as there can be": (f"index:<={2**53 - 1}", Exists(BY_NAME["index"])),
    # Times.
    "a day": ("time:2026-11-01", Between(TIME, at(2026, 11, 1), at(2026, 11, 2))),
    "a month": ("time:2026-02", Between(TIME, at(2026, 2, 1), at(2026, 3, 1))),
    "a minute": (
        "time:2026-11-01T10:00",
        Between(TIME, at(2026, 11, 1, 10), at(2026, 11, 1, 10, 1)),
    ),
    "a second": (
        "time:2026-11-01T10:00:07Z",
        Between(TIME, at(2026, 11, 1, 10, 0, 7), at(2026, 11, 1, 10, 0, 8)),
    ),
    "a millisecond": (
        "time:2026-11-01T10:00:07.123Z",
        Between(TIME, at(2026, 11, 1, 10, 0, 7, 123_000), at(2026, 11, 1, 10, 0, 7, 124_000)),
    ),
    "an offset": ("since:2026-11-01T10:00+02:00", Between(TIME, at(2026, 11, 1, 8), None)),
    "an offset to the west": (
        "since:2026-11-01T23:30-01:30",
        Between(TIME, at(2026, 11, 2, 1), None),
    ),
    "a blank in a time": ('since:"2026-11-01 10:00"', Between(TIME, at(2026, 11, 1, 10), None)),
    "days": ("time:2026-11-01..2026-11-02", Between(TIME, at(2026, 11, 1), at(2026, 11, 3))),
    "after a day": ("time:>2026-11-01", Between(TIME, at(2026, 11, 2), None)),
    "up to a day": ("time:<=2026-11-01", Between(TIME, None, at(2026, 11, 2))),
    "before a day": ("time:<2026-11-01", Between(TIME, None, at(2026, 11, 1))),
    "since a day": ("since:2026-11-01", Between(TIME, at(2026, 11, 1), None)),
    "until a day": ("until:2026-11-01", Between(TIME, None, at(2026, 11, 1))),
    "ago": ("since:90s", Between(TIME, NOW - 90_000_000, None)),
    "hours ago": ("until:2h", Between(TIME, None, NOW - 7_200_000_000)),
    "minutes and weeks ago": (
        "time:1w..30m",
        Between(TIME, NOW - 7 * DAY, NOW - 1_800_000_000 + 1),
    ),
    "now": ("until:now", Between(TIME, None, NOW)),
    "today": ("time:today", Between(TIME, at(2026, 11, 22), at(2026, 11, 23))),
    "yesterday": ("since:Yesterday", Between(TIME, at(2026, 11, 21), None)),
    "other times": ("logged:>=today", Between(BY_NAME["logged"], at(2026, 11, 22), None)),
    "a leap day": ("time:2028-02-29", Between(TIME, at(2028, 2, 29), at(2028, 3, 1))),
    "the first day": ("since:0001-01-01", Between(TIME, at(1, 1, 1), None)),
    "the last day": ("time:>=9999-12-31", Between(TIME, at(9999, 12, 31), None)),
    "after the last day": ("time:>9999-12-31", NOTHING),
    # And, or, not.
    "and": ("a AND b c", And((A, B, C))),
    "or": ("a OR b", Or((A, B))),
    "or binds less": ("a b OR c d", Or((And((A, B)), And((C, D))))),
    "parentheses": ("a (b OR c) d", And((A, Or((B, C)), D))),
    "parentheses without blanks": ("(a)(b)", And((A, B))),
    "operators beside parentheses": ("(a)OR(NOT(b))", Or((A, Not(B)))),
    "operators beside quotes": ('a AND NOT"b"', And((A, Not(B)))),
    "not": ("-a NOT b", And((Not(A), Not(B)))),
    "not a group": ("-(a OR b)", Not(Or((A, B)))),
    "not not": ("--a NOT -b NOT NOT c", And((A, B, C))),
    "a minus inside a word": ("a -b-c", And((A, Not(Words(("b", "c")))))),
    # Simplified.
    "and in and": ("(a (b (c))) d", And((A, B, C, D))),
    "or in or": ("a OR (b OR (c OR d))", Or((A, B, C, D))),
    "twice": ("a a OR a", A),
    "everything in and": ("a *", A),
    "everything in or": ("a OR *", EVERYTHING),
    "nothing in and": ("a -*", NOTHING),
    "nothing in or": ("a OR -*", A),
}


@pytest.mark.parametrize("what", GOOD)
def test_a_query_is_read(what: str) -> None:
    text, expected = GOOD[what]
    assert read(text) == expected


BAD: dict[str, tuple[str, int, str]] = {
    # Fields.
    "an unknown field": ("a envv:prod", 3, "expected a field, found 'envv:'; did you mean env:?"),
    "a field like two": ("targets:x", 1, "did you mean target: or"),
    "a field like none": ("zzz:x", 1, "docs/query.md lists the fields; put in quotes what is none"),
    "a realm as a field": ("github:alice", 1, "expected a field, found 'github:'"),
    "a colon first": ("a :b", 3, "expected a field, found ':'; put in quotes what is no field"),
    "a time as a field": ("12:30", 1, "expected a field, found '12:'"),
    # Values.
    "no value": ("env:", 5, "expected a value, found the end; write it right behind the colon"),
    "a blank before the value": ("env: prod", 5, "expected a value, found a blank"),
    "a closed parenthesis as a value": ("(env:)", 6, "expected a value, found ')'"),
    "an empty value": ('env:""', 6, "expected a value, found nothing; write 'env:*' for any"),
    "a star inside a value": ("env:a*b", 6, "expected a star at the end only, found 'a*b'"),
    "a star inside a word": ("re*d", 3, "expected a star at the end only, found 're*d'"),
    "a comma": ("env:a,b", 6, "write 'env:(a OR b)' for several, or quote the value"),
    "a quote inside a value": ('env:pr"od"', 7, "expected the end of the term, found '\"'"),
    "a parenthesis inside a value": ("env:f(x)", 6, "expected the end of the term, found '('"),
    "a quote inside a word": ('a"b"', 2, "expected the end of the term, found '\"'"),
    "a parenthesis inside a word": ("f(x)", 2, "expected the end of the term, found '('"),
    "an impossible choice": (
        "outcome:failed",
        9,
        "expected one of success, failure, denied, pending, partial, unknown, found 'failed'",
    ),
    "an impossible beginning": ("severity:x*", 10, "expected one of info, low, medium, high"),
    "an impossible actor": ("actor.type:robot", 12, "expected one of user, service, agent"),
    "an impossible approval": ("approval:yes", 10, "expected one of requested, granted"),
    "no flag": ("emergency:maybe", 11, "expected true or false, found 'maybe'"),
    "half a flag": ("emergency:tru*", 11, "expected true or false"),
    "in nothing": ("in:x", 4, "expected deployment/ID, found 'x'"),
    "in no deployment": ("in:deployment/", 4, "expected deployment/ID"),
    "in all deployments": ("in:deployment/*", 4, "expected a whole value"),
    "in anything": ("in:*", 4, "expected a whole value"),
    # Values in parentheses.
    "values without OR": ("env:(a b)", 8, "expected OR or ')', found 'b'; write 'env:(a OR b)'"),
    "values that are not closed": ("env:(a", 7, "expected OR or ')', found the end"),
    "OR without a value": ("env:(a OR )", 11, "expected a value, found ')'"),
    "OR as a value": ("env:(OR OR a)", 6, "expected a value, found the operator OR"),
    "no values": ("env:()", 6, "expected a value, found ')'"),
    "parentheses in values": ("env:((a))", 6, "expected a value, found '('"),
    "a field among values": ("env:(a OR b", 12, "expected OR or ')', found the end"),
    # Quotes.
    "an open quote": ('a "b c', 3, "expected a '\"' that ends this quote, found none; close it"),
    "an open quote of a value": ('env:"b', 5, "expected a '\"' that ends this quote"),
    "an escaped end": ('"a\\"', 1, "expected a '\"' that ends this quote"),
    "an unknown escape": ('"a\\n"', 3, r"expected \" or \\ in a quote"),
    "something behind a quote": ('"a"b', 4, "expected a blank behind the quote, found 'b'"),
    "something behind a star": ('"a"*b', 5, "expected a blank behind the quote, found 'b'"),
    "something behind a value": ('env:"a"b', 8, "expected a blank behind the quote, found 'b'"),
    "three quotes": ('"""', 3, "expected a blank behind the quote, found '\"'"),
    # Words.
    "no word": ("a !? b", 3, "expected a word, a phrase or field:value, found '!?'"),
    "an empty phrase": ('""', 2, "expected a word, a phrase or field:value, found ''"),
    "a phrase of nothing": ('"..."', 2, "a word has letters or digits"),
    # And, or, not.
    "a minus alone": ("-", 2, "expected a term right behind the '-', found the end"),
    "a minus and a blank": ("a - b", 4, "expected a term right behind the '-', found a blank"),
    "a minus and a parenthesis": (
        "(-)",
        3,
        "expected a term such as env:prod or a word, found ')'",
    ),
    "NOT alone": ("NOT", 4, "found nothing behind 'NOT'; end with a term"),
    "OR first": ("OR a", 1, "found the operator OR; quote it to search for the word OR"),
    "OR last": ("a OR", 5, "found nothing behind 'OR'; end with a term"),
    "OR twice": ("a OR OR b", 6, "found the operator OR"),
    "AND then OR": ("a AND OR b", 7, "found the operator OR"),
    "OR in front of a parenthesis": ("(a OR) b", 6, "found ')' behind 'OR'"),
    "AND behind a parenthesis": ("(AND a)", 2, "found the operator AND"),
    "not an operator": ("-OR a", 2, "found the operator OR"),
    "an open parenthesis": ("a (b (c)", 3, "expected a ')' for this '(', found none; close it"),
    "a closed parenthesis": ("a) b", 2, "expected a '(' before this ')', found none"),
    "empty parentheses": ("a ()", 4, "expected a term such as env:prod or a word, found ')'"),
    # Numbers.
    "no number": ("assurance:high", 11, "expected a whole number, such as 3, found 'high'"),
    "a negative number": ("exit_code:-1", 11, "write it without sign, blanks or fractions"),
    "a fraction": ("duration:1.5h", 10, "expected a duration such as 1500ms, 30s, 5m or 2h"),
    "a unit of nothing": ("attempt:3s", 9, "expected a whole number"),
    "other digits": ("attempt:٣", 9, "expected a whole number"),
    "an underscore": ("attempt:1_0", 9, "expected a whole number"),
    "too large a number": ("index:>=9007199254740992", 9, "expected a number below 2^53"),
    "too long a number": ("index:" + "9" * 5_000, 7, "expected a whole number"),
    "too long a duration": ("duration:99999999999999w", 10, "expected a number below 2^53"),
    "a number's beginning": ("attempt:1*", 9, "expected a whole value, found '1*'"),
    "an open range": ("attempt:..", 9, "expected a range such as a..b, a.. or ..b"),
    "a range backwards": ("attempt:5..1", 9, "whose end is not before its beginning"),
    "a bad end": ("attempt:1..x", 12, "expected a whole number, such as 3, found 'x'"),
    "two comparisons": ("attempt:>=>1", 11, "expected a whole number"),
    "a comparison alone": ("attempt:>", 10, "expected a whole number, such as 3, found ''"),
    # Times.
    "no time": ("since:lately", 7, "expected a time such as 2026-11-22"),
    "30 February": ("time:2026-02-30", 14, "expected a day from 01 to 28, as 2026-02 has them"),
    "29 February": ("time:2026-02-29", 14, "there is no such time"),
    "13 months": ("time:2026-13-01", 11, "expected a month from 01 to 12"),
    "day 0": ("time:2026-01-00", 14, "expected a day from 01 to 31"),
    "month 0": ("time:2026-00", 11, "expected a month from 01 to 12"),
    "year 0": ("time:0000-01-01", 6, "expected a year from 0001 to 9999"),
    "25 o'clock": ("until:2026-01-01T25:00", 18, "expected an hour from 00 to 23"),
    "24 o'clock": ("until:2026-01-01T24:00", 18, "expected an hour from 00 to 23"),
    "60 minutes": ("until:2026-01-01T10:60", 21, "expected a minute from 00 to 59"),
    "a leap second": ("until:2026-01-01T23:59:60Z", 24, "expected a second from 00 to 59"),
    "an impossible offset": ("until:2026-01-01T10:00+24:00", 24, "expected an offset's hour"),
    "an impossible offset's minute": ("until:2026-01-01T10:00+01:99", 27, "expected an offset's"),
    "before the year 1": ("since:0001-01-01T00:00+01:00", 7, "expected a time that UTC can tell"),
    "after the year 9999": ("since:9999-12-31T23:00-02:00", 7, "expected a time that UTC can tell"),
    "too long ago": ("since:999999999999w", 7, "expected a time since the year 1"),
    "a time's beginning": ("since:2026*", 7, "expected a whole value"),
    "any time since": ("since:*", 7, "expected a whole value"),
    "a range of since": ("since:7d..1d", 7, "expected a time such as 2026-11-22"),
    "a bad beginning": ("time:2026-02-30..2026-03-01", 14, "expected a day from 01 to 28"),
    "a bad end of time": ("time:>=2026-02-30", 16, "expected a day from 01 to 28"),
    "seven decimals": ("since:2026-01-01T10:00:00.1234567Z", 7, "expected a time such as"),
    "an hour alone": ("since:2026-01-01T10", 7, "expected a time such as"),
    "a full-width digit": ("since:２d", 7, "expected a time such as"),
    # Not text.
    "half of a character": ("a \ud800", 3, "expected Unicode, found half of a character"),
    "a zero byte": ("a\0", 2, "expected text, found a zero byte"),
}


@pytest.mark.parametrize("reason", BAD)
def test_a_query_that_cannot_be_read_is_refused(reason: str) -> None:
    text, column, expected = BAD[reason]
    with pytest.raises(Unreadable) as caught:
        read(text)
    assert caught.value.column == column
    assert expected in str(caught.value)
    assert str(caught.value).startswith(f"query: column {column}: expected ")
    assert isinstance(caught.value, Malformed)


def test_what_is_wrong_is_pointed_at() -> None:
    with pytest.raises(Unreadable) as caught:
        read("actor:alice straße 東京 envv:prod")
    # The two characters of the city take two columns each.
    assert caught.value.pointed == f"actor:alice straße 東京 envv:prod\n{' ' * 24}^"
    assert caught.value.expected == "a field"
    assert str(caught.value).endswith("expected a field, found 'envv:'; did you mean env:?")


def test_of_a_long_query_the_place_is_shown() -> None:
    with pytest.raises(Unreadable) as caught:
        read("a " * 1_000 + "(b\x1b\n" + " b" * 1_000)
    drawn, caret = caught.value.pointed.split("\n")
    assert drawn[len(caret) - 1] == "("
    assert drawn.isprintable()
    assert len(drawn) < 80


def test_relative_times_are_of_the_time_given() -> None:
    earlier = NOON - timedelta(days=1)
    assert parse("since:1d", now=NOON) == parse("since:now", now=earlier)


@given(st.text() | st.text('ab:"*()- \\.,<>=0129TORANDZ', max_size=60))
@examples(300)
def test_any_text_is_read_or_refused(text: str) -> None:
    error = refusal(text)
    if error is not None:
        assert 1 <= error.column <= len(text) + 1
        assert error.pointed.count("\n") == 1
