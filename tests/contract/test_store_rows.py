"""The store's contract, as far as it gives all of its rows, and takes rows of the vault alone."""

from __future__ import annotations

import pytest

from deploytrail.log import plan
from deploytrail.log.store import AttachmentRow, StateRow, Store, VaultRow
from tests.contract.additions import ALICE, BOB
from tests.contract.engines import Engine
from tests.log.entries import append, batch, disclosure, prepared
from tests.verified import verified

KEYS = [b"\x00" * 28, b"\x00" * 27 + b"\x01", b"a" * 28, b"\x7f" * 28, b"\x80" * 28, b"\xff" * 28]


@pytest.mark.parametrize("count", [1, 2, 5, 6, 100])
def test_all_disclosures_come_once_ascending_by_the_bytes_of_their_key(
    store: Store, count: int
) -> None:
    rows = [VaultRow(key, b"sealed %d" % at) for at, key in enumerate(KEYS)]
    append(store, [prepared(0, vault=tuple(reversed(rows)))])
    found: list[VaultRow] = []
    with store.reading() as reader:
        while some := reader.vault_rows(after=found[-1].key if found else b"", count=count):
            assert len(some) <= count
            found += some
    assert found == rows


@pytest.mark.parametrize("count", [1, 2, 100])
def test_all_attachments_come_once_ascending_by_the_bytes_of_their_id(
    store: Store, count: int
) -> None:
    rows = [AttachmentRow(key[:16], ALICE, b"wrapped", key) for key in KEYS[1:]]
    append(store, [prepared(0, attachments=tuple(reversed(rows)))])
    found: list[AttachmentRow] = []
    with store.reading() as reader:
        while some := reader.attachment_rows(after=found[-1].id if found else b"", count=count):
            assert len(some) <= count
            found += some
    assert sorted(found) == sorted({row.id: row for row in rows}.values())
    assert [row.id for row in found] == sorted({row.id for row in rows})


@pytest.mark.parametrize("count", [1, 2, 100])
def test_all_that_is_set_comes_once_ascending_by_its_utf_8(store: Store, count: int) -> None:
    holds = ["Z", "a", "é", "\uffee", "\U00010000"]
    names = [*(("hold", id) for id in holds), ("holds", ""), ("token", "a"), ("é", "a")]
    rows = [StateRow(kind, id, f"{kind} {id}".encode()) for kind, id in names]
    with store.writing() as writer:
        writer.put_state(reversed(rows))
    found: list[StateRow] = []
    with store.reading() as reader:
        while some := reader.state_rows(
            after=(found[-1].kind, found[-1].id) if found else ("", ""), count=count
        ):
            assert len(some) <= count
            found += some
    assert found == rows


def test_an_empty_store_has_no_rows(store: Store) -> None:
    with store.reading() as reader:
        assert reader.vault_rows(count=9) == []
        assert reader.attachment_rows(count=9) == []
        assert reader.state_rows(count=9) == []


def test_rows_of_the_vault_may_come_by_themselves(engine: Engine, store: Store) -> None:
    append(store, batch(0, 300))
    row, known = disclosure(b"a", ALICE), disclosure(b"b", BOB)
    attached = AttachmentRow(b"attachment's id.", ALICE + BOB, b"wrapped", b"sealed")
    with store.reading() as reader:
        before = reader.tree()
    another = row._replace(sealed=b"sealed once more")
    for vault in ([row], [another, known]):
        with store.writing() as writer:
            writer.add(plan.beside(writer.tree(), vault=vault, attachments=[attached]))
    engine.close()
    reopened = engine.open()
    with reopened.reading() as reader:
        assert reader.tree() == before
        assert reader.vault_rows(count=9) == sorted([row, known])
        assert reader.attachment_rows(count=9) == [attached]
    assert len(verified(reopened)) == 300
