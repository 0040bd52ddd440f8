"""The tree, its right edge, and proofs that can't be bent."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.errors import Malformed, Tampered
from deploytrail.log import merkle
from deploytrail.log.merkle import EMPTY_ROOT, Frontier, HashAt
from tests.log.trees import hash_at, leaves, mth
from tests.searching import examples

LEAVES = leaves(600)
TREE = hash_at(LEAVES)

EMPTY_RANGE = "an empty range inside a tree, or beside any root"
# What the library accepts and we refuse, and why; there is nothing that it refuses and we accept.
REFUSED_BY_US_ALONE = {
    "sizes-are-equal-one-and-proof-is-empty": "roots of 12 bytes",
    "subtree-is-empty-sizes-are-equal-one-subtree-root-valid-proof-is-empty": EMPTY_RANGE,
    "subtree-is-empty-sizes-are-equal-one-subtree-root-valid-tree-root-random-proof-is-empty": (
        EMPTY_RANGE
    ),
    "subtree-is-empty-sizes-are-equal-zero-subtree-root-valid-tree-root-random-proof-is-empty": (
        EMPTY_RANGE
    ),
    "subtree-is-empty-subtree-root-valid-proof-is-empty": EMPTY_RANGE,
    "subtree-is-empty-subtree-root-valid-tree-root-random-proof-is-empty": EMPTY_RANGE,
}


def cases(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(folder.rglob("*.json")):
        yield str(path.relative_to(folder)), json.loads(path.read_text(encoding="utf-8"))


def hashes(values: list[str] | None) -> list[bytes]:
    return [base64.b64decode(value) for value in values or []]


def is_accepted(check: Callable[[], None]) -> bool:
    try:
        check()
    except Tampered:
        return False
    return True


def inclusion(case: dict[str, Any]) -> bool:
    leaf, root = hashes([case["leafHash"], case["root"]])
    proof = hashes(case["proof"])
    return is_accepted(
        lambda: merkle.verify_inclusion(leaf, case["leafIdx"], case["treeSize"], proof, root)
    )


def consistency(case: dict[str, Any]) -> bool:
    old, new = hashes([case["root1"], case["root2"]])
    proof = hashes(case["proof"])
    return is_accepted(
        lambda: merkle.verify_consistency(case["size1"], case["size2"], proof, old, new)
    )


def subtree_inclusion(case: dict[str, Any]) -> bool:
    leaf, root = hashes([case["leafHash"], case["root"]])
    start, end = case["start"], case["end"]
    if not merkle.is_subtree(start, end):
        return False
    index, proof = case["leafIdx"] - start, hashes(case["proof"])
    return is_accepted(lambda: merkle.verify_inclusion(leaf, index, end - start, proof, root))


def subtree_consistency(case: dict[str, Any]) -> bool:
    small, large = hashes([case["root1"], case["root2"]])
    proof = hashes(case["proof"])
    return is_accepted(
        lambda: merkle.verify_subtree(case["start"], case["end"], case["size"], proof, small, large)
    )


VECTORS = {
    "inclusion": (inclusion, 98),
    "consistency": (consistency, 98),
    "subtreeinclusion": (subtree_inclusion, 204),
    "subtreeconsistency": (subtree_consistency, 118),
}


@pytest.mark.parametrize("kind", VECTORS)
def test_every_published_proof_is_judged_as_its_authors_do(vectors: Path, kind: str) -> None:
    judge, count = VECTORS[kind]
    found = list(cases(vectors / "merkle/transparency-dev-merkle/testdata" / kind))
    assert len(found) == count
    for name, case in found:
        is_good = not case["wantErr"] and Path(name).stem not in REFUSED_BY_US_ALONE
        assert judge(case) is is_good, name


def test_the_reference_tree_has_its_published_hashes(vectors: Path) -> None:
    data = json.loads((vectors / "merkle/rfc6962-reference-tree.json").read_bytes())
    entries = [bytes.fromhex(text) for text in data["leaf_inputs_hex"]]
    found = merkle.leaf_hashes(entries)
    assert found == [merkle.leaf_hash(entry) for entry in entries]
    for level, nodes in enumerate(data["node_hashes_hex_by_level"]):
        expected = [bytes.fromhex(node) for node in nodes]
        assert [hash_at(found)(level, at) for at in range(len(nodes))] == expected
        assert [
            merkle.subtree_hash(at << level, at + 1 << level, hash_at(found))
            for at in range(len(nodes))
        ] == expected
    for size, expected_root in enumerate(data["root_hashes_hex_by_size"]):
        assert merkle.root(found[:size]).hex() == expected_root


def valid_ranges(end_max: int) -> Iterator[tuple[int, int]]:
    for end in range(end_max + 1):
        for start in range(end + 1):
            if merkle.is_subtree(start, end):
                yield start, end


def covering(start: int, end: int) -> tuple[int, int]:
    """The left end and the middle of two subtrees that cover [start, end)."""
    if end - start <= 1:
        return start, end
    last = end - 1
    level = (start ^ last).bit_length() - 1
    middle = last & -(1 << level)
    left_level = (~start & (1 << level) - 1).bit_length()
    return start & -(1 << left_level), middle


def subtree_hash_lines(tree: HashAt) -> Iterator[str]:
    for start, end in valid_ranges(130):
        yield f"[{start}, {end}) {merkle.subtree_hash(start, end, tree).hex()}\n"


def subtree_proof_lines(tree: HashAt) -> Iterator[str]:
    for size in range(131):
        for start, end in valid_ranges(size):
            proof = merkle.subtree_proof(start, end, size, tree)
            yield f"[{start}, {end}) {size}" + "".join(f" {one.hex()}" for one in proof) + "\n"


def record_proof_lines(tree: HashAt) -> Iterator[str]:
    for start, end in valid_ranges(130):
        for index in range(start, end):
            # The subtree is a tree of its own, and its nodes stand in the large one.
            def inner(level: int, at: int, start: int = start) -> bytes:
                return tree(level, (start >> level) + at)

            proof = merkle.inclusion_proof(index - start, end - start, inner)
            yield f"{index} [{start}, {end})" + "".join(f" {one.hex()}" for one in proof) + "\n"


def cover_lines(_: HashAt) -> Iterator[str]:
    for end in range(131):
        for start in range(end + 1):
            left, middle = covering(start, end)
            yield f"[{left}, {middle}) [{middle}, {end})\n"


ACCUMULATED = {
    "SubtreeHash": subtree_hash_lines,
    "SubtreeProof": subtree_proof_lines,
    "RecordInSubtreeProof": record_proof_lines,
    "CoverInterval": cover_lines,
}


@pytest.mark.parametrize("name", ACCUMULATED)
def test_all_proofs_of_130_leaves_hash_to_the_published_value(vectors: Path, name: str) -> None:
    data = json.loads((vectors / "merkle/torchwood-accumulated.json").read_bytes())
    expected = {one["name"]: one["sha256"] for one in data["accumulated"]}
    tree = hash_at(merkle.leaf_hashes([bytes([number]) for number in range(130)]))
    found = hashlib.sha256()
    for line in ACCUMULATED[name](tree):
        found.update(line.encode())
    assert found.hexdigest() == expected[name]


def test_a_subtree_is_what_the_published_cases_call_one(vectors: Path) -> None:
    data = json.loads((vectors / "merkle/torchwood-accumulated.json").read_bytes())
    for start, end, is_valid in data["valid_subtree_cases"]:
        assert merkle.is_subtree(start, end) is is_valid, (start, end)
    for edge in data["right_edge"]:
        nodes = [TREE(level, index) for level, index in edge["nodes_level_index"]]
        assert list(merkle.frontier_at(edge["n"], TREE).peaks) == nodes


@pytest.mark.parametrize("size", [0, 1, 2, 3, 255, 256, 257, 600])
def test_a_root_is_what_the_definition_says(size: int) -> None:
    assert merkle.root(LEAVES[:size]) == mth(LEAVES[:size])


@pytest.mark.parametrize("width", [1, 2, 3, 128, 200, 255, 256])
def test_the_root_of_a_tile_is_that_of_its_hashes(width: int) -> None:
    assert merkle.tile_root(b"".join(LEAVES[:width])) == mth(LEAVES[:width])


@pytest.mark.parametrize("size_bytes", [0, 31, 33, 257 * 32])
def test_what_is_no_tile_has_no_root(size_bytes: int) -> None:
    with pytest.raises(Malformed, match="expected 1 to 256 hashes"):
        merkle.tile_root(bytes(size_bytes))


@given(st.lists(st.integers(0, 300), max_size=8))
def test_an_edge_knows_the_root_however_it_grew(batches: list[int]) -> None:
    frontier = Frontier.empty()
    for batch in batches:
        count = min(batch, len(LEAVES) - frontier.size)
        added = LEAVES[frontier.size : frontier.size + count]
        frontier = frontier.append(added).frontier
        assert frontier == merkle.frontier_at(frontier.size, TREE)
        assert frontier.root() == mth(LEAVES[: frontier.size])
        assert Frontier.decode(frontier.encode()) == frontier


@pytest.mark.parametrize(
    ("old", "new"), [(0, 255), (0, 256), (1, 256), (255, 257), (256, 511), (100, 600), (300, 300)]
)
def test_an_append_tells_the_subtrees_that_it_completed(old: int, new: int) -> None:
    appended = Frontier.empty().append(LEAVES[:old]).frontier.append(LEAVES[old:new])
    expected = [TREE(8, index) for index in range(old // 256, new // 256)]
    assert [one for level in appended.raised for one in level] == expected
    assert len(appended.raised) == (1 if expected else 0)


def test_an_append_of_a_whole_second_level_completes_one_subtree_of_it() -> None:
    many = [bytes([number % 251]) * 32 for number in range(65_536)]
    half = Frontier.empty().append(many[:40_000])
    raised = half.frontier.append(many[40_000:]).raised
    assert [len(level) for level in raised] == [256 - 40_000 // 256, 1]
    assert raised[1] == [merkle.root(many)]


BAD_FRONTIERS = {
    "nothing": b"",
    "no peak": (1).to_bytes(8, "big"),
    "a peak too many": bytes(8 + 32),
    "half a peak": (1).to_bytes(8, "big") + bytes(16),
    "a size over the limit": (1 << 63).to_bytes(8, "big") + bytes(32),
}


@pytest.mark.parametrize("data", BAD_FRONTIERS.values(), ids=BAD_FRONTIERS)
def test_an_edge_that_fits_no_size_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed, match=r"^frontier: expected"):
        Frontier.decode(data)


def test_every_entry_of_every_small_tree_is_proven_and_no_other() -> None:
    for size in range(1, 35):
        root = mth(LEAVES[:size])
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, TREE)
            merkle.verify_inclusion(LEAVES[index], index, size, proof, root)
            for other in range(size + 1):
                if other != index:
                    with pytest.raises(Tampered):
                        merkle.verify_inclusion(LEAVES[index], other, size, proof, root)


def test_every_small_tree_is_proven_to_start_every_larger_one() -> None:
    for new in range(35):
        for old in range(new + 1):
            proof = merkle.consistency_proof(old, new, TREE)
            merkle.verify_consistency(old, new, proof, mth(LEAVES[:old]), mth(LEAVES[:new]))


@examples(300)
@given(st.data())
def test_a_flipped_bit_of_a_proof_is_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 600))
    end = data.draw(st.integers(1, size - 1))
    starts = [start for start in range(end) if merkle.is_subtree(start, end)]
    start = data.draw(st.sampled_from(starts))
    proof = merkle.subtree_proof(start, end, size, TREE)
    small, root = merkle.subtree_hash(start, end, TREE), mth(LEAVES[:size])
    merkle.verify_subtree(start, end, size, proof, small, root)
    parts = [small, root, *proof]
    at = data.draw(st.integers(0, len(parts) - 1))
    bit = data.draw(st.integers(0, 255))
    parts[at] = (int.from_bytes(parts[at], "big") ^ 1 << bit).to_bytes(32, "big")
    with pytest.raises(Tampered):
        merkle.verify_subtree(start, end, size, parts[2:], parts[0], parts[1])


def test_a_proof_that_is_longer_or_shorter_is_refused() -> None:
    proof = merkle.inclusion_proof(5, 13, TREE)
    root = mth(LEAVES[:13])
    for other in ([], proof[:-1], proof[1:], [*proof, root], [root, *proof], proof[::-1]):
        with pytest.raises(Tampered):
            merkle.verify_inclusion(LEAVES[5], 5, 13, other, root)


def test_hashes_of_another_length_are_refused_even_where_they_are_equal() -> None:
    for short in (b"", b"a" * 31, b"a" * 33):
        with pytest.raises(Tampered, match="hashes of 32 bytes"):
            merkle.verify_inclusion(short, 0, 1, [], short)
        with pytest.raises(Tampered, match="hashes of 32 bytes"):
            merkle.verify_consistency(1, 1, [], short, short)


def test_the_empty_tree_starts_every_tree() -> None:
    merkle.verify_consistency(0, 0, [], EMPTY_ROOT, EMPTY_ROOT)
    merkle.verify_consistency(0, 1, [], EMPTY_ROOT, LEAVES[0])


def test_old_size_zero_is_judged_as_published_witnesses_do(vectors: Path) -> None:
    path = vectors / "witness/torchwood-witness-cases.json"
    leaf = merkle.leaf_hash(b"leaf")
    named = {"leaf": leaf, 'SHA256("")': EMPTY_ROOT, "00*32": bytes(32)}
    judged = 0
    for case in json.loads(path.read_bytes())["cases"]:
        if case["status"] == 409:
            continue  # About what the witness had seen, not about the proof.
        judged += 1
        old_root, new_root = leaf if case["old"] else EMPTY_ROOT, named[case["hash"]]
        proof = [named[one] for one in case["proof"]]
        check = partial(
            merkle.verify_consistency, case["old"], case["new"], proof, old_root, new_root
        )
        found = is_accepted(check)
        assert found is (case["status"] == 200), case["name"]
    assert judged == 7


FALSE_EMPTY = {
    "a hash in the proof": (0, 1, [LEAVES[0]], EMPTY_ROOT, LEAVES[0]),
    "a hash in the proof of an empty tree": (0, 0, [LEAVES[0]], EMPTY_ROOT, EMPTY_ROOT),
    "another old root": (0, 1, [], LEAVES[0], LEAVES[0]),
    "another new root": (0, 0, [], EMPTY_ROOT, LEAVES[0]),
    "zeros as roots": (0, 0, [], bytes(32), bytes(32)),
    "a smaller new tree": (1, 0, [], LEAVES[0], EMPTY_ROOT),
    "a negative size": (-1, 1, [], EMPTY_ROOT, LEAVES[0]),
}


@pytest.mark.parametrize("case", FALSE_EMPTY.values(), ids=FALSE_EMPTY)
def test_a_false_claim_about_the_empty_tree_is_refused(
    case: tuple[int, int, list[bytes], bytes, bytes],
) -> None:
    with pytest.raises(Tampered):
        merkle.verify_consistency(*case)


def test_an_empty_range_inside_a_tree_is_no_subtree_of_it() -> None:
    with pytest.raises(Tampered, match="expected a subtree"):
        merkle.verify_subtree(1, 1, 2, [], EMPTY_ROOT, mth(LEAVES[:2]))


def test_a_proof_of_what_is_not_there_is_not_made() -> None:
    for index, size in ((0, 0), (3, 3), (-1, 3)):
        with pytest.raises(Malformed, match=r"^proof\.index"):
            merkle.inclusion_proof(index, size, TREE)
    for old, new in ((4, 3), (-1, 3)):
        with pytest.raises(Malformed, match=r"^proof\.old"):
            merkle.consistency_proof(old, new, TREE)
    with pytest.raises(Malformed, match="aligned"):
        merkle.subtree_hash(1, 3, TREE)
    with pytest.raises(Malformed, match="expected a subtree"):
        merkle.subtree_proof(1, 3, 8, TREE)


def test_an_index_outside_of_the_tree_is_refused() -> None:
    for index, size in ((1, 1), (-1, 1), (0, 0)):
        with pytest.raises(Tampered, match="expected an index below"):
            merkle.verify_inclusion(LEAVES[0], index, size, [], LEAVES[0])
