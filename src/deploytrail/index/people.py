"""In which ways each subject was named, by number: an entry's term has the number, not the name.

So that a name is forgotten in one place, and an entry is found by the name that it had itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from deploytrail.query.fields import folded

UNNAMED: Final = 0
"""The number of a subject whose entry says nothing of it that can be read."""


class Name(NamedTuple):
    """The number-th way in which a subject was named; nothing is left of one that was erased."""

    subject: str
    number: int
    id: str | None
    name: str | None


class Person(NamedTuple):
    """Whom an entry names in a field, and how."""

    field: str
    subject: str
    id: str | None
    name: str | None


def encoded(spelling: str) -> bytes:
    """As engines keep and order it."""
    return spelling.encode("utf-8", "surrogatepass")


def spellings(name: Name) -> set[str]:
    """By what a person is found: id, what stands behind its colon, name, pseudonym; folded."""
    found = {folded(name.subject)}
    if name.id is not None:
        whole = folded(name.id)
        found |= {whole, whole.partition(":")[2]}
    if name.name is not None:
        found.add(folded(name.name))
    return found - {""}


def shown(name: Name) -> str:
    """As a reader sees them in a list of values."""
    return name.id or name.name or name.subject


class People:
    """All names that were seen, and the new ones that are not kept yet."""

    def __init__(self, kept: Iterable[Name]) -> None:
        self._numbers: dict[tuple[str, str | None, str | None], int] = {}
        self._highest: dict[str, int] = {}
        self._new: list[Name] = []
        for name in kept:
            self._highest[name.subject] = max(name.number, self._highest.get(name.subject, UNNAMED))
            if name.id is not None or name.name is not None:
                self._numbers[name.subject, name.id, name.name] = name.number

    def number(self, subject: str, id: str | None, name: str | None) -> int:
        """By which the subject is known where it was named so."""
        if id is None and name is None:
            if subject not in self._highest:
                self._add(Name(subject, UNNAMED, None, None))
            return UNNAMED
        known = self._numbers.get((subject, id, name))
        if known is not None:
            return known
        number = self._highest.get(subject, UNNAMED) + 1
        self._numbers[subject, id, name] = number
        self._add(Name(subject, number, id, name))
        return number

    def _add(self, name: Name) -> None:
        self._highest[name.subject] = name.number
        self._new.append(name)

    def unkept(self) -> Iterator[Name]:
        """Those that came since this was last asked."""
        found, self._new = self._new, []
        return iter(found)
