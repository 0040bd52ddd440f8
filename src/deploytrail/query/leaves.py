"""One leaf of a filter as a question to one event.

Pure. Most fields stand at one path without an array in it, and are looked up without more ado:
a live tail asks millions of times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias

from deploytrail.clock import at_microseconds, rfc3339
from deploytrail.query.fields import Field, Kind, folded, known_as, values
from deploytrail.query.many import AnyBeginning, AnyWord, OneOf, Read, Reading
from deploytrail.query.texts import texts
from deploytrail.query.tree import Between, Exists, Is, Leaf, StartsWith, Within, Words
from deploytrail.query.words import words

Test: TypeAlias = Callable[[Mapping[str, Any]], bool]
_Has: TypeAlias = Callable[[Any], bool]
_RFC3339_CHARACTERS: Final = 27


_Valued: TypeAlias = Is | OneOf | StartsWith | AnyBeginning | Exists | Between


def cost(leaf: Leaf) -> int:
    """How dear a leaf is beside others."""
    if isinstance(leaf, Words):
        return 3
    if isinstance(leaf, Within):
        return 4
    if leaf.field.kind is Kind.PERSON:
        return 2
    return 0 if _is_plain(leaf.field) else 1


def tested(leaf: Leaf | OneOf | AnyBeginning | AnyWord, reading: Reading | None) -> Test:
    """Whether an event matches a leaf, which is no `Within`.

    `reading` is there where many leaves ask for words: each event is read once for all of them.
    """
    assert not isinstance(leaf, Within)
    if isinstance(leaf, AnyWord):
        return _any_word(leaf, reading or Reading())
    if isinstance(leaf, Words):
        return _words(leaf) if reading is None else _read_words(leaf, reading)
    if leaf.field.kind is Kind.PERSON:
        return _person(leaf)
    return _any(leaf.field, _has(leaf))


def _has(leaf: _Valued) -> _Has:
    """Whether one value is what the leaf asks for."""
    if isinstance(leaf, Is):
        return _equal(leaf.value)
    if isinstance(leaf, OneOf):
        wanted = leaf.values
        return lambda value: folded(value) in wanted
    if isinstance(leaf, StartsWith):
        return _beginning(leaf.value)
    if isinstance(leaf, AnyBeginning):
        return lambda value: leaf.begins(folded(value))
    if isinstance(leaf, Between):
        return _time(leaf) if leaf.field.kind is Kind.TIME else _number(leaf)
    if leaf.field.kind is Kind.FLAG:
        return bool
    none = leaf.field.none
    return lambda value: value != none


def _equal(wanted: str) -> _Has:
    def has(value: str) -> bool:
        return value == wanted or ((value.lower() if value.isascii() else folded(value)) == wanted)

    return has


def _beginning(wanted: str) -> _Has:
    def has(value: str) -> bool:
        return (value.lower() if value.isascii() else folded(value)).startswith(wanted)

    return has


def _number(leaf: Between) -> _Has:
    low, high = leaf.low, leaf.high
    if low is None:
        return lambda value: value < high
    if high is None:
        return lambda value: value >= low
    return lambda value: low <= value < high


def _time(leaf: Between) -> _Has:
    # What the log writes has one length, so its texts are in the order of their times.
    low = rfc3339(at_microseconds(leaf.low)) if leaf.low is not None else ""
    high = rfc3339(at_microseconds(leaf.high)) if leaf.high is not None else "~"

    def has(value: str) -> bool:
        if len(value) != _RFC3339_CHARACTERS or not value.endswith("Z"):
            value = rfc3339(datetime.fromisoformat(value))
        return low <= value < high

    return has


def _any(field: Field, has: _Has) -> Test:
    """Whether any value of a field is so."""
    if not _is_plain(field):
        return lambda event: any(map(has, values(event, field)))
    path = field.paths[0]
    if len(path) == 1:
        return _one_deep(path[0], has)
    if len(path) == 2:
        return _two_deep(path[0], path[1], has)
    return _three_deep(path[0], path[1], path[2], has)


def _is_plain(field: Field) -> bool:
    return len(field.paths) == 1 and "*" not in field.paths[0] and len(field.paths[0]) <= 3


def _one_deep(name: str, has: _Has) -> Test:
    def test(event: Mapping[str, Any]) -> bool:
        value = event.get(name)
        return value is not None and has(value)

    return test


def _two_deep(outer: str, name: str, has: _Has) -> Test:
    def test(event: Mapping[str, Any]) -> bool:
        block = event.get(outer)
        if block is None:
            return False
        value = block.get(name)
        return value is not None and has(value)

    return test


def _three_deep(outer: str, middle: str, name: str, has: _Has) -> Test:
    inner = _two_deep(middle, name, has)

    def test(event: Mapping[str, Any]) -> bool:
        block = event.get(outer)
        return block is not None and inner(block)

    return test


def _person(leaf: _Valued) -> Test:
    name = leaf.field.paths[0][0]
    pointer = f"/{name}"

    def identities(event: Mapping[str, Any]) -> Iterator[str]:
        block = event.get(name)
        if block is not None:
            yield from known_as(block.get("id"), block.get("name"))
        subjects = event.get("subjects")
        if subjects and pointer in subjects:
            yield folded(subjects[pointer])

    has = _has(leaf)
    return lambda event: any(map(has, identities(event)))


def _phrase(leaf: Words) -> str:
    # With a blank on both sides, no word is found inside another.
    return f" {' '.join(leaf.words)}" + " " * (not leaf.is_prefix)


def _any_word(leaf: AnyWord, reading: Reading) -> Test:
    wanted = leaf.words
    return lambda event: not wanted.isdisjoint(reading.of(event).words)


def _read_words(leaf: Words, reading: Reading) -> Test:
    phrase = _phrase(leaf)
    whole = frozenset(leaf.words[: -1 if leaf.is_prefix else None])

    def test(event: Mapping[str, Any]) -> bool:
        read: Read = reading.of(event)
        # What lacks one of the words is not searched for the phrase.
        return whole <= read.words and phrase in read.text

    return test


def _words(leaf: Words) -> Test:
    phrase = _phrase(leaf)
    rarest = max(leaf.words, key=len)

    def test(event: Mapping[str, Any]) -> bool:
        for text in texts(event):
            # Cutting a text into words is dear, and most texts have nothing to do with it.
            if rarest in (text.lower() if text.isascii() else folded(text)) and (
                phrase in f" {' '.join(words(text))} "
            ):
                return True
        return False

    return test
