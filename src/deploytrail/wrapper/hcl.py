"""The statements of HCL, the language of Terraform's files, as far as braces tell.

Pure, and in time that is linear in the text. No expression is evaluated: a value is given as it
stands. Syntax: HCL Native Syntax Specification, hashicorp/hcl, hclsyntax/spec.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import Final, NamedTuple

from deploytrail.errors import Malformed

DEPTH_MAX: Final = 128
_CLOSERS: Final = {"{": "}", "[": "]", "(": ")"}
_IN_STRING: Final = '"'
_IN_TEMPLATE: Final = "${"
_TOKEN: Final = re.compile(
    r"""
    (?P<blank>[ \t\r\f\v\ufeff]++)
    |(?P<comment>(?:\#|//)[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?)
    |(?P<heredoc><<-?(?P<marker>[^\W\d][\w-]*+)[ \t]*+\r?\n)
    |(?P<newline>\n)
    |(?P<name>[^\W\d][\w-]*+)
    |(?P<open>[\[({])
    |(?P<close>[\])}])
    |(?P<quote>")
    |(?P<operator>[=!<>]=|=>)
    |(?P<assign>=)
    |(?P<other>.)
    """,
    re.VERBOSE,
)
# Within brackets, only what may open or close something counts.
_WITHIN: Final = re.compile(r'[^"{}\[\]()#/<]++')
_STRING: Final = re.compile(r"(?:\$\$\{|%%\{|\\.|[$%](?!\{)|[^\"\\$%\n])*+")


class Statement(NamedTuple):
    """`name = value`, or a block: its type and labels, and its body."""

    names: tuple[str, ...]
    value: str | None = None
    body: str | None = None


class _Token(NamedTuple):
    kind: str
    start: int
    end: int


def statements(text: str) -> Iterator[Statement]:
    """The statements of a file or of a block's body, in order; raises Malformed."""
    names: list[str] = []
    value: tuple[int, int] | None = None
    last = _Token("newline", len(text), len(text))
    for kind, start, end in chain(_outer(text), [last]):
        if kind == "newline":
            if value is not None:
                yield Statement(tuple(names), value=text[value[0] : value[1]].strip())
            elif names:
                raise _malformed(start, "a value or a block")
            names, value = [], None
        elif value is not None:
            value = (value[0], end)
        elif kind == "assign" and len(names) == 1:
            value = (end, end)
        elif kind in ("name", "string"):
            names.append(text[start:end].strip('"'))
        elif kind == "group" and names and text[start] == "{":
            yield Statement(tuple(names), body=text[start + 1 : end - 1])
            names = []
        else:
            raise _malformed(start, "a statement")


def _outer(text: str) -> Iterator[_Token]:
    """The tokens outside of any bracket; what brackets hold is one `group`, a text a `string`."""
    within: list[str] = []
    at = began = 0
    while at < len(text):
        start, kind, at = at, *_next(text, at, within)
        if len(within) > DEPTH_MAX:
            raise _malformed(start, f"at most {DEPTH_MAX} brackets in each other")
        if len(within) <= 1 and kind in ("open", "quote"):
            began = start
        if within or kind in ("blank", "comment"):
            continue
        if kind == "close":
            yield _Token("string" if text[began] == '"' else "group", began, at)
        else:
            yield _Token(kind, start, at)
    if within:
        raise _malformed(began, f"what ends its {text[began]}")


def _next(text: str, at: int, within: list[str]) -> tuple[str, int]:
    """The kind of the token at `at`, and its end; `within` is what it leaves open."""
    if within and within[-1] == _IN_STRING:
        return _next_of_string(text, at, within)
    if within and (inner := _WITHIN.match(text, at)):
        return "other", inner.end()
    found = _TOKEN.match(text, at)
    assert found is not None
    kind, end = found.lastgroup or "other", found.end()
    if kind == "heredoc":
        return kind, _end_of_heredoc(text, end, found["marker"])
    if kind == "comment" and found[0].startswith("/*") and not found[0].endswith("*/"):
        raise _malformed(at, "the end of this comment")
    if kind == "open":
        within.append(_CLOSERS[found[0]])
    elif kind == "quote":
        within.append(_IN_STRING)
    elif kind == "close":
        wanted = within.pop() if within else ""
        if found[0] != ("}" if wanted == _IN_TEMPLATE else wanted):
            raise _malformed(at, wanted or "a statement")
    return kind, end


def _next_of_string(text: str, at: int, within: list[str]) -> tuple[str, int]:
    found = _STRING.match(text, at)
    assert found is not None
    end = found.end()
    if text.startswith('"', end):
        within.pop()
        return "close", end + 1
    if text.startswith(("${", "%{"), end):
        within.append(_IN_TEMPLATE)
        return "other", end + 2
    raise _malformed(at, "the end of this text")


def _end_of_heredoc(text: str, at: int, marker: str) -> int:
    """Behind the line that is the marker; its line end is not a part of it."""
    while at < len(text):
        end = text.find("\n", at)
        end = end if end >= 0 else len(text)
        if text[at:end].strip() == marker:
            return end
        at = end + 1
    raise _malformed(at, f"a line {marker}")


def _malformed(at: int, expected: str) -> Malformed:
    return Malformed(f"HCL: expected {expected} at character {at}, found something else")
