"""How `pairs.Pairs` are made: counted while a segment is small, and added up where it is joined."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Final

from deploytrail.index import key
from deploytrail.index.block import Term
from deploytrail.index.pairs import NUMBER_BYTES, PAIRED, Pairs
from deploytrail.index.part import Part
from deploytrail.index.segment import bits_of

TERMS_MAX: Final = 256
"""As many as there is room for: the fields that have fewest are taken first."""


def counted(part: Part, left_out: Collection[str] = ()) -> Pairs:
    """The pairs of a segment, from its sets; of no field that is left out anyway."""
    wanted = PAIRED.difference(left_out)
    found = {name: list(islice(_terms(part, name), TERMS_MAX + 1)) for name in wanted}
    kept = _fewest({name: len(terms) for name, terms in found.items()})
    terms = sorted(term for name in kept for term in found[name])
    sets = [bits_of(term, part.about) for term in terms]
    return Pairs(
        left_out=sorted(PAIRED - kept),
        keys=[named for named, _, _ in terms],
        counts=_octets(_rows(sets)),
    )


def _terms(part: Part, name: str) -> Iterator[Term]:
    found = part.find(key.present(name))
    present = () if found is None else (found,)
    families = part.beginning(key.family(name, "")) if name in key.DOTTED else ()
    return chain(present, part.beginning(key.values(name)), families)


def _fewest(terms_of: Mapping[str, int]) -> frozenset[str]:
    """The fields that are not left out, by how many terms each has."""
    room = TERMS_MAX
    kept = []
    for name in sorted(terms_of, key=lambda name: (terms_of[name], name)):
        room -= terms_of[name]
        if room < 0:
            break
        kept.append(name)
    return frozenset(kept)


def _rows(sets: Sequence[int]) -> list[array[int]]:
    rows = _empty(len(sets))
    sizes = [one.bit_count() for one in sets]
    for at, one in enumerate(sets):
        row = rows[at]
        for other in range(at, len(sets)):
            both = one & sets[other]
            if both:
                # Counting costs ten times as much as the rest, and often one is part of the other.
                if both == one:
                    count = sizes[at]
                elif both == sets[other]:
                    count = sizes[other]
                else:
                    count = both.bit_count()
                row[other] = rows[other][at] = count
    return rows


def of_neighbours(parts: Sequence[Part]) -> Pairs:
    """The pairs of segments as those of the one that they become."""
    known = [(part, part.pairs()) for part in parts]
    # In a small one a field of many values has few; it would take the place of another.
    left_out = {name for _, pairs in known if pairs is not None for name in pairs.left_out}
    return joined([counted(part, left_out) if pairs is None else pairs for part, pairs in known])


def joined(neighbours: Sequence[Pairs]) -> Pairs:
    """The pairs of neighbours as those of one segment."""
    left_out = {name for each in neighbours for name in each.left_out}
    found: dict[str, set[bytes]] = {name: set() for name in PAIRED - left_out}
    for each in neighbours:
        for named in each.keys:
            if (field := key.field_in(named)) not in left_out:
                found[field].add(named)
    kept = _fewest({name: len(keys) for name, keys in found.items()})
    keys = sorted(named for name in kept for named in found[name])
    places = {named: place for place, named in enumerate(keys)}
    rows = _empty(len(keys))
    for each in neighbours:
        moved = [(at, places[named]) for at, named in enumerate(each.keys) if named in places]
        for at, place in moved:
            row, total = each.row(at), rows[place]
            for other, to in moved:
                total[to] += row[other]
    return Pairs(left_out=sorted(PAIRED - kept), keys=keys, counts=_octets(rows))


def _empty(count: int) -> list[array[int]]:
    return [array("I", bytes(NUMBER_BYTES * count)) for _ in range(count)]


def _octets(rows: Sequence[array[int]]) -> bytes:
    return b"".join([row.tobytes() for row in rows])
