"""The store's contract, as far as it is about erasing: what goes, what stays, and where."""

from __future__ import annotations

import hashlib

import pytest

from deploytrail.errors import Busy
from deploytrail.log.store import AttachmentRow, Store, VaultRow, Writer
from tests.contract.additions import ALICE, BOB, addition, interrupt
from tests.contract.engines import Engine
from tests.log.entries import append, batch, disclosure, prepared
from tests.verified import verified


def test_erasing_deletes_what_is_a_subject_s_and_nothing_else(store: Store) -> None:
    rows = [disclosure(name, whose) for name, whose in [(b"a", ALICE), (b"b", ALICE), (b"c", BOB)]]
    attached = [
        AttachmentRow(b"only alice's....", ALICE, b"key", b"sealed"),
        AttachmentRow(b"both of them....", BOB + ALICE, b"key", b"sealed"),
        AttachmentRow(b"only bob's......", BOB, b"key", b"sealed"),
    ]
    append(store, [prepared(0, vault=tuple(rows), attachments=tuple(attached))])
    with store.writing() as writer:
        assert writer.erase(ALICE) == 4
    with store.reading() as reader:
        assert list(reader.disclosures(row.key for row in rows)) == [rows[2].key]
        assert [reader.attachment(each.id) is not None for each in attached] == [False, False, True]
    verified(store)


@pytest.mark.parametrize("whose", [b"\x00" * 16, b"a" * 15 + b"\xff", b"\xff" * 16])
def test_erasing_takes_every_key_of_the_subject_and_no_neighbour_s(
    store: Store, whose: bytes
) -> None:
    number = int.from_bytes(whose, "big")
    around = [max(0, number - 1), number, min(2**128 - 1, number + 1)]
    keys = {each.to_bytes(16, "big") + end for each in around for end in (bytes(12), b"\xff" * 12)}
    rows = tuple(VaultRow(key, b"sealed") for key in sorted(keys))
    append(store, [prepared(0, vault=rows)])
    with store.writing() as writer:
        assert writer.erase(whose) == 2
    with store.reading() as reader:
        assert set(reader.disclosures(keys)) == {key for key in keys if key[:16] != whose}


@pytest.mark.parametrize("whose", [b"", b"a", b"a" * 17])
def test_what_is_no_subject_erases_nothing(store: Store, whose: bytes) -> None:
    append(store, [prepared(0, vault=(disclosure(b"reason", b"a" * 16),))])
    with store.writing() as writer:
        assert writer.erase(whose) == 0
    with store.reading() as reader:
        assert reader.inventory().disclosures == 1


def test_a_subject_that_straddles_two_others_is_nobody(store: Store) -> None:
    straddling = (ALICE + BOB)[8:24]
    attached = AttachmentRow(b"both of them....", ALICE + BOB, b"key", b"sealed")
    append(store, [prepared(0, attachments=(attached,))])
    with store.writing() as writer:
        assert writer.erase(straddling) == 0
    with store.reading() as reader:
        assert reader.attachment(attached.id) == attached
    verified(store)


def test_each_erasure_raises_the_epoch_even_where_nothing_is_left(store: Store) -> None:
    for epoch in (1, 2):
        with store.writing() as writer:
            assert writer.erase(ALICE) == 0
        with store.reading() as reader:
            assert reader.tree().epoch == epoch
    append(store, batch(0, 1), epoch=2)
    with store.reading() as reader:
        assert reader.tree().epoch == 2
    verified(store)


def test_an_erasure_and_the_entry_that_tells_it_commit_together(store: Store) -> None:
    row = disclosure(b"reason", ALICE)
    append(store, [prepared(0, vault=(row,))])

    def erased_and_told(writer: Writer) -> None:
        writer.erase(ALICE)
        writer.add(addition(writer.tree()))

    interrupt(store, erased_and_told)
    with store.reading() as reader:
        assert reader.disclosures([row.key]) == {row.key: row}
    with store.writing() as writer:
        writer.erase(ALICE)
        writer.add(addition(writer.tree()))
    with store.reading() as reader:
        tree = reader.tree()
        assert (tree.size, tree.epoch) == (2, 1)
        assert reader.disclosures([row.key]) == {}


def test_after_scrubbing_the_bytes_are_in_no_file(engine: Engine, store: Store) -> None:
    secret = hashlib.sha512(b"incompressible").digest() * 40
    kept = AttachmentRow(b"attachment's id.", ALICE, b"wrapped", secret)
    row = disclosure(b"reason", ALICE)._replace(sealed=b"sealed once, gone for ever")
    append(store, [prepared(0, vault=(row,), attachments=(kept,))])
    append(store, batch(1, 300))
    assert row.sealed in engine.bytes()
    with store.writing() as writer:
        writer.erase(ALICE)
    store.scrub()
    left = engine.bytes()
    assert row.sealed not in left
    assert row.key not in left
    assert secret[:64] not in left
    verified(store)


def test_scrubbing_while_somebody_writes_is_refused(engine: Engine) -> None:
    one, other = engine.open(), engine.open()
    with one.writing(), pytest.raises(Busy):
        other.scrub()
    other.scrub()
