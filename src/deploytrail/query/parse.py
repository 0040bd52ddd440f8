"""A query's text as a filter tree.

    query  = [any]
    any    = every *("OR" every)
    every  = one *(["AND"] one)
    one    = *("-" / "NOT") (term / "(" any ")")
    term   = field ":" (value / "(" value *("OR" value) ")") / words
    words  = word / quoted ["*"]
    value  = bare / quoted ["*"]

Pure: the time is an argument. In time linear in the length, and without recursion, so no number of
terms and no depth of parentheses is too much. The tests hold it against this grammar, as a library
reads it (docs/decisions/0008-a-parser-of-our-own.md).
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final, NoReturn

from deploytrail.errors import TooLarge
from deploytrail.query.algebra import Making, Part
from deploytrail.query.fields import BY_NAME
from deploytrail.query.terms import NO_FIELDS, free, term, unknown
from deploytrail.query.tree import And, Filter, Not, Or, bottom_up
from deploytrail.query.unreadable import (
    Refused,
    Unreadable,
    half_a_character,
    shortened,
    unreadable,
)

__all__ = ["QUERY_BYTES_MAX", "Unreadable", "parse"]

QUERY_BYTES_MAX: Final = 1024 * 1024
"""Of a query in UTF-8."""

# Possessive, so that nothing is tried twice. A term ends at a blank, at `)` or with the query.
_ENDS: Final = r"(?=[\s)]|\Z)"
_OPENED_QUOTE: Final = r'"([^"\\]*+(?:\\["\\][^"\\]*+)*+)'
_QUOTED: Final = rf'{_OPENED_QUOTE}"(\*?){_ENDS}'
_token: Final = re.compile(
    r'\s*+(?:([^\s()":-][^\s()":]*+)(:?)'
    r"|(\(++)|(\)++)|(-++)(?=\S)"
    rf"|{_QUOTED}"
    r"|(\Z))"
).match
_BARE, _COLON, _OPEN, _CLOSE, _MINUS, _QUOTE, _STAR, _END = range(1, 9)
# Right behind a field's colon.
_value: Final = re.compile(rf'{_QUOTED}|([^\s()"]++){_ENDS}').match
_VALUE_QUOTE, _VALUE_STAR, _VALUE_BARE = range(1, 4)
_operator: Final = re.compile(rf"(?:AND|OR|NOT){_ENDS}").match
_behind_value: Final = re.compile(r'\s*+(?:(\))|OR(?=[\s"]))').match
_blank: Final = re.compile(r"\s*+").match
_quote: Final = re.compile(_OPENED_QUOTE).match
_escape: Final = re.compile(r"\\(.)").sub
_OPERATORS: Final = frozenset({"AND", "OR", "NOT"})
_TERM: Final = "a term such as env:prod or a word"


def parse(text: str, *, now: datetime) -> Filter:
    """The filter of a query, simplified; of an empty one, everything.

    Raises Unreadable, which says where, and TooLarge over 1 MiB.
    """
    _check(text)
    return _Reading(text, now).filter()


def _check(text: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise half_a_character(text, error) from None
    if size > QUERY_BYTES_MAX:
        raise TooLarge(f"query: expected at most {QUERY_BYTES_MAX} bytes, found {size}; ask less")
    nul = text.find("\0")
    if nul >= 0:
        raise unreadable(text, nul, "text", "a zero byte", "leave it out")


class _Reading:
    """One query while it is read: the parts of the innermost parenthesis, and those around it."""

    def __init__(self, text: str, now: datetime) -> None:
        self._text = text
        self._now = now
        self._at = 0
        self._making = Making()
        self._bare: dict[str, Part] = {}
        """Of words that were read before."""
        self._any_of: list[Part] = []
        self._every: list[Part] = []
        self._is_negated = False
        self._wanted_by = ""
        """What a term has to follow, as found; empty where none has to."""
        self._around: list[tuple[int, list[Part], list[Part], bool]] = []
        """Of each open parenthesis where it is, and what stands before it."""

    def filter(self) -> Filter:
        while self._take():
            pass
        if self._wanted_by:
            found = f"nothing behind {self._wanted_by!r}"
            self._refuse(self._at, _TERM, found, "end with a term")
        if self._around:
            self._refuse(self._around[-1][0], "a ')' for this '('", "none", "close it")
        return self._making.filter(self._closed())

    def _take(self) -> bool:
        """Take one token in; whether it is not the end."""
        found = _token(self._text, self._at)
        if found is None:
            self._refuse_next()
        self._at = found.end()
        kind = found.lastindex
        if kind == _COLON:
            if found[_COLON]:
                self._add(self._part(self._field(found[_BARE], found.start(_BARE))))
            else:
                self._take_bare(found[_BARE], found.start(_BARE))
        elif kind == _OPEN:
            self._open(found.start(_OPEN))
        elif kind == _CLOSE:
            for at in range(found.start(_CLOSE), self._at):
                self._close(at)
        elif kind == _MINUS:
            self._is_negated ^= bool(len(found[_MINUS]) % 2)
            self._wanted_by = "-"
        elif kind == _STAR:
            text, at = _unescaped(found[_QUOTE]), found.start(_QUOTE)
            self._add(self._free(text, at, is_quoted=True, is_prefix=bool(found[_STAR])))
        else:
            return False
        return True

    def _take_bare(self, word: str, at: int) -> None:
        if word in _OPERATORS:
            self._join(at, word)
            return
        part = self._bare.get(word)
        if self._text.startswith(("(", '"'), self._at):
            self._refuse_glued(self._at)
        if part is None:
            part = self._bare[word] = self._free(word, at, is_quoted=False, is_prefix=False)
        self._add(part)

    def _add(self, part: Part) -> None:
        self._every.append(self._making.negated(part) if self._is_negated else part)
        self._is_negated = False
        self._wanted_by = ""

    def _join(self, at: int, operator: str) -> None:
        if operator == "NOT":
            self._is_negated = not self._is_negated
        elif self._wanted_by or not self._every:
            advice = f"quote it to search for the word {operator}"
            self._refuse(at, _TERM, f"the operator {operator}", advice)
        elif operator == "OR":
            self._any_of.append(self._making.joined(And, self._every))
            self._every = []
        self._wanted_by = operator

    def _open(self, first: int) -> None:
        """One parenthesis, or several in a row."""
        for at in range(first, self._at):
            self._around.append((at, self._any_of, self._every, self._is_negated))
            self._any_of, self._every, self._is_negated = [], [], False
        self._wanted_by = "("

    def _close(self, at: int) -> None:
        if not self._around:
            self._refuse(at, "a '(' before this ')'", "none", "open it, or put it in quotes")
        if self._wanted_by:
            self._refuse(at, _TERM, f"')' behind {self._wanted_by!r}", "put a term between them")
        part = self._closed()
        _, self._any_of, self._every, self._is_negated = self._around.pop()
        self._add(part)

    def _closed(self) -> Part:
        last = self._making.joined(And, self._every)
        return self._making.joined(Or, (*self._any_of, last)) if self._any_of else last

    def _part(self, filter: Filter) -> Part:
        if isinstance(filter, Not | And | Or):
            return bottom_up(filter, self._making.leaf, self._making.branch)
        return self._making.leaf(filter)

    def _free(self, text: str, at: int, *, is_quoted: bool, is_prefix: bool) -> Part:
        try:
            return self._part(free(text, is_quoted=is_quoted, is_prefix=is_prefix))
        except Refused as error:
            self._refuse_of(error, at)

    def _field(self, name: str, at: int) -> Filter:
        if name not in BY_NAME and name not in NO_FIELDS:
            lower = name.lower()
            if lower not in BY_NAME and lower not in NO_FIELDS:
                self._refuse_of(unknown(name), at)
            name = lower
        if self._text.startswith("(", self._at):
            return self._group(name)
        return self._valued(name)

    def _group(self, name: str) -> Filter:
        """The field with any of the values that stand here: `(a OR b)`."""
        any_of = []
        is_open = True
        self._at += 1
        while is_open:
            self._at = _blanks(self._text, self._at)
            operator = _operator(self._text, self._at)
            if operator is not None:
                self._refuse(
                    self._at, "a value", f"the operator {operator[0]}", "quote it if it is one"
                )
            any_of.append(self._valued(name))
            found = _behind_value(self._text, self._at)
            if found is None:
                self._at = _blanks(self._text, self._at)
                self._refuse(self._at, "OR or ')'", self._here(), f"write '{name}:(a OR b)'")
            self._at = found.end()
            is_open = found[1] is None
        return Or(tuple(any_of))

    def _valued(self, name: str) -> Filter:
        """The field with the value that stands here."""
        found = _value(self._text, self._at)
        if found is None:
            self._refuse_value(name)
        self._at = found.end()
        is_quoted = found[_VALUE_BARE] is None
        text = _unescaped(found[_VALUE_QUOTE]) if is_quoted else found[_VALUE_BARE]
        try:
            return term(
                name, text, is_quoted=is_quoted, is_prefix=bool(found[_VALUE_STAR]), now=self._now
            )
        except Refused as error:
            self._refuse_of(error, found.start(_VALUE_QUOTE if is_quoted else _VALUE_BARE))

    def _refuse_next(self) -> NoReturn:
        """No token stands here: tells what is wrong with what does."""
        at = _blanks(self._text, self._at)
        if self._text[at] == "-":
            self._at = at + len(self._text[at:]) - len(self._text[at:].lstrip("-"))
            self._refuse(
                self._at, "a term right behind the '-'", self._here(), "or put the '-' in quotes"
            )
        if self._text[at] == '"':
            self._refuse_quoted(at)
        if self._text[at] == ":":
            self._refuse_of(unknown(""), at)
        raise AssertionError(f"a character that nothing begins with: {self._text[at]!a}")

    def _refuse_value(self, name: str) -> NoReturn:
        at = self._at
        if self._text.startswith('"', at):
            self._refuse_quoted(at)
        if at == len(self._text) or self._text[at].isspace() or self._text[at] in "()":
            advice = f"write it right behind the colon; '{name}:*' is any"
            self._refuse(at, "a value", self._here(), advice)
        self._refuse_glued(at)

    def _refuse_quoted(self, at: int) -> NoReturn:
        found = _quote(self._text, at)
        assert found is not None
        end = found.end()
        if end == len(self._text):
            self._refuse(at, "a '\"' that ends this quote", "none", "close it")
        if self._text[end] == "\\":
            advice = "write a backslash as \\\\"
            found_there = shortened(self._text[end : end + 2])
            self._refuse(end, '\\" or \\\\ in a quote', found_there, advice)
        end += 1 + self._text.startswith("*", end + 1)
        self._at = end
        self._refuse(end, "a blank behind the quote", self._here(), "put one there")

    def _refuse_glued(self, at: int) -> NoReturn:
        while self._text[at] not in '()"':
            at += 1
        self._at = at
        advice = "put a blank before it, or quote what it is part of"
        self._refuse(at, "the end of the term", self._here(), advice)

    def _here(self) -> str:
        if self._at == len(self._text):
            return "the end"
        one = self._text[self._at]
        return "a blank" if one.isspace() else shortened(one)

    def _refuse_of(self, error: Refused, at: int) -> NoReturn:
        self._refuse(at + error.at, error.expected, error.found, error.advice)

    def _refuse(self, at: int, expected: str, found: str, advice: str) -> NoReturn:
        raise unreadable(self._text, at, expected, found, advice) from None


def _unescaped(text: str) -> str:
    return _escape(r"\1", text) if "\\" in text else text


def _blanks(text: str, at: int) -> int:
    """Where the blanks that begin here end."""
    found = _blank(text, at)
    assert found is not None
    return found.end()
