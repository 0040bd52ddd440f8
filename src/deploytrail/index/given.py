"""What a part of an entry gives: the keys of its fields and words, and its numbers.

Pure. By the same functions by which a predicate looks at an event.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

from deploytrail.index import key
from deploytrail.index.written import Written
from deploytrail.query.fields import FIELDS, Field, Kind, folded, values_at
from deploytrail.query.words import CLEAR, words

PLAIN: Final = ("time", "logged", "observed", "duration_ms", "attempt")
"""What an entry says of itself as a number or a time."""
_REMEMBERED_MAX: Final = 16_384


class Given(NamedTuple):
    """What a block gives: keys, numbers by field, and what is not written as it is compared."""

    keys: tuple[bytes, ...]
    numbers: tuple[tuple[str, int], ...] = ()
    written: tuple[Written, ...] = ()


class Asked(NamedTuple):
    """What is looked for in a part of an entry: its fields, and where it has clear texts."""

    fields: tuple[Field, ...]
    texts: tuple[tuple[str, ...], ...]


def _asked(blocks: Sequence[str]) -> Asked:
    fields = []
    for field in FIELDS:
        paths = tuple(path for path in field.paths if path[0] in blocks)
        if paths and field.kind is not Kind.PERSON:
            fields.append(field._replace(paths=paths))
    return Asked(tuple(fields), tuple(path for path in CLEAR if path[0] in blocks))


BESIDE: Final = _asked(("action", "outcome", "severity", "trigger", "source", *PLAIN))
"""What an entry says beside its blocks."""


@cache
def asked_of(block: str) -> Asked:
    """What a block may have, with paths that begin with its name.

    Whom it names, its disclosure tells.
    """
    return _asked((block,))


def given(event: Mapping[str, Any], asked: Asked) -> Given:
    """What a part of an event gives of what is asked."""
    keys: dict[bytes, None] = {}
    numbers: list[tuple[str, int]] = []
    written: list[Written] = []
    for field in asked.fields:
        kind = field.kind
        for value in _values(event, field.paths):
            if kind is Kind.WORD:
                found, own = _keys_of(field.name, value)
                keys.update(found)
                if own:
                    written.append(own)
            elif kind is not Kind.FLAG or value:
                keys[key.present(field.name)] = None
                if kind is Kind.NUMBER and field.paths[0][0] not in PLAIN:
                    numbers.append((field.name, value))
    for text in _values(event, asked.texts):
        keys.update(_words_of(text))
    return Given(tuple(keys), tuple(numbers), tuple(written))


def _values(event: Mapping[str, Any], paths: Iterable[tuple[str, ...]]) -> list[Any]:
    """As `query.fields.values`, at once."""
    found: list[Any] = []
    for path in paths:
        at: Any = event
        for name in path:
            if name == "*":
                found += values_at(event, path)
                break
            at = at.get(name)
            if at is None:
                break
        else:
            found.append(at)
    return found


@lru_cache(_REMEMBERED_MAX)
def _keys_of(field: str, value: str) -> tuple[dict[bytes, None], Written | None]:
    """What a value of a field gives, and how it is written where that is not as it is compared.

    Clear texts are no one's, so they may be remembered; most come again, in other blocks.
    """
    compared = folded(value)
    named = key.value(field, compared)
    keys = dict.fromkeys((named, *_families(field, compared), key.present(field)))
    return keys, None if compared == value else (named, value)


@lru_cache(_REMEMBERED_MAX)
def _words_of(text: str) -> dict[bytes, None]:
    return dict.fromkeys([key.word(key.CLEAR, word) for word in words(text)])


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
