"""What the writer has just logged: without a gap, once, and never too much of it."""

from __future__ import annotations

from deploytrail import entry
from deploytrail.app.events.recording import Recorded, Said
from deploytrail.errors import Malformed
from deploytrail.event import EventId
from deploytrail.trail import Receipt
from deploytrail.web.overheard import Overheard
from tests.events import event

EVENT = event()


def logged(index: int, *, is_first: bool = True) -> Recorded:
    given = Receipt(
        origin="o", id=EventId("i"), index=index, leaf="", size=index + 1, logged=entry.UNSTAMPED
    )
    said = Said(b"x" * 100, EVENT, b"b" * 32, entry.UNSTAMPED)
    return Recorded(given, is_first, said if is_first else None)


def taken(overheard: Overheard, index: int, count_max: int = 100) -> list[int]:
    return [one.receipt.index for one in overheard.next(index, count_max)]


def test_what_is_new_is_given_once_and_in_order() -> None:
    overheard = Overheard()
    overheard.hear([logged(3), logged(4)])
    overheard.hear([logged(5)])
    assert (taken(overheard, 3, 2), taken(overheard, 5), taken(overheard, 3)) == ([3, 4], [5], [])


def test_what_was_refused_or_came_before_is_not_new() -> None:
    overheard = Overheard()
    overheard.hear([logged(7), Malformed("event: expected JSON"), logged(2, is_first=False)])
    assert taken(overheard, 7) == [7]
    assert overheard.first() is None


def test_a_gap_ends_what_is_given_and_is_known_to_be_one() -> None:
    overheard = Overheard()
    overheard.hear([logged(3), logged(6)])
    assert taken(overheard, 2) == []
    assert overheard.first() == 3
    assert (taken(overheard, 3), overheard.first(), taken(overheard, 4)) == ([3], 6, [])


def test_what_lies_before_is_forgotten() -> None:
    overheard = Overheard()
    overheard.hear([logged(index) for index in range(10)])
    assert taken(overheard, 8) == [8, 9]


def test_of_too_much_the_newest_is_kept() -> None:
    overheard = Overheard(bytes_max=1000)
    overheard.hear([logged(index) for index in range(50)])
    assert overheard.first() == 40
    overheard.forget()
    assert overheard.first() is None
