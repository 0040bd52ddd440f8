"""What entries become before anybody in them has a number: blocks, and whom they name.

Pure, and made of the entries and their disclosures alone, so that it may be made anywhere, also by
another process, and kept by whoever numbers people in the order of the log.
"""

from __future__ import annotations

from array import array
from bisect import bisect
from collections.abc import Iterator
from itertools import pairwise
from operator import itemgetter
from typing import Final

import msgspec

from deploytrail.follow.view import Read
from deploytrail.index import block, key
from deploytrail.index.block import Term
from deploytrail.index.people import People, Person
from deploytrail.index.rows import Rowing, Rows
from deploytrail.index.segment import Segment, of_groups, segment, terms
from deploytrail.index.shelf import Row
from deploytrail.index.written import Written

_FIELDS: Final = ("actor", "for")
"""Of persons, in the order of their keys."""


class Made(msgspec.Struct, array_like=True, gc=False):
    """Of entries from index `first` on, that have these times.

    `runs` are the blocks of all terms but those of persons: before, between and behind the places
    where those of a field belong. `persons` come in the order in which entries named them first,
    each with how many have it and the set of them.
    """

    first: int
    times: bytes
    runs: list[list[Row]]
    persons: list[tuple[Person, int, bytes]]
    written: list[Written]


def made(rowing: Rowing, read: Read) -> Made:
    """Raises Conflict at an entry of another log, Malformed at one that can't be read."""
    rows = rowing.rows(read)
    about = segment(0, read.first, rows.times)
    found = list(terms(rows, about))
    ends = [bisect(found, key.values(field), key=itemgetter(0)) for field in _FIELDS]
    cuts = [0, *ends, len(found)]
    runs = [
        [Row(*each) for each in block.blocks(found[start:end], about.span)]
        for start, end in pairwise(cuts)
    ]
    return Made(
        read.first, array("q", rows.times).tobytes(), runs, _persons(rows, about), rows.written
    )


def _persons(rows: Rows, about: Segment) -> list[tuple[Person, int, bytes]]:
    found = []
    for person, groups in rows.persons.items():
        _, count, data = of_groups(b"", groups, (), about)
        found.append((person, count, data))
    return found


def times_of(found: Made) -> array[int]:
    """When the entries happened."""
    times: array[int] = array("q")
    times.frombytes(found.times)
    return times


def rows_of(found: Made, people: People, span: int) -> Iterator[Row]:
    """Its blocks, ascending, once everybody has a number."""
    numbered: dict[str, list[Term]] = {field: [] for field in _FIELDS}
    for person, count, data in found.persons:
        number = people.number(person.subject, person.id, person.name)
        named = key.person(person.field, person.subject, number)
        numbered[person.field].append((named, count, data))
    for run, field in zip(found.runs, (*_FIELDS, ""), strict=True):
        yield from run
        if field:
            for each in block.blocks(sorted(numbered[field]), span):
                yield Row(*each)
