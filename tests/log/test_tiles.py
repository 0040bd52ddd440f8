"""Tiles and bundles: their names, their bytes, and the proofs that come out of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.errors import Incomplete, Malformed, TooLarge
from deploytrail.log import checkpoint, merkle, note, tiles
from deploytrail.log.merkle import Frontier
from deploytrail.log.tiles import Bundle, ReadTile, Tile
from tests.log.trees import hash_at, leaves, mth
from tests.searching import examples

SIZE_MAX = 1100
LEAVES = leaves(SIZE_MAX)


def tile_bytes(level: int, index: int, width: int = 256) -> bytes:
    """A tile by its definition: MTH over each 256 ** level leaves."""
    span = 256**level
    first = index * 256
    return b"".join(mth(LEAVES[at * span : (at + 1) * span]) for at in range(first, first + width))


def reader(size: int) -> ReadTile:
    stored = {
        (tile.level, tile.index): tile_bytes(tile.level, tile.index, tile.width)
        for tile in tiles.tiles_of(size)
    }
    return lambda level, index: stored[level, index]


@pytest.fixture(scope="module")
def paths(vectors: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((vectors / "tlog-tiles/paths.json").read_bytes())
    return data


def test_the_path_of_a_tile_is_the_published_one(paths: dict[str, Any]) -> None:
    for level, index, width, path in paths["tile_path"]:
        tile = Tile(level, index, width or 256)
        assert tiles.encode_path(tile) == path
        assert tiles.decode_path(path) == tile


def test_the_bundle_of_an_entry_is_the_published_one(paths: dict[str, Any]) -> None:
    for index, size, path in paths["entries_path_for_index"]:
        number = index // 256
        bundle = Bundle(number, min(256, size - number * 256))
        assert tiles.encode_path(bundle) == path
        assert tiles.decode_path(path) == bundle


def test_published_paths_are_read_as_published(paths: dict[str, Any]) -> None:
    for level, rest, expected_level, index, width in paths["parse_ok"]:
        assert tiles.decode_path(f"tile/{level}/{rest}") == Tile(
            expected_level, index, width or 256
        )
        assert tiles.decode_path(f"tile/entries/{rest}") == Bundle(index, width or 256)
    for level, rest in paths["parse_bad"]:
        with pytest.raises(Malformed):
            tiles.decode_path(f"tile/{level}/{rest}")


BAD_PATHS = {
    "nothing": "",
    "no index": "tile/0/",
    "a level with a leading zero": "tile/00/000",
    "a level over 63": "tile/64/000",
    "a negative level": "tile/-1/000",
    "an index of two digits": "tile/0/00",
    "an index of four digits": "tile/0/0000",
    "an x at the last element": "tile/0/x000",
    "no x at the first element": "tile/0/001/000",
    "leading zeros as an element": "tile/0/x000/001",
    "an index over the limit": "tile/0/x999/x999/x999/x999/x999/x999/999",
    "an endless index": "tile/0/" + "x001/" * 1000 + "000",
    "a full tile as a partial one": "tile/0/000.p/256",
    "a width of zero": "tile/0/000.p/0",
    "a width with a leading zero": "tile/0/000.p/01",
    "digits of another script": "tile/0/٠٠٠",
    "a newline at the end": "tile/0/000\n",
    "a slash at the start": "/tile/0/000",
    "a way up": "tile/0/../../key",
    "a way up as an index": "tile/entries/x../000",
    "an encoded slash": "tile/0/x001%2f000",
    "a NUL": "tile/0/000\0",
    "capital entries": "tile/Entries/000",
}


@pytest.mark.parametrize("path", BAD_PATHS.values(), ids=BAD_PATHS)
def test_a_path_with_another_spelling_is_refused(path: str) -> None:
    with pytest.raises(Malformed, match=r"^path: expected tile/"):
        tiles.decode_path(path)


@given(st.integers(0, 63), st.integers(0, (1 << 63) - 1), st.integers(1, 256))
def test_a_path_is_read_as_it_was_written(level: int, index: int, width: int) -> None:
    for part in (Tile(level, index, width), Bundle(index, width)):
        assert tiles.decode_path(tiles.encode_path(part)) == part


@given(st.from_regex(r"tile/([0-9]{1,2}|entries)/(x[0-9]{3}/){0,2}[0-9]{3}(\.p/[0-9]{1,3})?"))
def test_whatever_is_read_as_a_path_has_that_spelling(path: str) -> None:
    try:
        part = tiles.decode_path(path)
    except Malformed:
        return
    assert tiles.encode_path(part) == path


def test_a_tree_has_the_tiles_that_the_specification_counts(vectors: Path) -> None:
    spec = json.loads((vectors / "signed-note/c2sp-spec-examples.json").read_bytes())
    for key, counts in spec.items():
        match = re.fullmatch(r"tiles_for_size_([0-9]+)", key)
        if match is None:
            continue
        size = int(match[1])
        found: dict[str, int] = {}
        for tile in tiles.tiles_of(size):
            if tile.is_full:
                name = f"full_level{tile.level}"
                found[name] = found.get(name, 0) + 1
            else:
                found[f"partial_level{tile.level}_width"] = tile.width
                assert tiles.partial_width(tile.level, size) == tile.width
        assert found == counts
    assert tiles.encode_path(Tile(0, 1_234_067)) == f"tile/0/{spec['tile_index_1234067']}"


@given(st.integers(0, 200_000), st.integers(0, 200_000))
def test_new_tiles_are_those_that_the_old_tree_lacks(first: int, second: int) -> None:
    old, new = sorted((first, second))
    had = set(tiles.tiles_of(old))
    assert list(tiles.tiles_of(new, since=old)) == [
        tile for tile in tiles.tiles_of(new) if tile not in had
    ]
    had_bundles = set(tiles.bundles_of(old))
    assert list(tiles.bundles_of(new, since=old)) == [
        bundle for bundle in tiles.bundles_of(new) if bundle not in had_bundles
    ]


@given(st.integers(0, 1 << 40), st.integers(0, 5), st.integers(0, 1 << 20))
def test_a_tile_is_as_wide_as_its_tree_makes_it(size: int, level: int, index: int) -> None:
    tile = tiles.tile_at(level, index, size)
    count = (size >> 8 * level) - index * 256
    assert tile == (Tile(level, index, min(count, 256)) if count > 0 else None)
    if tile is not None and not tile.is_full:
        assert tile.width == tiles.partial_width(level, size)


def test_bundles_are_framed_as_published(paths: dict[str, Any]) -> None:
    assert [tiles.decode_bundle(bytes.fromhex(one)) for one in paths["entry_bundle_ok_hex"]] == [
        [],
        [b"", b"a", b""],
    ]
    for one in paths["entry_bundle_bad_hex"]:
        with pytest.raises(Malformed, match=r"^bundle: entry"):
            tiles.decode_bundle(bytes.fromhex(one))


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_a_bundle_is_read_as_it_was_written(entries: list[bytes]) -> None:
    data = tiles.encode_bundle(entries)
    assert tiles.decode_bundle(data) == entries
    assert tiles.decode_bundle(data, width=len(entries)) == entries


@given(st.binary(max_size=40))
def test_whatever_is_read_as_a_bundle_has_those_bytes(data: bytes) -> None:
    try:
        entries = tiles.decode_bundle(data)
    except Malformed:
        return
    assert tiles.encode_bundle(entries) == data


def test_a_bundle_that_is_cut_anywhere_is_refused() -> None:
    entries = [b"a" * 300, b"", b"b"]
    data = tiles.encode_bundle(entries)
    for end in range(len(data)):
        with pytest.raises(Malformed):
            tiles.decode_bundle(data[:end], width=3)


def test_an_entry_fits_its_two_bytes_of_length() -> None:
    longest = b"a" * 65_535
    assert tiles.decode_bundle(tiles.encode_bundle([longest])) == [longest]
    with pytest.raises(TooLarge, match="at most 65535 bytes, found 65536"):
        tiles.encode_bundle([longest + b"a"])


@examples(60)
@given(st.data())
def test_proofs_from_tiles_are_those_of_the_tree(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, SIZE_MAX))
    tree, stored = hash_at(LEAVES[:size]), tiles.hash_reader(reader(size))
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    assert merkle.subtree_hash(0, size, stored) == merkle.root(LEAVES[:size])
    assert merkle.inclusion_proof(index, size, stored) == merkle.inclusion_proof(index, size, tree)
    assert merkle.consistency_proof(old, size, stored) == merkle.consistency_proof(old, size, tree)
    assert merkle.frontier_at(old, stored) == merkle.frontier_at(old, tree)


def test_a_tile_that_is_too_narrow_is_told() -> None:
    narrow = tiles.hash_reader(lambda _level, _index: bytes(32 * 4))
    with pytest.raises(Incomplete, match=r"^tile/0/001: expected at least 5 hashes"):
        narrow(0, 260)


@examples(40)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=6))
def test_an_append_makes_the_tiles_that_the_tree_has(batches: list[int]) -> None:
    frontier = Frontier.empty()
    full: dict[Tile, bytes] = {}
    for batch in batches:
        old, new = frontier.size, min(frontier.size + batch, SIZE_MAX)
        appended = frontier.append(LEAVES[old:new])
        full.update(tiles.completed_tiles(appended, LEAVES[old:new], reader(old)))
        frontier = appended.frontier
    expected = [tile for tile in tiles.tiles_of(frontier.size) if tile.is_full]
    assert sorted(full) == expected
    assert all(full[tile] == tile_bytes(tile.level, tile.index) for tile in expected)


def test_a_tile_of_the_second_level_is_made_of_the_tiles_below() -> None:
    hashes = [number.to_bytes(32, "big") for number in range(65_536 + 300)]
    stored: dict[Tile, bytes] = {}
    asked: list[tuple[int, int]] = []
    frontier = Frontier.empty()

    def read(level: int, index: int) -> bytes:
        asked.append((level, index))
        # What a store has: full tiles, and the hashes of the entries behind them.
        start = index * 256
        return stored.get(Tile(level, index)) or b"".join(hashes[start : frontier.size])

    for start in range(0, len(hashes), 1000):
        batch = hashes[start : start + 1000]
        asked.clear()
        appended = frontier.append(batch)
        stored.update(tiles.completed_tiles(appended, batch, read))
        frontier = appended.frontier
        is_last_of_level = start < 65_536 <= start + 1000
        assert len(asked) <= (256 if is_last_of_level else 5)
    assert stored[Tile(1, 0)] == b"".join(
        merkle.tile_root(stored[Tile(0, index)]) for index in range(256)
    )
    root = merkle.root(hashes[:65_536])
    assert merkle.tile_root(stored[Tile(1, 0)]) == root
    assert tiles.tile_from_below(Tile(2, 0, 1), read) == root


def test_a_missing_left_part_of_a_tile_is_told() -> None:
    appended = Frontier.empty().append(LEAVES[:100]).frontier.append(LEAVES[100:300])
    with pytest.raises(Incomplete, match=r"^tile/0/000\.p/100: expected 3200 bytes, found 3168"):
        tiles.completed_tiles(appended, LEAVES[100:300], lambda _l, _i: bytes(99 * 32))
    with pytest.raises(Incomplete, match=r"^tile/0/000: expected 8192 bytes"):
        tiles.tile_from_below(Tile(1, 0, 1), lambda _l, _i: bytes(255 * 32))


def test_a_published_log_of_15_entries_verifies_at_every_size(vectors: Path) -> None:
    folder = vectors / "tlog-tiles/tessera-testdata/testdata/log"
    real = json.loads((vectors / "checkpoint/real-world-signed.json").read_bytes())
    key = note.decode_vkey(real["tessera_testdata_vkey"])
    for size in range(1, 16):
        signed = note.decode((folder / f"checkpoint.{size}").read_bytes())
        head, _ = checkpoint.verify(signed, [key])
        entries = tiles.decode_bundle(
            (folder / tiles.encode_path(Bundle(0, size))).read_bytes(), width=size
        )
        hashes = (folder / tiles.encode_path(Tile(0, 0, size))).read_bytes()
        assert head.size == size
        assert merkle.root(merkle.leaf_hashes(entries)) == head.root
        assert merkle.tile_root(hashes) == head.root
    empty, _ = checkpoint.verify(note.decode((folder / "checkpoint.0").read_bytes()), [key])
    assert empty.root == merkle.EMPTY_ROOT


def test_a_published_mirror_of_300_entries_has_the_root_that_was_cosigned(vectors: Path) -> None:
    mirror = vectors / "tlog-tiles/sunlight-skylight/cmd/skylight/testdata/witness/mirror"
    (folder,) = (path for path in mirror.iterdir() if path.is_dir())
    keys = json.loads((mirror / "mirror.v0.json").read_bytes())["verifier_keys"]
    signed = note.decode((folder / "checkpoint").read_bytes())
    head, found = checkpoint.verify(signed, [note.decode_vkey(one) for one in keys])
    assert [one.timestamp for one in found] == [1_767_139_200]

    def read(level: int, index: int) -> bytes:
        tile = tiles.tile_at(level, index, head.size)
        assert tile is not None
        return (folder / tiles.encode_path(tile)).read_bytes()

    stored = tiles.hash_reader(read)
    assert merkle.subtree_hash(0, head.size, stored) == head.root
    proof = merkle.inclusion_proof(299, head.size, stored)
    merkle.verify_inclusion(stored(0, 299), 299, head.size, proof, head.root)
    assert tiles.tile_from_below(Tile(1, 0, 1), read) == read(1, 0)


def test_published_partial_tiles_start_the_full_ones(vectors: Path) -> None:
    folder = vectors / "tlog-tiles/sunlight-static-ct/testdata/navigli2025h2"
    widths = {}
    for path in sorted((folder / "tile/0").rglob("*")):
        if path.is_file():
            tile = tiles.decode_path(str(path.relative_to(folder)))
            assert isinstance(tile, Tile)
            assert len(path.read_bytes()) == tile.width * 32
            widths[tile.index, tile.width] = path.read_bytes()
    assert sorted(widths) == [(0, 256), (1, 256), (2, 256), (3, 10), (3, 256)]
    assert widths[3, 256].startswith(widths[3, 10])
