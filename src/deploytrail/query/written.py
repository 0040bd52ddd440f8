"""A filter as the text of a query, one text per simplified filter.

Pure. Whoever reads the text gets the simplified filter again.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

from deploytrail.clock import at_microseconds, rfc3339
from deploytrail.query.algebra import simplified
from deploytrail.query.fields import Kind
from deploytrail.query.terms import IN
from deploytrail.query.tree import (
    And,
    Between,
    Exists,
    Filter,
    Leaf,
    Not,
    Or,
    StartsWith,
    Within,
    Words,
)

EVERYTHING_TEXT: Final = "*"
NOTHING_TEXT: Final = "-*"
_plain_value: Final = re.compile(r"[a-z0-9_./:@+#%=-]+").fullmatch
_plain_word: Final = re.compile(r"[a-z0-9]+").fullmatch


def canonical(filter: Filter) -> str:
    """The text of the simplified filter: `parse` makes that of it again."""
    return "".join(_pieces(simplified(filter)))


def digest(filter: Filter) -> str:
    """Which filter it is, in 32 hexadecimal digits: for a cursor that belongs to one query.

    What is relative (`since:7d`) stands in the filter as the time that it meant when it was read.
    Whoever compares digests of one text read twice has to read it at one `now`, kept in the cursor.
    """
    return sha256(canonical(filter).encode()).hexdigest()[:32]


def _pieces(filter: Filter) -> list[str]:
    made: list[str] = []
    # A filter, whether it stands inside another, or a text between two.
    pending: list[tuple[Filter, bool] | str] = [(filter, False)]
    while pending:
        one = pending.pop()
        if isinstance(one, str):
            made.append(one)
            continue
        node, is_inner = one
        if isinstance(node, Not):
            made.append("-")
            pending.append((node.of, True))
        elif isinstance(node, And | Or) and node.of:
            if is_inner:
                made.append("(")
                pending.append(")")
            between = " " if isinstance(node, And) else " OR "
            for at in range(len(node.of) - 1, -1, -1):
                pending.append((node.of[at], True))
                if at:
                    pending.append(between)
        elif isinstance(node, And | Or):
            made.append(EVERYTHING_TEXT if isinstance(node, And) else NOTHING_TEXT)
        else:
            made.append(_leaf(node))
    return made


def _leaf(leaf: Leaf) -> str:
    if isinstance(leaf, Words):
        text = leaf.words[0]
        plain = len(leaf.words) == 1 and _plain_word(text)
        return (text if plain else f'"{" ".join(leaf.words)}"') + "*" * leaf.is_prefix
    if isinstance(leaf, Within):
        return f"{IN}:{_value(f'{leaf.kind}/{leaf.id}')}"
    name = leaf.field.name
    if isinstance(leaf, Exists):
        return f"{name}:{'true' if leaf.field.kind is Kind.FLAG else '*'}"
    if isinstance(leaf, Between):
        return f"{name}:{_range(leaf)}"
    return f"{name}:{_value(leaf.value)}{'*' * isinstance(leaf, StartsWith)}"


def _range(leaf: Between) -> str:
    low, high = leaf.low, leaf.high
    if high is None:
        assert low is not None
        return f">={_number(leaf, low)}"
    if low is None:
        return f"<{_number(leaf, high)}"
    if low == high - 1 and leaf.field.kind is not Kind.TIME:
        return _number(leaf, low)
    # Both ends of a written range belong to it; a microsecond is the least that one is apart.
    if leaf.field.kind is Kind.TIME:
        return f"{rfc3339(at_microseconds(low))}..{rfc3339(at_microseconds(high - 1))}"
    return f"{_number(leaf, low)}..{_number(leaf, high - 1)}"


def _number(leaf: Between, number: int) -> str:
    if leaf.field.kind is not Kind.TIME:
        return f"{number}{leaf.field.unit}"
    moment = rfc3339(at_microseconds(number))
    return moment.replace(".000000", "")


def _value(text: str) -> str:
    if _plain_value(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
