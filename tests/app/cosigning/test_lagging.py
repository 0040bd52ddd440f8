"""A quorum lags from when it owes something, whatever is published meanwhile."""

from __future__ import annotations

from deploytrail.app.cosigning.lagging import Lagging


def test_nothing_is_owed_before_anything_is_asked() -> None:
    lagging = Lagging(60)
    assert lagging.seconds(1000.0) == 0
    assert not lagging.is_late(1000.0)
    assert not lagging.is_known


def test_it_counts_from_the_round_that_nobody_answered() -> None:
    lagging = Lagging(60)
    for now in range(0, 200, 5):
        lagging.begun(now)
        lagging.published(now + 1)
        assert lagging.seconds(now) == now
    assert lagging.is_late(61)
    assert not lagging.is_late(60)


def test_what_was_published_behind_a_round_is_owed_from_then_on() -> None:
    lagging = Lagging(60)
    lagging.begun(10)
    lagging.published(12)
    lagging.published(40)
    lagging.met(5)
    assert (lagging.size, lagging.is_known) == (5, True)
    assert lagging.seconds(50) == 38
    lagging.begun(50)
    assert lagging.seconds(60) == 48
    lagging.met(9)
    assert lagging.seconds(60) == 0


def test_silence_that_is_not_cosigned_anew_is_owed_too() -> None:
    lagging = Lagging(60)
    lagging.begun(0)
    lagging.met(5)
    assert lagging.seconds(59) == 0
    lagging.begun(60)
    assert lagging.is_late(121)
