"""A witness cosigns a log's checkpoints one behind the other, and never two histories."""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import merkle, witnessing
from deploytrail.log import note as notes
from deploytrail.log.checkpoint import Checkpoint
from deploytrail.log.known_logs import Logs
from deploytrail.log.merkle import EMPTY_ROOT
from deploytrail.log.note import COSIGNATURE_V1, ML_DSA_44, Note, Signer
from deploytrail.log.witnessing import Request
from deploytrail.witness.answer import NOTHING, Decision, Reply, Seen, decided, submitted
from tests.log.signers import BOB, CAROL, LOG, LOG_NEXT, MALLORY, ORIGIN
from tests.log.trees import hash_at
from tests.searching import examples
from tests.witness.requests import (
    NOON,
    SCRIPTED_WITNESS,
    SCRIPTS,
    branch,
    is_cosigned,
    request,
    scripted,
    scripted_log,
    signed,
    sigsum_log,
)

LOGS: Logs = {ORIGIN: (LOG.key,)}


class Memory:
    """A witness that keeps what it cosigned in memory."""

    def __init__(self, logs: Logs = LOGS, signers: tuple[Signer, ...] = (BOB,)) -> None:
        self.logs = logs
        self.signers = signers
        self.seen: dict[str, Seen] = {}

    def decision(self, body: bytes) -> Decision:
        new = submitted(body, self.logs)
        if isinstance(new, Reply):
            return Decision(new)
        origin = new.checkpoint.origin
        found = decided(new, self.seen.get(origin, NOTHING), self.signers, NOON)
        if found.cosigned is not None:
            self.seen[origin] = Seen(new.checkpoint.size, new.checkpoint.root)
        return found

    def answer(self, body: bytes) -> Reply:
        return self.decision(body).reply


def test_every_scripted_request_gets_its_status(vectors: Path) -> None:
    script = vectors / SCRIPTS / "litewitness.txt"
    witness = Memory(scripted_log(script), (Signer(SCRIPTED_WITNESS, BOB.seed, COSIGNATURE_V1),))
    steps = scripted(script)
    assert len(steps) == 11
    for step in steps:
        reply = witness.answer(step.body)
        assert reply.status == step.status, (reply, step.asserted)
        assert step.is_met(reply.body.decode()), (reply, step.asserted)
        if step.status == 409:
            assert reply.content_type == "text/x.tlog.size"
        if step.status == 200:
            text = witnessing.decode(step.body).note.text
            assert is_cosigned(reply.body, text, witness.signers[0].key)


def test_a_signature_in_another_spelling_is_no_signature_and_no_malformed_request() -> None:
    good = request(branch(1), 0)
    # Of 68 bytes the last character has two bits to spare.
    respelt = good[:-3] + bytes([good[-3] + 1]) + b"=\n"
    assert base64.b64decode(respelt.split()[-1]) == base64.b64decode(good.split()[-1])
    witness = Memory()
    assert witness.answer(respelt).status == 403
    assert witness.answer(good + respelt.splitlines(keepends=True)[-1]).status == 403
    assert Memory({}).answer(respelt).status == 404
    assert not witness.seen


def test_a_signature_that_is_wrong_gets_403() -> None:
    body = request(branch(1), 0)
    (signature,) = witnessing.decode(body).note.signatures
    for at in range(len(signature.blob)):
        blob = bytearray(signature.blob)
        blob[at] ^= 1
        spoilt = signature.__class__(signature.name, signature.key_id, bytes(blob))
        note = Note(witnessing.decode(body).note.text, (spoilt,))
        assert Memory().answer(witnessing.encode(Request(0, (), note))).status == 403


def test_a_log_whose_key_has_another_name_is_known_by_its_origin(vectors: Path) -> None:
    ((body, status, _),) = scripted(vectors / SCRIPTS / "sumdb.txt")
    vkey = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    logs: Logs = {"go.sum database tree": (notes.decode_vkey(vkey),)}
    assert Memory(logs).answer(body).status == status == 200
    assert Memory({"sum.golang.org": (notes.decode_vkey(vkey),)}).answer(body).status == 404


def test_two_keys_of_a_witness_both_cosign(vectors: Path) -> None:
    lines = (vectors / "witness/torchwood-index/multi-cosigs-ed25519.txt").read_text().split("\n")
    (key,) = (line.rpartition(": ")[2] for line in lines if line.startswith("# log key"))
    body = "\n".join(line for line in lines if not line.startswith("#")).encode()
    reply = Memory(sigsum_log(key), (BOB, CAROL)).answer(body)
    assert reply.status == 200
    assert reply.body.count(b"\n") == 2
    assert is_cosigned(reply.body, witnessing.decode(body).note.text, BOB.key, CAROL.key)


def test_a_log_that_signs_with_ml_dsa_is_cosigned(vectors: Path) -> None:
    data = json.loads((vectors / "cosignature/mldsa44-checkpoint.json").read_text())
    key = notes.decode_vkey(data["vkey"])
    assert key.algorithm == ML_DSA_44
    body = data["add_checkpoint_body"].encode()
    assert Memory({key.name: (key,)}).answer(body).status == 200


ROOTS = {
    'SHA256("")': EMPTY_ROOT,
    "leaf": merkle.leaf_hash(b"leaf"),
    "00*32": bytes(32),
}


def test_sizes_of_nothing_are_judged_by_the_specification(vectors: Path) -> None:
    data = json.loads((vectors / "witness/torchwood-witness-cases.json").read_text())
    assert len(data["cases"]) == 8
    for case in data["cases"]:
        witness = Memory()
        if case["known"]:
            witness.seen[ORIGIN] = Seen(case["known"], ROOTS["leaf"])
        note = checkpoints.sign(Checkpoint(ORIGIN, case["new"], ROOTS[case["hash"]]), [LOG])
        proof = tuple(ROOTS[one] for one in case["proof"])
        reply = witness.answer(witnessing.encode(Request(case["old"], proof, note)))
        assert reply.status == case["status"], case["name"]


def malformed() -> dict[str, bytes]:
    good = request(branch(3), 0)
    head, _, tail = good.partition(b"\n\n")
    hash_line = base64.b64encode(bytes(32)) + b"\n"
    return {
        "nothing": b"",
        "no blank line": head + b"\n" + tail,
        "no checkpoint": b"old 0\n\n",
        "a size with a leading zero": good.replace(b"old 0", b"old 00"),
        "a size with a sign": good.replace(b"old 0", b"old +0"),
        "a size in another script": good.replace(b"old 0", "old ٣".encode()),
        "two spaces": good.replace(b"old 0", b"old  0"),
        "another word": good.replace(b"old 0", b"new 0"),
        "a size that is too large": good.replace(b"old 0", b"old 9223372036854775808"),
        "lines that end in CRLF": good.replace(b"\n", b"\r\n"),
        "a hash that is too short": good.replace(b"old 0\n", b"old 0\nAAAA\n"),
        "a hash with stray bits": good.replace(b"old 0\n", b"old 0\n" + b"A" * 42 + b"B=\n"),
        "64 hashes": good.replace(b"old 0\n", b"old 0\n" + hash_line * 64),
        "bytes that are not UTF-8": good.replace(b"\n\n", b"\n\xff\n\n", 1),
        "no newline at the end": good[:-1],
        "more than may be sent": good + b"\xe2\x80\x94 x AAAAAAAA\n" * 10_000,
        "101 signatures": good + b"\xe2\x80\x94 x AAAAAAAA\n" * 100,
        "an old size above the new one": good.replace(b"old 0", b"old 4"),
    }


@pytest.mark.parametrize("reason", malformed())
def test_what_is_no_request_gets_400(reason: str) -> None:
    witness = Memory()
    assert witness.answer(malformed()[reason]).status == 400
    assert not witness.seen


def test_sixty_three_hashes_are_read() -> None:
    body = request(branch(3), 0, proof=[bytes(32)] * 63)
    assert Memory().answer(body).status == 422


def test_a_checkpoint_that_only_others_signed_gets_403() -> None:
    witness = Memory()
    forged = checkpoints.encode(Checkpoint(ORIGIN, 1, merkle.root(branch(1))))
    by_mallory = Signer(ORIGIN, MALLORY.seed)
    note = Note(forged, (notes.sign(forged, by_mallory),))
    assert witness.answer(witnessing.encode(Request(0, (), note))).status == 403
    assert not witness.seen


def test_both_keys_of_a_rotation_sign_for_a_log() -> None:
    logs: Logs = {ORIGIN: (LOG.key, LOG_NEXT.key)}
    witness = Memory(logs)
    assert witness.answer(request(branch(2), 0)).status == 200
    assert witness.answer(request(branch(3), 2, signer=LOG_NEXT)).status == 200


def test_what_is_kept_has_the_log_s_signatures_and_ours_alone() -> None:
    note = signed(branch(2))
    stranger = notes.sign(note.text, Signer("mallory.test", MALLORY.seed))
    body = witnessing.encode(Request(0, (), Note(note.text, (*note.signatures, stranger))))
    kept = Memory().decision(body).cosigned
    assert kept is not None
    assert [one.name for one in kept.signatures] == [ORIGIN, BOB.name]


def test_the_same_checkpoint_again_is_cosigned_anew() -> None:
    witness = Memory()
    for old in (0, 5, 5):
        assert witness.answer(request(branch(5), old)).status == 200


def test_a_log_that_was_set_back_is_told_the_size_that_it_had() -> None:
    witness = Memory()
    witness.answer(request(branch(9), 0))
    found = witness.decision(request(branch(4), 0))
    assert (found.reply.status, found.reply.body) == (409, b"9\n")
    assert "was at 9 before" in found.contradiction
    assert not found.is_proven


def test_a_fork_is_refused_and_proven_where_both_sizes_are_the_same() -> None:
    witness = Memory()
    witness.answer(request(branch(9), 0))
    other = branch(9, name="other", fork_at=4)
    for old in (0, 9):
        found = witness.decision(request(other, old))
        assert found.reply.status in {409, 422}
        assert found.is_proven
        assert "two roots" in found.contradiction
    longer = branch(12, name="other", fork_at=4)
    found = witness.decision(request(longer, 9))
    assert found.reply.status == 422
    assert found.contradiction
    assert not found.is_proven
    assert witness.seen[ORIGIN] == Seen(9, merkle.root(branch(9)))


@st.composite
def asked(draw: st.DrawFn) -> tuple[list[bytes], int, str]:
    size = draw(st.integers(0, 24))
    hashes = branch(size, name=draw(st.sampled_from(["main", "a", "b"])), fork_at=7)
    return hashes, draw(st.integers(0, 26)), draw(st.sampled_from(["right", "empty", "other"]))


@given(st.lists(asked(), min_size=1, max_size=30), st.booleans())
@examples(200)
def test_whatever_is_asked_what_was_cosigned_is_one_history(
    asks: list[tuple[list[bytes], int, str]], follows: bool
) -> None:
    """`follows`: the asker takes the size that it is told, as honest logs and patient liars do."""
    witness = Memory()
    cosigned: list[list[bytes]] = []
    for hashes, wanted, kind in asks:
        old = witness.seen.get(ORIGIN, NOTHING).size if follows else wanted
        if kind == "right" and old <= len(hashes):
            proof = merkle.consistency_proof(old, len(hashes), hash_at(hashes)) if hashes else []
        else:
            proof = [] if kind == "empty" else [bytes(32)] * 3
        if witness.answer(request(hashes, old, proof=proof)).status == 200:
            cosigned.append(hashes)
    for before, after in pairwise(cosigned):
        assert after[: len(before)] == before
