"""When something ends, as people type it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from deploytrail.cli.expiry import expiry
from deploytrail.errors import Malformed
from tests.fakes import NOON

ENDS = {
    "90d": NOON + timedelta(days=90),
    "1s": NOON + timedelta(seconds=1),
    "2026-11-23": datetime(2026, 11, 23, tzinfo=UTC),
    "2026-11-22T12:00:00.000001Z": NOON + timedelta(microseconds=1),
    "2026-11-22T14:30:00+02:00": NOON + timedelta(minutes=30),
    "never": None,
}
BAD = {
    "nothing": "",
    "a number": "90",
    "nothing to come": "0d",
    "a unit that nobody knows": "3y",
    "digits of another script": "٣d",
    "a day that is past": "2026-11-21",
    "this day, which has begun": "2026-11-22",
    "this very moment": "2026-11-22T12:00:00Z",
    "a time without zone": "2026-11-23T10:00:00",
    "a day that is none": "2026-02-30",
    "a time past all calendars": "999999w",
    "an offset past all calendars": "9999-12-31T23:59:59-14:00",
    "another word": "always",
    "what would move a cursor": "\x1b[2J",
}


@pytest.mark.parametrize("text", ENDS)
def test_an_end_is_a_span_a_day_or_a_time(text: str) -> None:
    assert expiry(text, NOON) == ENDS[text]


@pytest.mark.parametrize("reason", BAD)
def test_no_end_is_told_with_an_example(reason: str) -> None:
    with pytest.raises(Malformed, match=r"^--expires: expected a span such as 90d") as caught:
        expiry(BAD[reason], NOON)
    assert str(caught.value).isprintable()
