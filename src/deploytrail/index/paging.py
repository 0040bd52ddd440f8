"""The order of answers: matches of all segments by time, then index, as far as they are asked for.

Segments overlap in time, since what is imported comes late. So what may hold the next match is
opened first: a segment, then a chunk of it, then the entries in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from deploytrail.index.contract import Match, Position
from deploytrail.index.deciding import Decided
from deploytrail.index.part import Part
from deploytrail.index.postings import places_of
from deploytrail.index.segment import CHUNK_ENTRIES
from deploytrail.query.tree import Order

_Bound = tuple[int, int]
_NONE = bytes(CHUNK_ENTRIES >> 3)
"""A chunk in which nothing matches."""


class _Opened(NamedTuple):
    """A segment whose matches were decided, as bytes."""

    part: Part
    certain: bytes
    possible: bytes


def matches(
    parts: Sequence[Part],
    decide: Callable[[Part], Decided],
    *,
    order: Order,
    after: Position | None,
) -> Iterator[Match]:
    """All matches behind a position, in order; nothing is decided before it is needed."""
    sign = 1 if order == "oldest" else -1
    start = None if after is None else (sign * after.time, sign * after.at)
    # By (the best that may come, how far it is opened, a number of its own).
    heap: list[tuple[_Bound, int, int, object]] = []
    number = 0
    for part in parts:
        about = part.about
        best = (about.low, about.first) if sign > 0 else (-about.high, 1 - about.until)
        worst = (about.high, about.until - 1) if sign > 0 else (-about.low, -about.first)
        if start is None or worst > start:
            heap.append((best, 0, number, part))
            number += 1
    heapify(heap)
    while heap:
        _, _, _, found = heappop(heap)
        if isinstance(found, Part):
            for bound, chunk in _chunks(found, decide(found), sign, start):
                heappush(heap, (bound, 1, number, chunk))
                number += 1
        elif isinstance(found, _Chunk):
            run = _run(found, sign, start)
            _push_next(heap, run, number)
            number += 1
        else:
            assert isinstance(found, _Run)
            yield found.match
            _push_next(heap, found.rest, number)
            number += 1


class _Chunk(NamedTuple):
    opened: _Opened
    number: int


class _Run(NamedTuple):
    """The next match of a chunk, and those behind it."""

    match: Match
    rest: Iterator[tuple[_Bound, Match]]


def _push_next(
    heap: list[tuple[_Bound, int, int, object]],
    rest: Iterator[tuple[_Bound, Match]],
    number: int,
) -> None:
    found = next(rest, None)
    if found is not None:
        heappush(heap, (found[0], 2, number, _Run(found[1], rest)))


def _chunks(
    part: Part, decided: Decided, sign: int, start: _Bound | None
) -> Iterator[tuple[_Bound, _Chunk]]:
    """The chunks of a segment that may have matches, with the best that may come of each."""
    if not decided.possible:
        return
    about = part.about
    length = about.span + 7 >> 3
    possible = decided.possible.to_bytes(length, "little")
    same = decided.certain is decided.possible
    certain = possible if same else decided.certain.to_bytes(length, "little")
    opened = _Opened(part, certain, possible)
    width = CHUNK_ENTRIES >> 3
    for number, (low, high) in enumerate(about.spans):
        octets = possible[number * width : (number + 1) * width]
        if octets == _NONE[: len(octets)]:
            continue
        first = about.first + number * CHUNK_ENTRIES
        last = min(first + CHUNK_ENTRIES, about.until) - 1
        worst = (high, last) if sign > 0 else (-low, -first)
        if start is None or worst > start:
            yield (low, first) if sign > 0 else (-high, -last), _Chunk(opened, number)


def _run(chunk: _Chunk, sign: int, start: _Bound | None) -> Iterator[tuple[_Bound, Match]]:
    part, certain, possible = chunk.opened
    width = CHUNK_ENTRIES >> 3
    within = slice(chunk.number * width, (chunk.number + 1) * width)
    times = part.times(chunk.number)
    first = part.about.first + chunk.number * CHUNK_ENTRIES
    places = places_of(int.from_bytes(possible[within], "little"))
    found = [(sign * times[place], sign * (first + place)) for place in places]
    if start is not None:
        found = [bound for bound in found if bound > start]
    found.sort()
    sure = certain[within]
    for bound in found:
        index = sign * bound[1]
        place = index - first
        is_certain = bool(sure[place >> 3] >> (place & 7) & 1)
        yield bound, Match(Position(sign * bound[0], index), is_certain)
