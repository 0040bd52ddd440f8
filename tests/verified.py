"""The entire log, held against its own root: how every test of the log ends.

An oracle, not the product's verifier: the rows are read plainly and the tree is computed by its
definition.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from deploytrail import entry
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import note
from deploytrail.log.store import Reader, Store
from deploytrail.log.tiles import WIDTH, decode_bundle, tiles_of
from deploytrail.trail import Receipt
from tests.log.trees import leaf, mth


def verified(store: Store, receipts: Sequence[Receipt] = ()) -> list[bytes]:
    """Every entry in order, after all that is stored was recomputed from them."""
    with store.reading() as reader:
        entries = _entries(reader)
        leaves = [leaf(octets) for octets in entries]
        assert reader.tree().frontier.root() == mth(leaves)
        _hold_tiles(reader, leaves)
        for size, octets in reader.notes(count=1_000_000):
            signed = checkpoints.decode(note.decode(octets).text)
            assert (signed.size, signed.root) == (size, mth(leaves[:size]))
        assert reader.inventory().deliveries == len(entries)
        if entries and b'"v":' in entries[0]:
            _hold_deliveries(reader, entries)
    stamps = [entry.logged_of(octets) for octets in entries]
    assert all(before < after for before, after in pairwise(stamps))
    for receipt in receipts:
        assert leaves[receipt.index].hex() == receipt.leaf
        assert stamps[receipt.index] == receipt.logged
    return entries


def _entries(reader: Reader) -> list[bytes]:
    size = reader.tree().size
    entries: list[bytes] = []
    for number in range(size // WIDTH):
        data = reader.bundle(number)
        assert data is not None
        entries += decode_bundle(data, width=WIDTH)
    for first, count, data in reader.tail():
        assert first == len(entries)
        entries += decode_bundle(data, width=count)
    assert len(entries) == size
    found = reader.inventory()
    assert (found.bundles, found.entries) == (size // WIDTH, size % WIDTH)
    return entries


def _hold_tiles(reader: Reader, leaves: list[bytes]) -> None:
    levels = [leaves]
    while len(levels[-1]) >= WIDTH:
        below = levels[-1]
        whole = range(0, len(below) - len(below) % WIDTH, WIDTH)
        levels.append([mth(below[at : at + WIDTH]) for at in whole])
    full = [tile for tile in tiles_of(len(leaves)) if tile.is_full]
    for tile in full:
        hashes = levels[tile.level][tile.index * WIDTH : (tile.index + 1) * WIDTH]
        assert reader.tile(tile.level, tile.index) == b"".join(hashes)
    assert reader.inventory().tiles == len(full)


def _hold_deliveries(reader: Reader, entries: list[bytes]) -> None:
    keys = [entry.key_of(entry.fields(octets)) for octets in entries]
    found = reader.deliveries(keys)
    assert [found[key].entry_index for key in keys] == list(range(len(entries)))
