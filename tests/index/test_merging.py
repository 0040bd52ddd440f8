"""Which neighbours are joined, and when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deploytrail.index import merging
from deploytrail.index.segment import Segment, segment


def _spans(spans: list[int]) -> list[Segment]:
    found, first = [], 0
    for id, span in enumerate(spans):
        found.append(segment(id, first, [0] * span))
        first += span
    return found


def test_sixteen_of_a_size_are_due() -> None:
    assert merging.due(_spans([300] * 15)) == ()
    assert len(merging.due(_spans([300] * 16))) == 16
    assert [each.id for each in merging.due(_spans([5_000, *[1] * 16]))] == list(range(1, 17))


def test_smaller_ones_among_larger_ones_go_with_them() -> None:
    assert len(merging.due(_spans([4_096, 4_096, 4_096, 3_616] * 4))) == 16
    assert merging.due(_spans([4_096, 4_096, 3_616] * 5)) == ()


def test_neighbours_of_two_homes_are_never_joined() -> None:
    assert merging.due(_spans([1] * 16), home_entries=8) == ()


def test_a_home_is_complete_once_its_last_entry_is_there() -> None:
    assert merging.complete(_spans([4, 3]), home_entries=8) == ()
    assert len(merging.complete(_spans([4, 4, 2]), home_entries=8)) == 2


@given(st.lists(st.sampled_from([1, 2, 100, 256, 300, 3_616, 4_096]), max_size=200))
def test_there_are_never_many(spans: list[int]) -> None:
    segments: list[Segment] = []
    for one in _spans(spans):
        segments.append(one)
        while old := merging.due(segments):
            at = segments.index(old[0])
            joined = segment(0, old[0].first, [0] * (old[-1].until - old[0].first))
            segments[at : at + len(old)] = [joined]
    small = [each for each in segments if merging.tier(each.span) < 3]
    assert len(small) < merging.NEIGHBOURS
    assert sum(each.span for each in segments) == sum(spans)
