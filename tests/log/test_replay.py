"""Entries hashed again, and held against the hashes that were stored beside them."""

from __future__ import annotations

import pytest

from deploytrail.log.merkle import Frontier
from deploytrail.log.replay import Replay
from tests.log.trees import leaf, mth

ENTRIES = [b"entry %d" % number for number in range(600)]
LEAVES = [leaf(entry) for entry in ENTRIES]


def tile(first: int, until: int) -> bytes:
    return b"".join(LEAVES[first:until])


def replayed(cuts: list[int], **changed: bytes) -> Replay:
    """Everything fed, cut there; `changed` are the entries that are not what they were."""
    entries = [changed.get(f"at_{number}", entry) for number, entry in enumerate(ENTRIES)]
    replay = Replay(Frontier.empty())
    for first, until in zip([0, *cuts], [*cuts, 600], strict=True):
        replay.feed(entries[first:until], tile(first, until))
    return replay


@pytest.mark.parametrize("cuts", [[], [256, 512], [1, 255, 256, 257], [300]])
def test_the_root_comes_out_however_entries_are_fed(cuts: list[int]) -> None:
    replay = replayed(cuts)
    assert replay.frontier.root() == replay.by_tiles.root() == mth(LEAVES)
    assert replay.differing == []


def test_changed_entries_are_named_and_the_tiles_still_give_the_root() -> None:
    replay = replayed([256, 512], at_3=b"forged", at_599=b"forged")
    assert replay.differing == [3, 599]
    assert replay.frontier.root() != mth(LEAVES)
    assert replay.by_tiles.root() == mth(LEAVES)


def test_entries_without_stored_hashes_are_hashed_all_the_same() -> None:
    replay = Replay(Frontier.empty())
    replay.feed(ENTRIES[:256], tile(0, 256))
    replay.feed(ENTRIES[256:], None)
    assert replay.frontier.root() == mth(LEAVES)


def test_with_the_tiles_trusted_only_later_changes_differ() -> None:
    replay = Replay(Frontier.empty())
    replay.feed([b"forged", *ENTRIES[1:256]], tile(0, 256))
    replay.trust_tiles()
    assert replay.frontier.root() == mth(LEAVES[:256])
    replay.feed([*ENTRIES[256:599], b"forged"], tile(256, 600))
    assert replay.differing == [599]
    assert replay.by_tiles.root() == mth(LEAVES)


def test_a_replay_goes_on_from_a_frontier() -> None:
    replay = Replay(Frontier.empty().append(LEAVES[:300]).frontier)
    replay.feed([b"forged", *ENTRIES[301:]], tile(300, 600))
    assert replay.differing == [300]
    assert replay.by_tiles.root() == mth(LEAVES)


def test_hashes_of_higher_tiles_come_whole_and_once() -> None:
    replay = Replay(Frontier.empty())
    whole = [leaf(b"%d" % number) for number in range(256 * 257)]
    for first in range(0, len(whole), 256):
        replay.feed_hashes(whole[first : first + 256], None)
        taken = replay.take_raised(1)
        assert len(taken) in {0, 256}
        if taken:
            assert first == 255 * 256
            assert taken == [mth(whole[at : at + 256]) for at in range(0, 65_536, 256)]
    assert replay.levels == 2
    assert replay.take_raised(2) == []
