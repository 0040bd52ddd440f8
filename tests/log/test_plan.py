"""What an append will write is decided from values: places, times, bundles and tiles."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail import entry
from deploytrail.clock import Uptime, microseconds
from deploytrail.errors import ClockSuspect
from deploytrail.log import plan
from deploytrail.log.merkle import Frontier
from deploytrail.log.plan import Moment, Placed
from deploytrail.log.store import Tree
from deploytrail.log.tiles import decode_bundle
from tests.fakes import NOON
from tests.log.entries import batch, disclosure, prepared
from tests.log.trees import leaf, mth
from tests.searching import examples

NOW = microseconds(NOON)
UPTIME = Uptime("boot", 5_000_000)
EMPTY = Tree("o", Frontier.empty(), 0, 0, 0, Uptime("", 0), False)


def no_tile(level: int, number: int) -> bytes:
    raise AssertionError(f"tile {level}/{number} was asked for")


def stored(hashes: bytes, level: int, number: int) -> bytes:
    assert (level, number) == (0, 0)
    return hashes


def place(tree: Tree, count: int, *, clock: int = NOW) -> Placed:
    return plan.place(tree, batch(0, count), Moment(clock, UPTIME), tail=[], read_tile=no_tile)


def stamps(placed: Placed) -> list[str]:
    return [entry.logged_of(octets) for octets in placed.entries]


def test_entries_stand_behind_the_last_and_hash_to_their_leaves() -> None:
    placed = place(EMPTY, 3)
    added = placed.addition
    assert (placed.first, added.size_before, added.tree.size) == (0, 0, 3)
    assert placed.leaves == [leaf(octets) for octets in placed.entries]
    assert added.tree.frontier.root() == mth(placed.leaves)
    assert (added.tail_first, added.tail_count) == (0, 3)
    assert decode_bundle(added.tail) == placed.entries
    assert (added.bundles, added.tiles) == ([], [])
    assert [each.entry_index for each in added.deliveries] == [0, 1, 2]


def test_only_the_stamp_of_an_entry_is_written() -> None:
    (placed,) = place(EMPTY, 1).entries
    assert placed.replace(b"2026-11-22T12:00:00.000000Z", entry.UNSTAMPED.encode()) == (
        prepared(0).entry
    )


@pytest.mark.parametrize("into_second", [0, 1, 999_990, 999_999])
def test_stamps_rise_by_a_microsecond_across_seconds(into_second: int) -> None:
    found = stamps(place(EMPTY, 250, clock=NOW + into_second))
    assert {len(each) for each in found} == {27}
    assert all(before < after for before, after in pairwise(found))
    assert (
        found[-1][17:]
        == f"{(into_second + 249) // 1_000_000:02d}.{(into_second + 249) % 10**6:06d}Z"
    )


def test_stamps_rise_across_the_turn_of_a_year() -> None:
    new_year = NOW + 40 * 86_400_000_000 - 43_200_000_000 - 1
    found = stamps(place(EMPTY, 2, clock=new_year))
    assert found == ["2026-12-31T23:59:59.999999Z", "2027-01-01T00:00:00.000000Z"]


@examples(50)
@given(st.integers(0, 2 * NOW), st.integers(0, 2 * NOW), st.integers(1, 255))
def test_the_log_s_time_never_runs_backwards(logged: int, clock: int, count: int) -> None:
    tree = EMPTY._replace(logged=logged)
    placed = place(tree, count, clock=clock)
    assert placed.addition.tree.logged == max(clock, logged + 1) + count - 1
    assert placed.addition.tree.clock == clock


def test_a_clock_that_stands_a_second_behind_is_told_and_no_sooner() -> None:
    tree = EMPTY._replace(logged=NOW)
    assert not plan.is_behind(tree, Moment(NOW - 1_000_000, UPTIME))
    assert plan.is_behind(tree, Moment(NOW - 1_000_001, UPTIME))
    assert not plan.is_behind(EMPTY, Moment(0, UPTIME))
    assert place(tree, 1, clock=NOW - 1_000_001).addition.tree.is_behind
    assert not place(tree, 1, clock=NOW - 1_000_000).addition.tree.is_behind


JUMPS: dict[str, tuple[int, Uptime, bool]] = {
    "as the uptime": (10_000_000, Uptime("boot", 15_000_000), True),
    "60 seconds ahead of it": (70_000_000, Uptime("boot", 15_000_000), True),
    "a microsecond more": (70_000_001, Uptime("boot", 15_000_000), False),
    "a year": (365 * 86_400_000_000, Uptime("boot", 15_000_000), False),
    "a year, which the machine slept": (10**13, Uptime("boot", 10**13), True),
    "a year, across a boot": (10**13, Uptime("another boot", 0), True),
    "a year, unknown to the system": (10**13, Uptime("", 0), True),
    "backwards": (-(10**13), Uptime("boot", 15_000_000), True),
}


@pytest.mark.parametrize("jump", JUMPS)
def test_a_clock_ahead_of_the_time_since_boot_is_refused(jump: str) -> None:
    by, uptime, is_taken = JUMPS[jump]
    tree = EMPTY._replace(clock=NOW, uptime=UPTIME)
    now = Moment(NOW + by, uptime)
    if is_taken:
        plan.refuse_jump(tree, now)
    else:
        with pytest.raises(ClockSuspect, match="doctor --accept-clock"):
            plan.refuse_jump(tree, now)


HOUR = 3_600_000_000
BEHIND: dict[str, tuple[list[int], list[int], bool]] = {
    # What the clock said at each commit, how long the machine was up then, and the outcome.
    "for one commit": ([0, -HOUR, 2], [0, 1, 2], True),
    "for an hour": ([0, -HOUR, -1, HOUR + 2], [0, 1, HOUR + 1, HOUR + 2], True),
    "and then ahead": ([0, -HOUR, HOUR], [0, 1, 2], False),
    "from the boot on": ([-HOUR, 0], [0, 1], True),
}


@pytest.mark.parametrize("how", BEHIND)
def test_a_clock_that_was_behind_may_be_put_right(how: str) -> None:
    clocks, uptimes, is_taken = BEHIND[how]
    before = Uptime("boot", 0) if how != "from the boot on" else Uptime("another boot", 0)
    tree = EMPTY._replace(clock=NOW, logged=NOW, uptime=before)
    moments = [
        Moment(NOW + clock, Uptime("boot", up)) for clock, up in zip(clocks, uptimes, strict=True)
    ]
    for at, now in enumerate(moments[:-1]):
        plan.refuse_jump(tree, now)
        placed = plan.place(tree, batch(at, 1), now, tail=[], read_tile=no_tile)
        tree = placed.addition.tree
    if is_taken:
        plan.refuse_jump(tree, moments[-1])
    else:
        with pytest.raises(ClockSuspect):
            plan.refuse_jump(tree, moments[-1])


def test_the_first_commit_of_a_log_trusts_its_clock() -> None:
    plan.refuse_jump(EMPTY, Moment(NOW, UPTIME))


def test_a_bundle_is_completed_at_256_and_its_tail_begins_behind_it() -> None:
    tree, known = EMPTY, list[bytes]()
    for count in (255, 1, 1):
        hashes = b"".join(leaf(octets) for octets in known)
        placed = plan.place(
            tree,
            batch(tree.size, count),
            Moment(NOW, UPTIME),
            tail=known,
            read_tile=partial(stored, hashes),
        )
        tree, added = placed.addition.tree, placed.addition
        known += placed.entries
        if tree.size == 256:
            assert [number for number, _ in added.bundles] == [0]
            assert decode_bundle(added.bundles[0][1]) == known
            assert [tile[:2] for tile in added.tiles] == [(0, 0)]
            assert added.tiles[0][2] == b"".join(leaf(octets) for octets in known)
            assert (added.tail, added.tail_first, added.tail_count) == (b"", 256, 0)
            known = []
        else:
            assert added.bundles == []
            assert (added.tail_first, added.tail_count) == (tree.size // 256 * 256, count)
    assert tree.size == 257


def test_one_batch_may_complete_several_bundles() -> None:
    placed = place(EMPTY, 1000)
    assert [number for number, _ in placed.addition.bundles] == [0, 1, 2]
    assert (placed.addition.tail_first, placed.addition.tail_count) == (768, 232)
    bundled = [octets for _, data in placed.addition.bundles for octets in decode_bundle(data)]
    assert bundled + decode_bundle(placed.addition.tail) == placed.entries


def test_rows_of_the_vault_go_along_in_order() -> None:
    rows = [disclosure(b"%d" % number, b"alice") for number in range(3)]
    entries = [prepared(0, vault=(rows[0],)), prepared(1), prepared(2, vault=(rows[1], rows[2]))]
    placed = plan.place(EMPTY, entries, Moment(NOW, UPTIME), tail=[], read_tile=no_tile)
    assert placed.addition.vault == rows


def test_a_plan_is_a_function_of_its_arguments() -> None:
    one, other = place(EMPTY, 300), place(EMPTY, 300)
    assert one == other


@pytest.mark.parametrize(
    ("size", "count", "is_completed"),
    [(0, 255, False), (0, 256, True), (255, 1, True), (256, 255, False), (256, 256, True)],
)
def test_it_is_known_beforehand_whether_a_bundle_becomes_full(
    size: int, count: int, is_completed: bool
) -> None:
    assert plan.completes_bundle(size, count) is is_completed


@pytest.mark.parametrize("size", [1, 255, 256, 700, 1024, 1100])
@pytest.mark.parametrize("some", [256, 512, 2048])
def test_entries_that_are_placed_again_are_written_as_they_were(size: int, some: int) -> None:
    """From one full bundle to another, in whatever commits they came once."""
    placed = place(EMPTY, size)
    once = placed.addition
    tree = EMPTY
    bundles: list[tuple[int, bytes]] = []
    tiles: list[tuple[int, int, bytes]] = []
    for at in range(0, size, some):
        entries, leaves = placed.entries[at : at + some], placed.leaves[at : at + some]
        known = once.deliveries[at : at + some]
        added = plan.place_again(tree, entries, leaves, known, read_tile=no_tile)
        assert (added.size_before, added.deliveries) == (at, known)
        bundles += added.bundles
        tiles += added.tiles
        tree = added.tree
    assert tree.frontier == once.tree.frontier
    assert (bundles, tiles) == (once.bundles, once.tiles)


def test_what_comes_beside_a_log_leaves_it_as_it_is() -> None:
    tree = place(EMPTY, 300).addition.tree
    row = disclosure(b"a", b"alice's subject.")
    added = plan.beside(tree, vault=[row])
    assert (added.tree, added.size_before, added.tail_count) == (tree, 300, 0)
    assert (added.vault, added.bundles, added.tiles, added.deliveries) == ([row], [], [], ())
