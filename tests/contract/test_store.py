"""The store's contract (`log/store.py`), sentence by sentence, over every engine."""

from __future__ import annotations

import pytest

from deploytrail.clock import Uptime, microseconds
from deploytrail.errors import Busy, Fenced
from deploytrail.log.merkle import Frontier
from deploytrail.log.store import (
    AttachmentRow,
    Checkpoint,
    Delivery,
    StateRow,
    Store,
    Tree,
    Writer,
)
from deploytrail.log.tiles import TILE_BYTES, decode_bundle
from tests.contract.additions import ALICE, BOB, Interrupted, add, addition, interrupt
from tests.contract.engines import ORIGIN, Engine
from tests.fakes import FakeClock
from tests.log.entries import append, batch, disclosure, key_of, prepared
from tests.log.trees import leaves
from tests.verified import verified

# Tree


def test_an_empty_log_says_so(store: Store) -> None:
    with store.reading() as reader:
        tree = reader.tree()
        assert tree == Tree(ORIGIN, Frontier.empty(), 0, 0, 0, Uptime("", 0), False)
        assert tree.size == 0
        assert reader.tail() == []
        assert reader.checkpoint() is None
        assert reader.notes(count=9) == []
        assert tuple(reader.inventory()) == (0, 0, 0, 0, 0)
    assert verified(store) == []


def test_the_tree_is_read_back_as_it_was_written(store: Store) -> None:
    with store.reading() as reader:
        empty = reader.tree()
    tree = Tree(
        ORIGIN, empty.frontier.append(leaves(3)).frontier, 7, 0, 11, Uptime("boot", 13), True
    )
    add(store, 3, tree=tree)
    with store.reading() as reader:
        assert reader.tree() == tree


# Reading


def test_what_is_read_in_one_moment_belongs_together(engine: Engine, store: Store) -> None:
    append(store, batch(0, 3))
    other = engine.open()
    with store.reading() as reader:
        before = reader.tree()
        append(other, batch(3, 300))
        assert reader.tree() == before
        assert reader.bundle(0) is None
        assert sum(count for _, count, _ in reader.tail()) == 3
        assert reader.deliveries([key_of(3)]) == {}
    with store.reading() as reader:
        assert reader.tree().size == 303
        assert reader.bundle(0) is not None
    verified(store)


def test_a_bundle_is_absent_until_it_is_full(store: Store) -> None:
    append(store, batch(0, 255))
    with store.reading() as reader:
        assert (reader.bundle(0), reader.tile(0, 0)) == (None, None)
    append(store, batch(255, 1))
    with store.reading() as reader:
        data, tile = reader.bundle(0), reader.tile(0, 0)
        assert data is not None
        assert len(decode_bundle(data)) == 256
        assert tile is not None
        assert len(tile) == TILE_BYTES
        assert (reader.bundle(1), reader.tile(0, 1), reader.tile(1, 0)) == (None, None, None)
        assert reader.tail() == []


def test_the_tail_comes_in_order_one_row_per_commit(store: Store) -> None:
    for first, count in [(0, 2), (2, 1), (3, 250)]:
        append(store, batch(first, count))
    with store.reading() as reader:
        assert [row[:2] for row in reader.tail()] == [(0, 2), (2, 1), (3, 250)]
    # A commit that completes a bundle deletes the older rows and writes its tail.
    append(store, batch(253, 10))
    with store.reading() as reader:
        assert [row[:2] for row in reader.tail()] == [(256, 7)]
    verified(store)


def test_only_known_deliveries_are_answered(store: Store) -> None:
    append(store, batch(0, 2))
    with store.reading() as reader:
        known = reader.deliveries([key_of(1), key_of(2), key_of(0), key_of(1)])
        assert known == {
            key_of(0): Delivery(key_of(0), 0, b"-" * 16),
            key_of(1): Delivery(key_of(1), 1, b"-" * 16),
        }
        assert reader.deliveries([]) == {}
    verified(store)


def test_disclosures_and_attachments_are_kept_until_erased(store: Store) -> None:
    row = disclosure(b"reason", ALICE)
    attached = AttachmentRow(b"attachment's id.", ALICE + BOB, b"wrapped", b"sealed")
    append(store, [prepared(0, vault=(row,), attachments=(attached,))])
    with store.reading() as reader:
        assert reader.disclosures([row.key, b"?" * 32]) == {row.key: row}
        assert reader.disclosures([]) == {}
        assert reader.attachment(attached.id) == attached
        assert reader.attachment(b"?" * 16) is None
        assert reader.inventory().disclosures == 1
    verified(store)


def test_a_disclosure_that_is_there_already_stays(store: Store) -> None:
    row = disclosure(b"reason", ALICE)
    append(store, [prepared(0, vault=(row,))])
    append(store, [prepared(1, vault=(row._replace(sealed=b"another nonce"),))])
    with store.reading() as reader:
        assert reader.disclosures([row.key]) == {row.key: row}
    verified(store)


def test_the_inventory_counts_every_kind_of_row(store: Store) -> None:
    append(store, [prepared(0, vault=(disclosure(b"a", ALICE), disclosure(b"b", BOB)))])
    append(store, batch(1, 600))
    with store.reading() as reader:
        assert tuple(reader.inventory()) == (2, 601 - 512, 2, 601, 2)
    verified(store)


# Writing


def test_what_was_written_is_there_for_whoever_opens_next(engine: Engine, store: Store) -> None:
    append(store, batch(0, 2))
    engine.close()
    assert len(verified(engine.open())) == 2


def test_a_writer_sees_what_it_wrote_and_a_reader_does_not_yet(engine: Engine) -> None:
    one, other = engine.open(), engine.open()
    with one.writing() as writer:
        writer.add(addition(writer.tree(), 2))
        assert writer.tree().size == 2
        with other.reading() as reader:
            assert reader.tree().size == 0
    with other.reading() as reader:
        assert reader.tree().size == 2


def test_where_the_block_raises_nothing_is_stored(store: Store) -> None:
    append(store, batch(0, 2))
    row = disclosure(b"reason", ALICE)

    def everything(writer: Writer) -> None:
        writer.add(addition(writer.tree(), 2, vault=[row]))
        writer.erase(ALICE)
        writer.replace_checkpoint(None, Checkpoint(2, b"note", Frontier.empty()))
        writer.put_cosignature(2, b"key", b"line")

    interrupt(store, everything)
    with store.reading() as reader:
        tree = reader.tree()
        assert (tree.size, tree.epoch) == (2, 0)
        assert reader.disclosures([row.key]) == {}
        assert reader.checkpoint() is None
        assert reader.cosignatures(2) == []
    verified(store)
    assert append(store, batch(2, 1))[0].entry_index == 2


def test_one_writer_at_a_time_and_the_others_are_told(engine: Engine) -> None:
    one, other = engine.open(), engine.open()
    with one.writing(), pytest.raises(Busy, match="nothing was stored"), other.writing():
        raise AssertionError("two writers at once")
    append(other, batch(0, 1))
    assert len(verified(one)) == 1


def test_the_lock_is_free_after_a_block_that_raised(engine: Engine) -> None:
    one, other = engine.open(), engine.open()
    with pytest.raises(Interrupted), one.writing():
        raise Interrupted
    append(other, batch(0, 1))
    verified(other)


def test_the_clock_is_read_under_the_lock(store: Store, clock: FakeClock) -> None:
    with store.writing() as writer:
        assert writer.clock() == microseconds(clock.now())
        assert writer.uptime() == Uptime("fake-boot", 0)
        clock.advance(seconds=1.5)
        assert writer.clock() == microseconds(clock.now())
        assert writer.uptime() == Uptime("fake-boot", 1_500_000)


def test_an_addition_behind_another_size_fences(engine: Engine, store: Store) -> None:
    append(store, batch(0, 2))
    with pytest.raises(Fenced), store.writing() as writer:
        writer.add(addition(writer.tree(), 1, size_before=1))
    with store.reading() as reader:
        assert reader.tree().size == 2
    with pytest.raises(Fenced):
        append(engine.open(), batch(2, 1))


def test_a_touch_changes_nothing(store: Store) -> None:
    append(store, batch(0, 1))
    with store.reading() as reader:
        before = reader.tree()
    with store.writing() as writer:
        writer.touch()
    with store.reading() as reader:
        assert reader.tree() == before
    verified(store)


# Publishing


def test_a_checkpoint_is_replaced_only_where_it_is_the_expected_one(store: Store) -> None:
    first = Checkpoint(2, b"note 2\n", Frontier.empty().append(leaves(2)).frontier)
    second = Checkpoint(3, b"note 3\n", Frontier.empty().append(leaves(3)).frontier)
    with store.writing() as writer:
        assert not writer.replace_checkpoint(1, first)
        assert writer.checkpoint() is None
        assert writer.replace_checkpoint(None, first)
    with store.writing() as writer:
        assert not writer.replace_checkpoint(None, second)
        assert not writer.replace_checkpoint(3, second)
        assert writer.checkpoint() == first
        assert writer.replace_checkpoint(2, second)
    with store.reading() as reader:
        assert reader.checkpoint() == second
        assert reader.notes(count=9) == [(2, b"note 2\n"), (3, b"note 3\n")]
        assert reader.notes(count=1) == [(2, b"note 2\n")]
        assert reader.notes(after=2, count=1) == [(3, b"note 3\n")]
        assert reader.notes(after=3, count=1) == []


def test_the_newest_cosignature_of_each_key_is_kept_for_each_size(store: Store) -> None:
    with store.writing() as writer:
        writer.put_cosignature(2, b"own.", b"own at 2, first\n")
        writer.put_cosignature(2, b"bob.", b"bob at 2\n")
        writer.put_cosignature(3, b"own.", b"own at 3\n")
        writer.put_cosignature(2, b"own.", b"own at 2, second\n")
    with store.reading() as reader:
        assert sorted(reader.cosignatures(2)) == [b"bob at 2\n", b"own at 2, second\n"]
        assert reader.cosignatures(3) == [b"own at 3\n"]
        assert reader.cosignatures(4) == []


def test_who_cosigned_is_told_from_the_newest_checkpoint_down(store: Store) -> None:
    rows = [(2, b"bob."), (2, b"own."), (300, b"own."), (3, b"own."), (300, b"bob.")]
    with store.reading() as reader:
        assert reader.cosigners(count=9) == []
    with store.writing() as writer:
        for size, key_id in rows:
            writer.put_cosignature(size, key_id, b"line\n")
    descending = sorted(rows, reverse=True)
    with store.reading() as reader:
        assert reader.cosigners(count=9) == descending
        assert reader.cosigners(count=2) == descending[:2]
        assert reader.cosigners(before=descending[0], count=2) == descending[1:3]
        assert reader.cosigners(before=descending[-1], count=2) == []


# State


def test_what_is_set_is_read_back_by_its_kind(store: Store) -> None:
    with store.writing() as writer:
        assert writer.state("token") == {}
        writer.put_state([StateRow("token", "b", b"1"), StateRow("token", "a", b"2")])
        writer.put_state([StateRow("hold", "a", b"3")])
        assert writer.state("token") == {"a": b"2", "b": b"1"}
    with store.writing() as writer:
        writer.put_state([StateRow("token", "a", b""), StateRow("token", "b", None)])
        writer.put_state([StateRow("token", "never there", None)])
    with store.reading() as reader:
        assert reader.state("token") == {"a": b""}
        assert reader.state("hold") == {"a": b"3"}


def test_what_is_set_in_a_block_that_raises_is_not_set(store: Store) -> None:
    interrupt(store, lambda writer: writer.put_state([StateRow("token", "a", b"1")]))
    with store.reading() as reader:
        assert reader.state("token") == {}


# Fencing


def test_a_fence_stops_every_writer_and_says_why(engine: Engine) -> None:
    one, other = engine.open(), engine.open()
    append(one, batch(0, 1))
    one.fence("Mallory was here")
    for store in (one, other, engine.open()):
        with pytest.raises(Fenced, match="Mallory was here"):
            append(store, batch(1, 1))
        with pytest.raises(Fenced):
            store.scrub()
    engine.close()
    reopened = engine.open()
    with pytest.raises(Fenced, match="Mallory was here"), reopened.writing():
        raise AssertionError("a fenced log was written to")
    assert len(verified(reopened)) == 1


def test_several_reasons_to_fence_are_all_kept(engine: Engine) -> None:
    one, other = engine.open(), engine.open()
    one.fence("first")
    other.fence("second")
    with pytest.raises(Fenced, match="first\nsecond"):
        append(engine.open(), batch(0, 1))
