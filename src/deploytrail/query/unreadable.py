"""What is wrong with a query: where, what was expected, what was found, what to do.

Values only. A query may be long; of it, a person is shown what stands around the place.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from deploytrail.errors import Malformed

_AROUND: Final = 36
_FOUND_MAX: Final = 40


class Unreadable(Malformed):
    """A query that can't be read, and where; columns count characters from 1."""

    def __init__(self, query: str, column: int, expected: str, detail: str) -> None:
        super().__init__(detail)
        self.column: Final = column
        self.expected: Final = expected
        self._query = query

    @property
    def pointed(self) -> str:
        """The part of the query around the column, and under it a caret: two lines."""
        at = self.column - 1
        first = max(0, at - _AROUND)
        before = ("…" if first else "") + _drawn(self._query[first:at])
        behind = _drawn(self._query[at : at + _AROUND])
        end = "…" if at + _AROUND < len(self._query) else ""
        return f"{before}{behind}{end}\n{' ' * sum(map(_columns, before))}^"


class Refused(Exception):
    """What a part of a query can't be; `at` counts from the beginning of that part.

    Whoever knows the whole query raises `unreadable` of it.
    """

    def __init__(self, expected: str, found: str, advice: str, at: int = 0) -> None:
        super().__init__(expected)
        self.expected: Final = expected
        self.found: Final = found
        self.advice: Final = advice
        self.at: Final = at


def unreadable(query: str, at: int, expected: str, found: str, advice: str) -> Unreadable:
    """What is said of the place before which there are `at` characters."""
    column = at + 1
    detail = f"query: column {column}: expected {expected}, found {found}; {advice}"
    return Unreadable(query, column, expected, detail)


def half_a_character(query: str, error: UnicodeEncodeError) -> Unreadable:
    """Of a query that is no text, as it was found when it was to be encoded."""
    advice = "encode it as UTF-8"
    return unreadable(query, error.start, "Unicode", "half of a character", advice)


def shortened(text: str) -> str:
    """What was found, in quotes and at a length that a message can hold."""
    return repr(text if len(text) <= _FOUND_MAX else text[: _FOUND_MAX - 1] + "…")


def _drawn(text: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in text)


def _columns(one: str) -> int:
    """How many columns of a terminal a character takes (UAX #11)."""
    if unicodedata.category(one) == "Mn":
        return 0
    return 2 if unicodedata.east_asian_width(one) in "WF" else 1
