"""A checkpoint says one size and one root, and a cosignature since when."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.errors import Malformed, PolicyUnmet, Tampered
from deploytrail.log import checkpoint, merkle, note
from deploytrail.log.checkpoint import Checkpoint
from deploytrail.log.note import COSIGNATURE_V1, ML_DSA_44, Note, Signature, Signer, VerifierKey
from tests.log.signers import BOB, CAROL, LOG, LOG_NEXT, MALLORY, ORIGIN, OWN
from tests.log.trees import leaves
from tests.searching import examples

HEAD = Checkpoint(ORIGIN, 13, merkle.root(leaves(13)))
TEXT = checkpoint.encode(HEAD)
NOON = 1_795_262_400
SIGNED = checkpoint.sign(HEAD, [LOG])
COSIGNED = Note(
    TEXT, (*SIGNED.signatures, checkpoint.cosign(TEXT, BOB, NOON), checkpoint.cosign(TEXT, OWN, 1))
)
DATA = note.encode(COSIGNED)
KEYS = [LOG.key, BOB.key, OWN.key]


def read(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_bytes())
    return data


def test_published_texts_are_judged_by_the_specification(vectors: Path) -> None:
    data = read(vectors / "checkpoint/formats-checkpoint-body.json")
    # Their library takes roots of any length; the specification, and so we, take 32 bytes.
    for case in data["valid"]:
        with pytest.raises(Malformed):
            checkpoint.decode(case["body"])
        lines = case["body"].split("\n")
        lines[2] = base64.b64encode(bytes(32)).decode()
        body = "\n".join(lines)
        if "spec_says" in case:
            with pytest.raises(Malformed, match="none empty"):
                checkpoint.decode(body)
        else:
            found = checkpoint.decode(body)
            assert checkpoint.encode(found) == body
            assert found.size == case.get("size", 9944)
            assert "".join(f"{one}\n" for one in found.extensions) == case.get("rest", "")
    for case in data["invalid"]:
        with pytest.raises(Malformed):
            checkpoint.decode(case["body"])


def test_the_published_go_tree_is_read_and_written(vectors: Path) -> None:
    case = read(vectors / "checkpoint/go-sumdb-tree-and-record.json")["format_tree"]
    found = checkpoint.decode(case["want"])
    assert (found.size, found.root) == (case["n"], merkle.leaf_hash(case["leaf_data"].encode()))
    assert checkpoint.encode(found) == case["want"]


def test_an_origin_has_up_to_255_bytes(vectors: Path) -> None:
    for case in read(vectors / "checkpoint/torchwood-origin-length.json")["cases"]:
        char, count = case.get("origin_repeat", ("", 0))
        origin = case.get("origin", char * count) + case.get("plus", "")
        head = Checkpoint(origin, 1, bytes(32))
        if case["valid"]:
            assert checkpoint.decode(checkpoint.encode(head)) == head
        else:
            with pytest.raises(Malformed):
                checkpoint.encode(head)


def test_published_origins_are_origins(vectors: Path) -> None:
    data = read(vectors / "checkpoint/formats-checkpoint-body.json")["origin_id_sha256_hex"]
    assert len(data) == 5
    for origin in data:
        head = Checkpoint(origin, 0, merkle.EMPTY_ROOT)
        assert checkpoint.decode(checkpoint.encode(head)) == head


def key_of(case: dict[str, Any]) -> VerifierKey:
    if "vkey" in case:
        return note.decode_vkey(case["vkey"])
    seed = bytes.fromhex(case["ed25519_seed_hex"])
    if "key_name" in case:
        return Signer(case["key_name"], seed, COSIGNATURE_V1).key
    return Signer(case["origin"], seed).key


def test_real_checkpoints_verify(vectors: Path) -> None:
    data = read(vectors / "checkpoint/real-world-signed.json")
    for case in data["signed"]:
        signed = note.decode(case["note"].encode())
        head, found = checkpoint.verify(signed, [key_of(case)])
        assert head.origin == case["origin"]
        assert len(found) == 1
        assert note.encode(signed).decode() == case["note"]
    many = data["multi_signature_benchmark_note"]
    keys = [note.decode_vkey(vkey) for vkey in many["vkeys"]]
    signed = note.decode(many["note"].encode())
    assert [one.key for one in checkpoint.verify(signed, keys)[1]] == keys
    assert len(keys) == 4


def test_published_signing_keys_sign_checkpoints(vectors: Path) -> None:
    data = read(vectors / "checkpoint/real-world-signed.json")["log_keys_for_signing"]
    for name, skey in data.items():
        key_id, encoded = skey.split("+", 4)[3:]
        signer = Signer(name, base64.b64decode(encoded)[1:])
        assert signer.key.id.hex() == key_id
        signed = checkpoint.sign(Checkpoint(name, 0, merkle.EMPTY_ROOT), [signer])
        assert checkpoint.verify(signed, [signer.key])[1] == ((signer.key, None),)


def test_published_cosignatures_verify(vectors: Path) -> None:
    for case in read(vectors / "cosignature/ed25519-cosignatures.json")["verifiable"]:
        key, text = key_of(case), case["checkpoint_body"]
        signature = note.decode_signature(case["line"])
        assert checkpoint.verify(Note(text, (signature,)), [key])[1] == ((key, case["timestamp"]),)
        for line in case.get("must_ignore_lines", []):
            ignored = note.decode_signature(line)
            assert checkpoint.verified(Note(text, (ignored,)), [key])[1] == ()
        if "ed25519_seed_hex" in case:
            seed = bytes.fromhex(case["ed25519_seed_hex"])
            bob = Signer(case["key_name"], seed, COSIGNATURE_V1)
            assert checkpoint.cosign(text, bob, case["timestamp"]) == signature


def test_the_published_checkpoint_of_a_second_witness_verifies(vectors: Path) -> None:
    folder = vectors / "tlog-tiles/sunlight-skylight/cmd/skylight/testdata/witness2"
    (path,) = folder.glob("*/checkpoint")
    (vkey,) = read(folder / "witness.v0.json")["verifier_keys"]
    head, found = checkpoint.verify(note.decode(path.read_bytes()), [note.decode_vkey(vkey)])
    assert (head.size, [one.timestamp for one in found]) == (300, [1_767_139_200])


def test_a_published_line_is_read_though_its_time_is_beyond_all_times(vectors: Path) -> None:
    (case,) = read(vectors / "cosignature/ed25519-cosignatures.json")["encoding_only"]
    signature = note.decode_signature(case["line"].removesuffix("\n") + "\n")
    assert signature.key_id.hex() == case["key_id_hex"]
    assert signature.blob.hex() == case["timestamp_hex"] + case["signature_hex"]
    forged = Signature(BOB.name, BOB.key.id, signature.blob)
    with pytest.raises(Tampered, match=r"expected a time below 2\^63"):
        checkpoint.verified(Note(TEXT, (forged,)), [BOB.key])


def test_published_timestamps_stand_where_we_look_for_them(vectors: Path) -> None:
    good, plain = read(vectors / "cosignature/ed25519-cosignatures.json")["timestamp_extraction"]
    signature = note.decode_signature(f"— bob {good['sig_b64']}\n")
    assert int.from_bytes(signature.blob[:8], "big") == good["unix"]
    assert len(signature.blob) == 8 + 64
    assert len(note.decode_signature(f"— bob {plain['sig_b64']}\n").blob) == 64


def test_the_published_example_of_a_cosigned_message_is_what_is_signed(vectors: Path) -> None:
    spec = read(vectors / "signed-note/c2sp-spec-examples.json")
    header, time, text = spec["cosignature_message_example"].split("\n", 2)
    assert header == "cosignature/v1"
    timestamp = int(time.removeprefix("time "))
    expected = note.ed25519_signature(BOB.seed, spec["cosignature_message_example"].encode())
    assert checkpoint.cosign(text, BOB, timestamp).blob[8:] == expected


def test_a_published_ml_dsa_signature_verifies(vectors: Path) -> None:
    case = read(vectors / "cosignature/mldsa44-checkpoint.json")
    key = note.decode_vkey(case["vkey"])
    assert key.algorithm == ML_DSA_44
    assert note.encode_vkey(key) == case["vkey"]
    data = case["add_checkpoint_body"].split("\n\n", 1)[1].encode()
    signed = note.decode(data)
    assert note.encode(signed) == data
    head, found = checkpoint.verify(signed, [key])
    assert (head.origin, head.size) == (case["origin"], case["size"])
    assert head.root == base64.b64decode(case["root_b64"])
    # Time 0 says nothing about time.
    assert found == ((key, None),)
    message = bytes.fromhex(case["signed_message_hex"])
    (signature,) = signed.signatures
    checkpoint.check_ml_dsa(key, message, signature.blob[8:])
    other = Note(signed.text.replace("\n1\n", "\n2\n"), signed.signatures)
    with pytest.raises(Tampered):
        checkpoint.verify(other, [key])


def test_ml_dsa_signatures_are_judged_as_wycheproof_does(vectors: Path) -> None:
    data = read(vectors / "mldsa/wycheproof/testvectors_v1/mldsa_44_verify_test.json")
    judged = 0
    for group in data["testGroups"]:
        public = bytes.fromhex(group["publicKey"])
        if len(public) != 1312:
            with pytest.raises(Malformed):
                VerifierKey("key", ML_DSA_44, public)
            continue
        for case in group["tests"]:
            if case.get("ctx"):
                continue  # Cosignatures have no context.
            judged += 1
            try:
                checkpoint.check_ml_dsa(
                    VerifierKey("key", ML_DSA_44, public),
                    bytes.fromhex(case["msg"]),
                    bytes.fromhex(case["sig"]),
                )
            except Tampered:
                assert case["result"] == "invalid", case["tcId"]
            else:
                assert case["result"] == "valid", case["tcId"]
    assert judged > 160


ROOT_LINE = base64.b64encode(bytes(32)).decode()

BAD_TEXTS = {
    "nothing": "",
    "two lines": "log\n1\n",
    "no newline at the end": f"log\n1\n{ROOT_LINE}",
    "an empty origin": f"\n1\n{ROOT_LINE}\n",
    "an empty line behind": f"log\n1\n{ROOT_LINE}\n\n",
    "a leading zero": f"log\n01\n{ROOT_LINE}\n",
    "a size in another script": f"log\n٣\n{ROOT_LINE}\n",
    "a size with an underscore": f"log\n1_0\n{ROOT_LINE}\n",
    "a size with a space": f"log\n 1\n{ROOT_LINE}\n",
    "a size over the limit": f"log\n{1 << 63}\n{ROOT_LINE}\n",
    "a root of 31 bytes": f"log\n1\n{base64.b64encode(bytes(31)).decode()}\n",
    "a root with stray bits": f"log\n1\n{ROOT_LINE[:-2]}B=\n",
    "a root in hex": f"log\n1\n{'00' * 32}\n",
    "a carriage return": f"log\r\n1\n{ROOT_LINE}\n",
    "a NUL": f"l\0g\n1\n{ROOT_LINE}\n",
    "half a surrogate pair": f"l\udc80g\n1\n{ROOT_LINE}\n",
}


@pytest.mark.parametrize("text", BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match=r"^checkpoint"):
        checkpoint.decode(text)
    with pytest.raises(Malformed, match=r"^checkpoint"):
        checkpoint.cosign(text, BOB, NOON)


UNWRITABLE = {
    "a newline in the origin": Checkpoint("a\nb", 1, bytes(32)),
    "a negative size": Checkpoint("a", -1, bytes(32)),
    "a short root": Checkpoint("a", 1, bytes(31)),
    "an empty extension": Checkpoint("a", 1, bytes(32), ("",)),
    "two extensions in one": Checkpoint("a", 1, bytes(32), ("b\nc",)),
}


@pytest.mark.parametrize("head", UNWRITABLE.values(), ids=UNWRITABLE)
def test_a_checkpoint_that_could_not_be_read_is_not_written(head: Checkpoint) -> None:
    with pytest.raises(Malformed, match=r"^checkpoint"):
        checkpoint.encode(head)


lines = st.text(min_size=1, max_size=40).filter(
    lambda line: not any(char < " " or "\ud800" <= char <= "\udfff" for char in line)
)


@given(lines, st.integers(0, (1 << 63) - 1), st.binary(min_size=32, max_size=32), st.lists(lines))
def test_a_checkpoint_is_read_as_it_was_written(
    origin: str, size: int, root: bytes, extensions: list[str]
) -> None:
    head = Checkpoint(origin, size, root, tuple(extensions))
    assert checkpoint.decode(checkpoint.encode(head)) == head


@given(st.integers(0, len(TEXT) - 1), st.characters(codec="utf-8"))
def test_a_changed_character_shows_in_what_is_read(at: int, char: str) -> None:
    text = TEXT[:at] + char + TEXT[at + 1 :]
    try:
        head = checkpoint.decode(text)
    except Malformed:
        return
    assert checkpoint.encode(head) == text


def test_signatures_and_cosignatures_verify_together() -> None:
    head, found = checkpoint.verify(note.decode(DATA), KEYS)
    assert head == HEAD
    assert found == ((LOG.key, None), (BOB.key, NOON), (OWN.key, 1))


@examples(200)
@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_a_changed_byte_costs_a_signature(at: int, mask: int) -> None:
    data = DATA[:at] + bytes([DATA[at] ^ mask]) + DATA[at + 1 :]
    try:
        _, found = checkpoint.verify(note.decode(data), KEYS)
    except (Malformed, Tampered, PolicyUnmet):
        return
    assert len(found) < len(KEYS)


def test_two_keys_sign_while_one_replaces_the_other() -> None:
    signed = checkpoint.sign(HEAD, [LOG, LOG_NEXT])
    for keys in ([LOG.key], [LOG_NEXT.key], [LOG.key, LOG_NEXT.key]):
        assert [one.key for one in checkpoint.verify(signed, keys)[1]] == keys


def test_a_cosignature_holds_for_its_time_alone() -> None:
    good = checkpoint.cosign(TEXT, BOB, NOON)
    later = Signature(good.name, good.key_id, (NOON + 1).to_bytes(8, "big") + good.blob[8:])
    with pytest.raises(Tampered):
        checkpoint.verified(Note(TEXT, (later,)), [BOB.key])


@pytest.mark.parametrize("timestamp", [0, 1, (1 << 63) - 1])
def test_a_cosignature_states_its_time(timestamp: int) -> None:
    signed = Note(TEXT, (checkpoint.cosign(TEXT, BOB, timestamp),))
    assert checkpoint.verify(signed, [BOB.key])[1] == ((BOB.key, timestamp),)


@pytest.mark.parametrize("timestamp", [-1, 1 << 63])
def test_a_time_beyond_all_times_is_not_cosigned(timestamp: int) -> None:
    with pytest.raises(Malformed, match=r"^timestamp"):
        checkpoint.cosign(TEXT, BOB, timestamp)


def test_a_key_that_signs_is_no_key_that_cosigns() -> None:
    with pytest.raises(Malformed, match="expected a cosignature key"):
        checkpoint.cosign(TEXT, LOG, NOON)
    with pytest.raises(Malformed, match="expected an Ed25519 key"):
        checkpoint.sign(HEAD, [BOB])
    assert Signer(LOG.name, LOG.seed, COSIGNATURE_V1).key.id != LOG.key.id


def test_cosignatures_of_others_are_ignored() -> None:
    signed = Note(TEXT, (checkpoint.cosign(TEXT, MALLORY, NOON),))
    assert checkpoint.verified(signed, [BOB.key, CAROL.key]) == (HEAD, ())
    with pytest.raises(PolicyUnmet):
        checkpoint.verify(signed, [BOB.key, CAROL.key])


def test_a_short_cosignature_is_refused() -> None:
    for blob in (b"a", bytes(8), bytes(64)):
        with pytest.raises(Tampered):
            checkpoint.verified(Note(TEXT, (Signature(BOB.name, BOB.key.id, blob),)), [BOB.key])


# Their own parser reads the first; it is lax, and the signature in it is wrong either way.
REFUSED_REQUESTS = {
    "expected canonical base64",
    "expected a text, a blank line and signatures",
    "checkpoint.size: expected a decimal",
}


def test_the_notes_that_witnesses_are_sent_are_read(vectors: Path) -> None:
    """The bodies of add-checkpoint requests; what a witness answers is the witness's affair."""
    sizes: list[int] = []
    refused: list[str] = []
    for name in (
        "torchwood-2026-06/cmd/litewitness/testdata/litewitness.txt",
        "torchwood-2026-06/cmd/litewitness/testdata/sumdb.txt",
        "torchwood-index/multi-cosigs-ed25519.txt",
    ):
        text = (vectors / "witness" / name).read_text(encoding="utf-8")
        for part in text.split("\nold ")[1:]:
            body = part.split("\n```")[0].rstrip("\n") + "\n"
            data = body.partition("\n\n")[2].encode()
            try:
                signed = note.decode(data)
                sizes.append(checkpoint.decode(signed.text).size)
            except Malformed as error:
                refused.append(str(error))
            else:
                assert note.encode(signed) == data
    assert len(sizes) == 10
    assert {1, 3, 5, 35_225_469} == set(sizes)
    assert len(refused) == len(REFUSED_REQUESTS)
    for reason in REFUSED_REQUESTS:
        assert any(reason in message for message in refused)
