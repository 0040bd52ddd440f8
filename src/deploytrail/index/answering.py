"""What is asked of an index at one moment, answered over its segments, for every engine."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, islice
from operator import attrgetter
from typing import Final, NamedTuple

from deploytrail.errors import Malformed
from deploytrail.index import key, people, tallying
from deploytrail.index.contract import (
    RESOLVED_MAX,
    Bins,
    Match,
    Position,
    Resolve,
    Tally,
    Tick,
)
from deploytrail.index.deciding import Decided, Question
from deploytrail.index.paging import matches
from deploytrail.index.pairs import Crossed, Paired
from deploytrail.index.part import Memory, Part
from deploytrail.index.people import Name
from deploytrail.index.postings import bits_of, places_of
from deploytrail.index.shelf import Moment
from deploytrail.index.tallying import Matched
from deploytrail.query.fields import Field, Kind, folded
from deploytrail.query.tree import Filter, Order

_SPELLINGS_MAX: Final = 1_000


class _Settled(NamedTuple):
    """Segments with what matches in each; `is_exact` where nothing more could."""

    found: list[Matched]
    is_exact: bool


class _OfPart(NamedTuple):
    """What is known to match in a segment before any text was read."""

    part: Part
    certain: int | Paired
    crossed: Crossed | None = None

    def with_these(self, matching: Sequence[int]) -> Matched | None:
        """With entries that were read to match, ascending; None where nothing does."""
        if isinstance(self.certain, Paired):
            return Matched(self.part, self.certain)
        about = self.part.about
        read = matching[bisect_left(matching, about.first) : bisect_left(matching, about.until)]
        bits = self.certain
        if read:
            bits |= bits_of((index - about.first for index in read), about.span)
        return Matched(self.part, bits, self.crossed) if bits else None


class Answering:
    """`contract.Searcher` over a moment of a shelf."""

    def __init__(self, moment: Moment, memory: Memory, tick: Tick) -> None:
        self.cursor = moment.cursor()
        self._moment = moment
        self._tick = tick
        self.parts = [Part(about, moment, memory, tick) for about in moment.segments()]

    def search(
        self, filter: Filter, *, order: Order, after: Position | None, limit: int
    ) -> list[Match]:
        question = Question(filter, self._moment)
        found = matches(self.parts, question.decided, order=order, after=after)
        return list(islice(found, limit))

    def facets(
        self, filter: Filter, fields: Sequence[Field], *, limit: int, resolve: Resolve
    ) -> list[Tally]:
        for field in fields:
            _refuse_time(field)
        settled = self._settled(filter, resolve)
        return [self._tally(settled, field, limit) for field in fields]

    def histogram(
        self, filter: Filter, edges: Callable[[int, int], Sequence[int]], *, resolve: Resolve
    ) -> Bins:
        settled = self._settled(filter, resolve)
        extent = _extent(settled.found)
        if extent is None:
            return Bins((), (), (), settled.is_exact)
        chosen = tuple(edges(*extent))
        counts = [0] * (len(chosen) - 1)
        outcomes: list[Counter[str]] = [Counter() for _ in counts]
        for found in settled.found:
            self._tick()
            for at, count, by_outcome in tallying.bins(found, chosen):
                counts[at] += count
                outcomes[at].update(by_outcome)
        shown = tuple(dict(sorted(each.items())) for each in outcomes)
        return Bins(chosen, tuple(counts), shown, settled.is_exact)

    def suggest(
        self, field: Field, beginning: str, *, scope: Filter, limit: int, resolve: Resolve
    ) -> list[str]:
        _refuse_time(field)
        start = folded(beginning)
        settled = self._settled(scope, resolve)
        if field.kind is Kind.WORD:
            octets = start.encode("utf-8", "surrogatepass")
            return self._shown(field, self._words(settled, field, octets, limit))
        if field.kind is Kind.PERSON:
            counts = self._suggested_people(settled, field, start)
        else:
            counts = self._counts(settled, field)
            counts = Counter({text: n for text, n in counts.items() if text.startswith(start)})
        return self._shown(field, _frequent(counts, limit))

    def _shown(self, field: Field, counts: list[tuple[str, int]]) -> list[str]:
        return [value for value, _ in self._written(field, counts)]

    def _settled(self, filter: Filter, resolve: Resolve) -> _Settled:
        """What matches; where only texts decide, events are looked at, the newest first."""
        question = Question(filter, self._moment)
        is_exact = True
        decided: list[_OfPart] = []
        looked_at: list[int] = []
        for part in reversed(self.parts):
            known = _known(question, part)
            if isinstance(known, Paired):
                decided.append(_OfPart(part, known))
                continue
            certain, possible = question.decided(part)
            decided.append(_OfPart(part, certain, known))
            undecided = 0 if certain is possible else possible & ~certain
            room = RESOLVED_MAX - len(looked_at)
            is_exact = is_exact and undecided.bit_count() <= room
            if undecided and room:
                looked_at += [part.about.first + place for place in places_of(undecided)[-room:]]
        matching = sorted(resolve(sorted(looked_at))) if looked_at else []
        found = [one.with_these(matching) for one in reversed(decided)]
        return _Settled([one for one in found if one is not None], is_exact)

    def _tally(self, settled: _Settled, field: Field, limit: int) -> Tally:
        if field.kind is Kind.WORD:
            counts = self._words(settled, field, b"", limit)
        else:
            counts = _frequent(self._counts(settled, field), limit)
        total = sum(found.entries for found in settled.found)
        having = sum(tallying.present(found, field) for found in settled.found)
        return Tally(tuple(self._written(field, counts)), total - having, settled.is_exact)

    def _counts(self, settled: _Settled, field: Field) -> Counter[str]:
        if field.kind is Kind.PERSON:
            return self._people(settled, field)
        counts: Counter[str] = Counter()
        for found in settled.found:
            if field.kind is Kind.FLAG:
                counts["true"] += tallying.present(found, field)
            elif field.name == "index":
                raise Malformed("index: expected a field whose values repeat; each has its own")
            else:
                numbers = tallying.numbers(found, field)
                counts.update({str(number): count for number, count in numbers.items()})
        return +counts

    def _words(
        self, settled: _Settled, field: Field, beginning: bytes, limit: int
    ) -> list[tuple[str, int]]:
        """The most frequent, as they are compared. Every segment gives its own in order, so that no
        more of them are held than are wanted, however many there are.
        """
        each = [tallying.values(found, field, beginning) for found in settled.found]
        counts = (
            (key.value_in(named), sum(value.entries for value in same))
            for named, same in groupby(heapq.merge(*each), key=attrgetter("key"))
        )
        return heapq.nsmallest(limit, counts, key=_most_first)

    def _written(self, field: Field, counts: list[tuple[str, int]]) -> list[tuple[str, int]]:
        """Values as they are written."""
        if field.kind is not Kind.WORD:
            return counts
        keys = [key.value(field.name, value) for value, _ in counts]
        written = self._moment.written(keys)
        return [
            (written.get(named, value), count)
            for named, (value, count) in zip(keys, counts, strict=True)
        ]

    def _people(self, settled: _Settled, field: Field) -> Counter[str]:
        by_number = self._numbered(settled, field)
        counts: Counter[str] = Counter()
        for name in self._moment.names_of(by_number):
            counts[people.shown(name)] += by_number[name.subject, name.number]
        return counts

    def _numbered(self, settled: _Settled, field: Field) -> Counter[tuple[str, int]]:
        counts: Counter[tuple[str, int]] = Counter()
        for found in settled.found:
            for value in tallying.values(found, field):
                counts[key.person_in(value.key)] += value.entries
        return counts

    def _suggested_people(self, settled: _Settled, field: Field, start: str) -> Counter[str]:
        wanted = set(self._moment.named(start, is_beginning=True)[:_SPELLINGS_MAX])
        counts: Counter[str] = Counter()
        by_number: Counter[tuple[str, int]] = Counter()
        for found in settled.found:
            for subject, number in wanted:
                bits = found.part.bits(key.person(field.name, subject, number))
                by_number[subject, number] += (bits & found.bits).bit_count()
        for name in self._moment.names_of(sorted(wanted)):
            if by_number[name.subject, name.number]:
                counts[_suggested(name, start)] += by_number[name.subject, name.number]
        return counts


def _known(question: Question, part: Part) -> Paired | Crossed | None:
    """What pairs say of what matches in a segment, where terms are all there is to it."""
    terms = question.terms(part)
    pairs = part.pairs() if terms else None
    return None if pairs is None or not terms else pairs.under(terms)


def _suggested(name: Name, start: str) -> str:
    """How somebody would go on who began to write this."""
    id = name.id or ""
    for text in (id, id.partition(":")[2], name.name or ""):
        if text and folded(text).startswith(start):
            return text
    return name.subject


def _extent(found: Sequence[Matched]) -> tuple[int, int] | None:
    """The lowest and the highest time of what matches."""
    whole = [each.part.about for each in found if each.is_whole]
    low = [about.low for about in whole]
    high = [about.high for about in whole]
    some = {each.part.about.id: each for each in found if not each.is_whole}
    if some:
        orders: tuple[tuple[Order, list[int]], ...] = (("oldest", low), ("newest", high))
        for order, ends in orders:
            first = next(_ordered(some, order), None)
            if first is not None:
                ends.append(first.position.time)
    return (min(low), max(high)) if low else None


def _ordered(some: dict[int, Matched], order: Order) -> Iterator[Match]:
    def decide(part: Part) -> Decided:
        bits = some[part.about.id].bits
        return Decided(bits, bits)

    return matches([each.part for each in some.values()], decide, order=order, after=None)


def _frequent(counts: Counter[str], limit: int) -> list[tuple[str, int]]:
    return heapq.nsmallest(limit, counts.items(), key=_most_first)


def _most_first(counted: tuple[str, int]) -> tuple[int, str]:
    value, count = counted
    return -count, value


def _refuse_time(field: Field) -> None:
    if field.kind is Kind.TIME:
        raise Malformed(
            f"{field.name}: expected a field whose values repeat, found a time; ask for a histogram"
        )
