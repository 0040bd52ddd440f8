"""Rounds: how much is given at a time, and what a round says of who is behind."""

from __future__ import annotations

from pathlib import Path

from deploytrail.follow.reading import ENTRIES_MAX
from deploytrail.follow.rounds import Pace, Rounds
from deploytrail.log.tiles import WIDTH
from tests.fakes import FakeClock
from tests.follow.hosted import Followed
from tests.follow.logs import Log


def test_what_takes_long_is_given_in_smaller_pieces_but_never_in_small_ones() -> None:
    pace = Pace()
    sizes = []
    for _ in range(4):
        sizes.append(pace.entries)
        pace.took(10.0, pace.entries)
    assert sizes == [ENTRIES_MAX, 8 * WIDTH, 8 * WIDTH, 8 * WIDTH]


def test_what_is_quick_again_is_given_in_larger_pieces() -> None:
    pace = Pace()
    pace.took(10.0, ENTRIES_MAX)
    pace.took(0.01, 2_048)
    assert pace.entries == ENTRIES_MAX


def test_a_round_says_whether_there_was_more_than_it_gave(
    log: Log, tmp_path: Path, clock: FakeClock
) -> None:
    log.append(4 * WIDTH + 1)
    followed = Followed(log, tmp_path / "view", clock)
    (head,) = followed.host.heads()
    head.pace.entries = 4 * WIDTH
    assert followed.rounds.round()
    assert followed.rounds.is_behind
    assert followed.rounds.round()
    assert not followed.rounds.is_behind
    followed.close()


def test_several_pieces_are_read_at_once_for_who_makes_them_beside_each_other(
    log: Log, tmp_path: Path, clock: FakeClock
) -> None:
    log.append(4 * WIDTH + 1)
    followed = Followed(log, tmp_path / "view", clock)
    rounds = Rounds(log.store.reading, log.disclose, (followed.host,), clock, pieces=4)
    (head,) = followed.host.heads()
    head.pace.entries = WIDTH
    assert rounds.round()
    assert rounds.is_behind
    assert (head.cursor, head.pace.entries) == (4 * WIDTH, WIDTH)
    assert rounds.round()
    assert not rounds.is_behind
    followed.close()
