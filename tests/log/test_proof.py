"""A proof stands alone: an entry, a policy, and one file."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.errors import Malformed, PolicyUnmet, Tampered
from deploytrail.log import checkpoint, merkle, note, policy, proof
from deploytrail.log.checkpoint import Checkpoint
from deploytrail.log.note import COSIGNATURE_V1, ED25519, Note, Signature, VerifierKey
from deploytrail.log.policy import Log, Policy, Witness
from deploytrail.log.proof import Proof
from tests.log.signers import BOB, LOG, MALLORY, ORIGIN
from tests.log.trees import hash_at, leaves
from tests.searching import examples

LEAVES = leaves(13)
HEAD = Checkpoint(ORIGIN, 13, merkle.root(LEAVES))
TEXT = checkpoint.encode(HEAD)
SIGNED = note.encode(Note(TEXT, (note.sign(TEXT, LOG), checkpoint.cosign(TEXT, BOB, 7))))
POLICY = Policy((Log(LOG.key),), {b"bob": Witness(BOB.key)}, {}, b"bob")
GOOD = Proof(5, tuple(merkle.inclusion_proof(5, 13, hash_at(LEAVES))), SIGNED, b"extra")
DATA = proof.encode(GOOD)


@pytest.fixture(scope="module")
def formats(vectors: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((vectors / "tlog-proof/formats-tlog-proof.json").read_bytes())
    return data


def test_published_proofs_are_written_and_read(formats: dict[str, Any]) -> None:
    names = {
        name: hashlib.sha256(text).digest() for name, text in (("h1", b"hash1"), ("h2", b"hash2"))
    }
    for case in formats["marshal"]:
        expected = case["want"]
        for name, digest in names.items():
            expected = expected.replace(f"{{{name}b64}}", base64.b64encode(digest).decode())
        found = Proof(
            case["index"],
            tuple(names[name] for name in case["hashes"]),
            case["checkpoint"].encode(),
            case.get("extra_utf8", "").encode(),
        )
        assert proof.encode(found) == expected.encode()
        assert proof.decode(expected.encode()) == found


def test_published_bad_proofs_are_refused(formats: dict[str, Any]) -> None:
    assert len(formats["invalid"]) == 7
    for text in formats["invalid"]:
        with pytest.raises(Malformed, match=r"^proof"):
            proof.decode(text.encode())


def test_a_proof_tells_who_vouches_for_the_entry() -> None:
    found = proof.verify(proof.decode(DATA), LEAVES[5], POLICY)
    assert found.checkpoint == HEAD
    assert found.witnesses == {b"bob": 7}


def test_a_proof_is_of_one_entry_at_one_index() -> None:
    with pytest.raises(Tampered):
        proof.verify(GOOD, LEAVES[4], POLICY)
    with pytest.raises(Tampered):
        proof.verify(Proof(4, GOOD.hashes, SIGNED), LEAVES[5], POLICY)
    with pytest.raises(Tampered):
        proof.verify(Proof(13, GOOD.hashes, SIGNED), LEAVES[5], POLICY)


def test_a_proof_is_as_good_as_its_signatures() -> None:
    alone = note.encode(checkpoint.sign(HEAD, [LOG]))
    with pytest.raises(PolicyUnmet, match="missing: 'bob'"):
        proof.verify(Proof(5, GOOD.hashes, alone), LEAVES[5], POLICY)
    forged = note.encode(Note(TEXT, (Signature(LOG.name, LOG.key.id, bytes(64)),)))
    with pytest.raises(Tampered):
        proof.verify(Proof(5, GOOD.hashes, forged), LEAVES[5], POLICY)
    by_mallory = note.encode(Note(TEXT, (checkpoint.cosign(TEXT, MALLORY, 7),)))
    with pytest.raises(PolicyUnmet):
        proof.verify(Proof(5, GOOD.hashes, by_mallory), LEAVES[5], POLICY)
    with pytest.raises(Malformed, match=r"^note"):
        proof.verify(Proof(5, GOOD.hashes, b"checkpoint\n"), LEAVES[5], POLICY)


def test_an_entry_alone_in_its_tree_needs_no_hash() -> None:
    head = Checkpoint(ORIGIN, 1, LEAVES[0])
    alone = Policy((Log(LOG.key),), {}, {}, b"none")
    data = proof.encode(Proof(0, (), note.encode(checkpoint.sign(head, [LOG]))))
    assert proof.verify(proof.decode(data), LEAVES[0], alone).checkpoint == head


BAD = {
    "nothing": b"",
    "another version": DATA.replace(b"@v1", b"@v2", 1),
    "a space behind the header": DATA.replace(b"@v1\n", b"@v1 \n", 1),
    "no index": b"c2sp.org/tlog-proof@v1\n\ncheckpoint\n",
    "an index with a leading zero": DATA.replace(b"index 5", b"index 05"),
    "an index in another script": DATA.replace(b"index 5", "index ٥".encode()),
    "an index over the limit": DATA.replace(b"index 5", b"index %d" % (1 << 63)),
    "two spaces before the index": DATA.replace(b"index 5", b"index  5"),
    "an empty extra": b"c2sp.org/tlog-proof@v1\nextra \nindex 0\n\ncheckpoint\n",
    "two extras": DATA.replace(b"index", b"extra AAAA\nindex"),
    "an extra behind the index": b"c2sp.org/tlog-proof@v1\nindex 0\nextra AAAA\n\ncheckpoint\n",
    "stray bits in the extra": DATA.replace(b"extra ", b"extra AB==\nextra ", 1),
    "a short hash": b"c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\ncheckpoint\n",
    "an empty line too many": b"c2sp.org/tlog-proof@v1\n\nindex 0\n\ncheckpoint\n",
    "no checkpoint": b"c2sp.org/tlog-proof@v1\nindex 0\n\n",
    "no blank line": b"c2sp.org/tlog-proof@v1\nindex 0\n",
    "no newline at the end": DATA[:-1],
    "a carriage return": DATA.replace(b"\n", b"\r\n"),
    "a NUL": DATA.replace(b"index 5", b"index 5\0"),
    "64 hashes": b"c2sp.org/tlog-proof@v1\nindex 0\n"
    + (base64.b64encode(bytes(32)) + b"\n") * 64
    + b"\ncheckpoint\n",
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_what_is_no_proof_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed, match=r"^proof"):
        proof.decode(data)


UNWRITABLE = {
    "a negative index": Proof(-1, (), b"checkpoint\n"),
    "a short hash": Proof(0, (b"short",), b"checkpoint\n"),
    "no checkpoint": Proof(0, (), b""),
    "a checkpoint without its newline": Proof(0, (), b"checkpoint"),
}


@pytest.mark.parametrize("unwritable", UNWRITABLE.values(), ids=UNWRITABLE)
def test_a_proof_that_could_not_be_read_is_not_written(unwritable: Proof) -> None:
    with pytest.raises(Malformed):
        proof.encode(unwritable)


@given(
    st.integers(0, (1 << 63) - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63),
    st.binary(max_size=50),
)
def test_a_proof_is_read_as_it_was_written(index: int, hashes: list[bytes], extra: bytes) -> None:
    found = Proof(index, tuple(hashes), SIGNED, extra)
    assert proof.decode(proof.encode(found)) == found


@given(st.integers(0, len(DATA) - 1), st.integers(0, 255))
def test_a_changed_byte_shows_in_what_is_read(at: int, byte: int) -> None:
    data = DATA[:at] + bytes([byte]) + DATA[at + 1 :]
    try:
        found = proof.decode(data)
    except Malformed:
        return
    assert proof.encode(found) == data


@examples(200)
@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_changes_what_is_not_proven(at: int, mask: int) -> None:
    data = DATA[:at] + bytes([DATA[at] ^ mask]) + DATA[at + 1 :]
    try:
        found = proof.decode(data)
        proof.verify(found, LEAVES[5], POLICY)
    except (Malformed, Tampered, PolicyUnmet):
        return
    assert (found.index, found.hashes, found.checkpoint_note) == (5, GOOD.hashes, SIGNED)
    assert found.extra != GOOD.extra


WITNESS = b"witness"


def fields(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.split("\n"):
        if line:
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


def sigsum_policy(vectors: Path) -> tuple[dict[str, str], Policy]:
    """The published keys: log origins by key hash, and a policy that asks no witness."""
    data = json.loads((vectors / "tlog-proof/sigsum-proofs.json").read_bytes())
    origins, logs, witnesses = {}, [], {}
    for role, ssh in data["keys"]:
        public = base64.b64decode(ssh.split(" ")[1])[-32:]
        digest = hashlib.sha256(public).hexdigest()
        if role == "logKey":
            origins[digest] = f"sigsum.org/v1/tree/{digest}"
            logs.append(Log(VerifierKey(origins[digest], ED25519, public)))
        elif role == "witnessKey":
            witnesses[WITNESS] = Witness(VerifierKey("witness", COSIGNATURE_V1, public))
    return origins, Policy(tuple(logs), witnesses, {}, policy.NO_QUORUM)


def from_sigsum(found: dict[str, list[str]], origin: str, listed: Policy) -> Proof:
    """A Sigsum proof as a tlog-proof."""
    head = Checkpoint(origin, int(found["size"][0]), bytes.fromhex(found["root_hash"][0]))
    (log,) = (log.key for log in listed.logs if log.key.name == origin)
    signatures = [Signature(log.name, log.id, bytes.fromhex(found["signature"][0]))]
    for line in found.get("cosignature", []):
        _, time, signature = line.split(" ")
        key = listed.witnesses[WITNESS].key
        blob = int(time).to_bytes(8, "big") + bytes.fromhex(signature)
        signatures.append(Signature(key.name, key.id, blob))
    signed = note.encode(Note(checkpoint.encode(head), tuple(signatures)))
    hashes = tuple(bytes.fromhex(one) for one in found["node_hash"])
    return Proof(int(found["leaf_index"][0]), hashes, signed)


def message_of(size: str) -> bytes:
    return f"foo-{size}\n".encode().rjust(32)


def leaf_of(found: dict[str, list[str]], message: bytes) -> bytes:
    """The hash of what Sigsum logs: checksum, signature and key hash."""
    *_, key_hash, signature = found["leaf"][0].split(" ")
    checksum = hashlib.sha256(message).digest()
    return merkle.leaf_hash(checksum + bytes.fromhex(signature) + bytes.fromhex(key_hash))


def test_published_proofs_of_another_container_verify(vectors: Path) -> None:
    data = json.loads((vectors / "tlog-proof/sigsum-proofs.json").read_bytes())
    origins, listed = sigsum_policy(vectors)
    assert data["message_hex"] == message_of("4").hex()
    found = [fields(text) for text in data["proofs"]]
    assert len(found) == 8
    times: list[int | None] = []
    for each in found:
        leaf = leaf_of(each, message_of(each["size"][0]))
        hashes = [bytes.fromhex(one) for one in each.get("node_hash", [])]
        root, size = bytes.fromhex(each["root_hash"][0]), int(each["size"][0])
        merkle.verify_inclusion(leaf, int(each.get("leaf_index", ["0"])[0]), size, hashes, root)
        # The keys of the other logs aren't published.
        if each["log"][0] in origins:
            good = from_sigsum(each, origins[each["log"][0]], listed)
            evaluation = proof.verify(proof.decode(proof.encode(good)), leaf, listed)
            times.append(evaluation.witnesses.get(WITNESS))
    assert times == [None, 1_683_202_758]
