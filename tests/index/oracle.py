"""What a filter matches, decided over an event in the plainest way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from deploytrail.clock import microseconds
from deploytrail.query.fields import Field, Kind, folded, values
from deploytrail.query.tree import (
    And,
    Between,
    Exists,
    Filter,
    Is,
    Leaf,
    Not,
    StartsWith,
    Words,
    bottom_up,
)
from deploytrail.query.words import clear_texts, concealed_texts, words
from deploytrail.vault.blocks import BLOCKS, take


def matches(filter: Filter, event: dict[str, Any]) -> bool:
    """Whether an event in the shape of `tests.query.filters.shown` matches."""
    return bottom_up(filter, lambda leaf: _leaf(leaf, event), _branch)


def _branch(branch: Filter, below: list[bool]) -> bool:
    if isinstance(branch, Not):
        return not below[0]
    return all(below) if isinstance(branch, And) else any(below)


def _leaf(leaf: Leaf, event: dict[str, Any]) -> bool:
    if isinstance(leaf, Words):
        return any(_has(words(text), leaf) for text in texts(event))
    assert isinstance(leaf, Is | StartsWith | Exists | Between)
    found = list(compared(event, leaf.field))
    if isinstance(leaf, Exists):
        return any(value != leaf.field.none for value in found)
    if isinstance(leaf, Between):
        low = -1 if leaf.low is None else leaf.low
        high = 2**63 if leaf.high is None else leaf.high
        return any(low <= value < high for value in found)
    if isinstance(leaf, Is):
        return leaf.value in found
    return any(value.startswith(leaf.value) for value in found)


def compared(event: dict[str, Any], field: Field) -> Iterator[Any]:
    """What an event has in a field, as it is compared."""
    if field.kind is Kind.PERSON:
        name = field.paths[0][0]
        pseudonym = event.get("subjects", {}).get(f"/{name}")
        who = event.get(name, {})
        id = folded(who.get("id", ""))
        for one in (id, id.partition(":")[2], who.get("name", ""), pseudonym or ""):
            if one:
                yield folded(one)
        return
    for value in values(event, field):
        if field.kind is Kind.TIME:
            yield microseconds(datetime.fromisoformat(value))
        elif field.kind is Kind.FLAG:
            if value:
                yield True
        else:
            yield folded(value) if field.kind is Kind.WORD else value


def texts(event: dict[str, Any]) -> Iterator[str]:
    """Every text of an event that is searched by words."""
    yield from clear_texts(event)
    copied = _copied(event)
    for block in BLOCKS:
        yield from concealed_texts(take(copied, block))


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(one) for name, one in value.items()}
    return [_copied(one) for one in value] if isinstance(value, list | tuple) else value


def _has(found: list[str], leaf: Words) -> bool:
    count = len(leaf.words)
    for at in range(len(found) - count + 1):
        here = found[at : at + count]
        *head, last = here
        if tuple(head) == leaf.words[:-1] and (
            last.startswith(leaf.words[-1]) if leaf.is_prefix else last == leaf.words[-1]
        ):
            return True
    return False
