"""One term of a query: a field and its value, or free words, as a filter.

Pure. What a value may be depends on the field's kind; whatever it can't be is refused with what it
can.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from deploytrail.query.fields import BY_NAME, Field, Kind, folded
from deploytrail.query.moments import Stretch, moment, stretch
from deploytrail.query.tree import (
    EVERYTHING,
    Between,
    Exists,
    Filter,
    Is,
    Not,
    StartsWith,
    Within,
    Words,
)
from deploytrail.query.unreadable import Refused, shortened
from deploytrail.query.words import words

MEMBERSHIPS: Final = ("deployment",)
"""What `in:` can name."""
SINCE: Final = "since"
UNTIL: Final = "until"
IN: Final = "in"
NO_FIELDS: Final = {
    SINCE: "at or after that time",
    UNTIL: "before that time",
    IN: "what belongs to it, as in:deployment/ID",
}
"""What stands before a colon and is no field of an event."""
_TIME: Final = BY_NAME["time"]
_YES: Final = ("true", "yes")
_NO: Final = ("false", "no")
_NAME_CHARACTERS_MAX: Final = 64


def term(name: str, text: str, *, is_quoted: bool, is_prefix: bool, now: datetime) -> Filter:
    """`name:text`; of a quoted text the quotes are gone, and `is_prefix` is the star behind it.

    Raises Refused, whose place counts from the beginning of the text.
    """
    if not is_quoted:
        text, is_prefix = _unstarred(text)
        comma = text.find(",")
        if comma >= 0:
            advice = f"write '{name}:(a OR b)' for several, or quote the value"
            raise Refused("a value without a comma", shortened(text), advice, comma)
    if not text and not is_prefix:
        raise Refused("a value", "nothing", f"write '{name}:*' for any")
    if name in NO_FIELDS:
        return _derived(name, text, is_prefix=is_prefix, now=now)
    field = BY_NAME[name]
    if not text:
        return Exists(field)
    if field.kind in (Kind.NUMBER, Kind.TIME):
        if is_prefix:
            raise Refused("a whole value", shortened(text + "*"), "write a range, as 1..5")
        return _between(field, text, now)
    if field.kind is Kind.FLAG:
        return _flag(field, text, is_prefix=is_prefix)
    value = folded(text)
    _check_choice(field, value, is_prefix=is_prefix)
    return StartsWith(field, value) if is_prefix else Is(field, value)


def free(text: str, *, is_quoted: bool, is_prefix: bool) -> Filter:
    """Words, or a phrase; `*` alone is everything."""
    if not is_quoted:
        text, is_prefix = _unstarred(text)
        if not text and is_prefix:
            return EVERYTHING
    found = words(text)
    if not found:
        raise Refused(
            "a word, a phrase or field:value", shortened(text), "a word has letters or digits"
        )
    return Words(tuple(found), is_prefix)


def unknown(name: str) -> Refused:
    """That no field has this name."""
    near = near_names(name, [*BY_NAME, *NO_FIELDS])
    if not name:
        advice = "put in quotes what is no field"
    elif near:
        advice = f"did you mean {' or '.join(f'{one}:' for one in near)}?"
    else:
        advice = "docs/query.md lists the fields; put in quotes what is none"
    return Refused("a field", shortened(f"{name}:"), advice)


def near_names(name: str, known: Iterable[str]) -> list[str]:
    """Those that somebody may have meant, the nearest first."""
    # Only on the way to an error, and too heavy for the start of every command.
    from difflib import get_close_matches

    return get_close_matches(name[:_NAME_CHARACTERS_MAX].lower(), list(known), n=2, cutoff=0.6)


def _unstarred(text: str) -> tuple[str, bool]:
    star = text.find("*")
    if star < 0:
        return text, False
    if star != len(text) - 1:
        raise Refused(
            "a star at the end only", shortened(text), "quote the value if the star is part of it",
            star,
        )  # fmt: skip
    return text[:-1], True


def _derived(name: str, text: str, *, is_prefix: bool, now: datetime) -> Filter:
    if is_prefix:
        raise Refused("a whole value", shortened(text + "*"), "leave the star out")
    if name == IN:
        kind, slash, id = folded(text).partition("/")
        if kind not in MEMBERSHIPS or not slash or not id:
            raise Refused(
                " or ".join(f"{one}/ID" for one in MEMBERSHIPS), shortened(text), "name one"
            )
        return Within(kind, id)
    low = moment(text, now).low
    return Between(_TIME, low, None) if name == SINCE else Between(_TIME, None, low)


def _between(field: Field, text: str, now: datetime) -> Filter:
    for sign in (">=", "<=", ">", "<"):
        if text.startswith(sign):
            found = _at(field, text, len(sign), len(text), now)
            return {
                ">=": Between(field, found.low, None),
                ">": Between(field, found.high, None),
                "<": Between(field, None, found.low),
                "<=": Between(field, None, found.high),
            }[sign]
    dots = text.find("..")
    if dots < 0:
        return Between(field, *stretch(field, text, now))
    low = _at(field, text, 0, dots, now).low if dots else None
    high = _at(field, text, dots + 2, len(text), now).high if dots + 2 < len(text) else None
    if low is None and high is None:
        raise Refused("a range such as a..b, a.. or ..b", shortened(text), "name an end of it")
    if low is not None and high is not None and low >= high:
        raise Refused(
            "a range whose end is not before its beginning", shortened(text), "exchange its ends"
        )
    return Between(field, low, high)


def _at(field: Field, text: str, first: int, until: int, now: datetime) -> Stretch:
    try:
        return stretch(field, text[first:until], now)
    except Refused as error:
        raise Refused(error.expected, error.found, error.advice, error.at + first) from None


def _flag(field: Field, text: str, *, is_prefix: bool) -> Filter:
    value = folded(text)
    if not is_prefix and value in _YES:
        return Exists(field)
    if not is_prefix and value in _NO:
        return Not(Exists(field))
    raise Refused("true or false", shortened(text), f"write '{field.name}:true'")


def _check_choice(field: Field, value: str, *, is_prefix: bool) -> None:
    if not field.choices or value in field.choices:
        return
    if is_prefix and any(one.startswith(value) for one in field.choices):
        return
    raise Refused(
        f"one of {', '.join(field.choices)}",
        shortened(value + "*" * is_prefix),
        f"{field.name} is never anything else",
    )
