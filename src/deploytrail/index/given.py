"""What a part of an entry gives: the keys of its fields and words, and its numbers.

Pure. By the same functions by which a predicate looks at an event.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from deploytrail.index import key
from deploytrail.index.written import Written
from deploytrail.query.fields import FIELDS, Field, Kind, folded, values
from deploytrail.query.words import clear_texts, words

PLAIN: Final = ("time", "logged", "observed", "duration_ms", "attempt")
"""What an entry says of itself as a number or a time."""


class Given(NamedTuple):
    """What a block gives: keys, numbers by field, and what is not written as it is compared."""

    keys: tuple[bytes, ...]
    numbers: tuple[tuple[str, int], ...] = ()
    written: tuple[Written, ...] = ()


FIELDS_BESIDE: Final = tuple(
    field
    for field in FIELDS
    if field.paths[0][0] in ("action", "outcome", "severity", "trigger", "source", *PLAIN)
)


@cache
def fields_of(block: str) -> tuple[Field, ...]:
    """The fields that a block may have, with their paths in it.

    Whom it names, its disclosure tells.
    """
    found = []
    for field in FIELDS:
        paths = tuple(path for path in field.paths if path[0] == block)
        if paths and field.kind is not Kind.PERSON:
            found.append(field._replace(paths=paths))
    return tuple(found)


def given(event: Mapping[str, Any], fields: tuple[Field, ...]) -> Given:
    """What a part of an event gives, of these fields and of its clear texts."""
    keys: dict[bytes, None] = {}
    numbers: list[tuple[str, int]] = []
    written: list[Written] = []
    for field in fields:
        for value in values(event, field):
            if field.kind is Kind.WORD:
                compared = folded(value)
                named = key.value(field.name, compared)
                if compared != value:
                    written.append((named, value))
                keys.update(dict.fromkeys((named, *_families(field.name, compared))))
            elif field.kind is Kind.NUMBER and field.paths[0][0] not in PLAIN:
                numbers.append((field.name, value))
            if field.kind is not Kind.FLAG or value:
                keys[key.present(field.name)] = None
    for text in clear_texts(event):
        for word in words(text):
            keys[key.word(key.CLEAR, word)] = None
    return Given(tuple(keys), tuple(numbers), tuple(written))


def _families(field: str, compared: str) -> Iterator[bytes]:
    if field in key.DOTTED:
        parts = compared.split(".")
        for at in range(1, len(parts)):
            yield key.family(field, ".".join(parts[:at]) + ".")


def shaped(found: Any) -> dict[str, Any]:
    """What an entry says beside its blocks, as part of an event."""
    source = found.source
    whole = {
        "action": found.action,
        "outcome": found.outcome,
        "severity": found.severity,
        "trigger": found.trigger,
        "source": {
            "tool": source.tool, "instance": source.instance, "imported": source.imported,
        },
        **{name: getattr(found, name) for name in PLAIN},
    }  # fmt: skip
    return {name: value for name, value in whole.items() if value is not None}
