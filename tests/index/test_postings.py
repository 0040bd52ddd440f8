"""Sets of entries: as numbers, as places, as bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deploytrail.index import postings

_places = st.sets(st.integers(0, 3_000)).map(sorted)
_numbers = st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=40)


@given(_places)
def test_places_become_a_set_and_come_back(places: list[int]) -> None:
    bits = postings.bits_of(places, 3_001)
    assert bits == sum(1 << place for place in places)
    assert postings.places_of(bits) == places


@given(st.integers(1, 4_000))
def test_all_places_come_back_from_a_full_set(span: int) -> None:
    assert postings.places_of(postings.all_of(span)) == list(range(span))


@given(_places)
def test_packed_places_are_read_back_and_joined_as_they_are(places: list[int]) -> None:
    octets = postings.packed(places)
    assert list(postings.unpacked(octets + octets)) == places + places
    assert postings.place_numbers(postings.place_planes(octets)) == octets


@given(_numbers)
def test_slices_have_each_bit_of_each_number(numbers: list[int]) -> None:
    found = [0] * len(numbers)
    for bit, places in postings.slices_of(numbers):
        assert places
        for place in postings.places_of(places):
            found[place] |= 1 << bit
    assert found == numbers
