"""Times and numbers as people write them: each stands for all that lies between two others.

Pure: the time is an argument. A day is all of its moments and a minute all of its own, so a range
up to a day has that day in it; `since` and `until` take where one begins.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple, NoReturn

from deploytrail.clock import microseconds
from deploytrail.query.fields import Field, Kind
from deploytrail.query.unreadable import Refused, shortened

NUMBER_MAX: Final = 2**53 - 1
"""As in an event: every JSON parser reads it exactly."""
TIME_MIN: Final = microseconds(datetime(1, 1, 1, tzinfo=UTC))
TIME_MAX: Final = microseconds(datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))

_SECOND: Final = 1_000_000
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_ago: Final = re.compile(r"([0-9]{1,12})([smhdw])").fullmatch
_amount: Final = re.compile(r"([0-9]{1,20})(ms|[smhdw])?").fullmatch
_absolute: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})(?:-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?"
    r"(?:([Zz])|([+-])([0-9]{2}):([0-9]{2}))?)?)?"
).fullmatch
_TIME: Final = "a time such as 2026-11-22, 2026-11-22T10:11, 7d, now, today or yesterday"


class Stretch(NamedTuple):
    """All numbers, or all microseconds since 1970, from `low` up to, not including, `high`."""

    low: int
    high: int


def stretch(field: Field, text: str, now: datetime) -> Stretch:
    """What one value of a number or time field stands for; raises Refused."""
    return moment(text, now) if field.kind is Kind.TIME else _number(field, text)


def moment(text: str, now: datetime) -> Stretch:
    """A month, day, minute, second or moment in UTC; raises Refused."""
    named = _NAMED.get(text.lower())
    if named is not None:
        return named(now)
    ago = _ago(text)
    if ago is not None:
        at = microseconds(now) - int(ago[1]) * _SECONDS[ago[2]] * _SECOND
        if at < TIME_MIN:
            raise Refused("a time since the year 1", shortened(text), "take a later one")
        return Stretch(at, at + 1)
    found = _absolute(text)
    if found is None:
        raise Refused(_TIME, shortened(text), "write it so, in UTC")
    return _calendar(text, found)


def _number(field: Field, text: str) -> Stretch:
    found = _amount(text)
    if found is None or (found[2] and not field.unit):
        example = "a whole number, such as 3"
        if field.unit:
            example = "a duration such as 1500ms, 30s, 5m or 2h"
        raise Refused(example, shortened(text), "write it without sign, blanks or fractions")
    number = int(found[1])
    if found[2] and found[2] != field.unit:
        number *= _SECONDS[found[2]] * 1_000
    if number > NUMBER_MAX:
        raise Refused("a number below 2^53", shortened(text), "nothing is as large")
    return Stretch(number, number + 1)


def _this_moment(now: datetime) -> Stretch:
    at = microseconds(now)
    return Stretch(at, at + 1)


def _day(now: datetime, *, before: int = 0) -> Stretch:
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    low = microseconds(midnight - timedelta(days=before))
    return Stretch(low, low + 86_400 * _SECOND)


_NAMED: Final[dict[str, Callable[[datetime], Stretch]]] = {
    "now": _this_moment,
    "today": _day,
    "yesterday": lambda now: _day(now, before=1),
}


def _calendar(text: str, found: re.Match[str]) -> Stretch:
    year, month = int(found[1]), int(found[2])
    if not year:
        _refuse(text, "a year from 0001 to 9999", found.start(1))
    if not 1 <= month <= 12:
        _refuse(text, "a month from 01 to 12", found.start(2))
    days = monthrange(year, month)[1]
    if found[3] is None:
        return _from(date(year, month, 1), width=days * 86_400 * _SECOND)
    day = int(found[3])
    if not 1 <= day <= days:
        _refuse(text, f"a day from 01 to {days}, as {found[1]}-{found[2]} has them", found.start(3))
    if found[4] is None:
        return _from(date(year, month, day), width=86_400 * _SECOND)
    return _of_day(text, found, date(year, month, day))


def _of_day(text: str, found: re.Match[str], day: date) -> Stretch:
    for group, what, most in (
        (4, "an hour", 23),
        (5, "a minute", 59),
        (6, "a second", 59),
        (10, "an offset's hour", 23),
        (11, "an offset's minute", 59),
    ):
        if found[group] is not None and int(found[group]) > most:
            _refuse(text, f"{what} from 00 to {most}", found.start(group))
    seconds = int(found[4]) * 3_600 + int(found[5]) * 60 + int(found[6] or 0)
    at = seconds * _SECOND + int((found[7] or "").ljust(6, "0"))
    if found[9] is not None:
        offset = (int(found[10]) * 3_600 + int(found[11]) * 60) * _SECOND
        at += -offset if found[9] == "+" else offset
    width = 60 * _SECOND
    if found[6] is not None:
        width = 10 ** (6 - len(found[7] or ""))
    return _from(day, at=at, width=width)


def _from(day: date, *, at: int = 0, width: int) -> Stretch:
    low = microseconds(datetime(day.year, day.month, day.day, tzinfo=UTC)) + at
    if not TIME_MIN <= low <= TIME_MAX:
        raise Refused("a time that UTC can tell", day.isoformat(), "take another one")
    return Stretch(low, low + width)


def _refuse(text: str, expected: str, at: int) -> NoReturn:
    raise Refused(expected, shortened(text), "there is no such time", at)
