"""Many leaves as one question, so that a query of ten thousand terms is not ten thousand questions.

Pure. Of the parts of an `Or`, those that ask one field for a value, or for how it begins, and those
that ask for a word, are each asked at once; so are the negated ones of an `And`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from msgspec import Struct

from deploytrail.query.fields import Field
from deploytrail.query.texts import texts
from deploytrail.query.tree import Filter, Is, Not, StartsWith, Words
from deploytrail.query.words import words


class OneOf(Struct, frozen=True):
    """The field has one of these values: many `Is`."""

    field: Field
    values: frozenset[str]


class AnyBeginning(Struct, frozen=True):
    """The field begins with one of these: many `StartsWith`. In order, and none begins another."""

    field: Field
    values: tuple[str, ...]

    def begins(self, value: str) -> bool:
        """Only the last one that is not behind a value can be its beginning."""
        at = bisect_right(self.values, value)
        return at > 0 and value.startswith(self.values[at - 1])


class AnyWord(Struct, frozen=True):
    """A text has one of these words: many `Words` of one word."""

    words: frozenset[str]


class Read(NamedTuple):
    """The texts of an event: all its words, and these in order, each text on a line of its own."""

    words: frozenset[str]
    text: str


class Reading:
    """Reads an event once for all who ask for words in it. Safe for use from several threads."""

    def __init__(self) -> None:
        self._last: tuple[Mapping[str, Any], Read] | None = None

    def of(self, event: Mapping[str, Any]) -> Read:
        last = self._last
        if last is None or last[0] is not event:
            found = [words(text) for text in texts(event)]
            every = frozenset(word for some in found for word in some)
            last = (event, Read(every, "\n".join(f" {' '.join(some)} " for some in found)))
            self._last = last
        return last[1]


Group: TypeAlias = OneOf | AnyBeginning | AnyWord
_Kind: TypeAlias = tuple[type[Group], str]
_FEW: Final = 2
"""So few are asked one by one: each stops at the first text that has its word."""


def any_of(parts: Sequence[Filter]) -> list[Filter | Group]:
    """The parts of an `Or`, in order, with a group for those that can be asked at once."""
    return _grouped([(part, part) for part in parts])


def none_of(parts: Sequence[Filter]) -> list[Filter | Group]:
    """The parts of an `And`, in order; each group stands for parts none of which may hold."""
    return _grouped([(part, part.of if isinstance(part, Not) else None) for part in parts])


def _grouped(parts: Sequence[tuple[Filter, Filter | None]]) -> list[Filter | Group]:
    """Each part with what of it may be in a group."""
    kinds = [None if asked is None else _kind(asked) for _, asked in parts]
    groups: dict[_Kind, list[Filter]] = {}
    for (_, asked), kind in zip(parts, kinds, strict=True):
        if kind is not None and asked is not None:
            groups.setdefault(kind, []).append(asked)
    found: list[Filter | Group] = []
    for (part, _), kind in zip(parts, kinds, strict=True):
        if kind is None or (kind in groups and len(groups[kind]) <= _FEW):
            found.append(part)
        elif kind in groups:
            found.append(_group(groups.pop(kind)))
    return found


def _kind(part: Filter) -> _Kind | None:
    if isinstance(part, Is):
        return OneOf, part.field.name
    if isinstance(part, StartsWith):
        return AnyBeginning, part.field.name
    if isinstance(part, Words) and len(part.words) == 1 and not part.is_prefix:
        return AnyWord, ""
    return None


def _group(alike: Sequence[Filter]) -> Group:
    """Parts of one kind, on one field."""
    found = [one.words[0] for one in alike if isinstance(one, Words)]
    if found:
        return AnyWord(frozenset(found))
    valued = [one for one in alike if isinstance(one, Is | StartsWith)]
    values = [one.value for one in valued]
    if isinstance(valued[0], Is):
        return OneOf(valued[0].field, frozenset(values))
    return AnyBeginning(valued[0].field, tuple(_shortest(values)))


def _shortest(values: Iterable[str]) -> Iterator[str]:
    """In order, without what begins with another."""
    last: str | None = None
    for value in sorted(values):
        if last is None or not value.startswith(last):
            last = value
            yield value
