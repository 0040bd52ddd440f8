"""A note is what its known keys signed, to the byte, or it is nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.errors import DeploytrailError, Malformed, PolicyUnmet, Tampered
from deploytrail.log import note
from deploytrail.log.note import COSIGNATURE_V1, ED25519, Note, Signature, Signer, VerifierKey
from tests.log.signers import BOB, LOG, LOG_NEXT
from tests.searching import examples

TEXT = "Alice deployed.\n\nBob approved.\n"
SIGNED = Note(TEXT, (note.sign(TEXT, LOG), note.sign(TEXT, LOG_NEXT)))
DATA = note.encode(SIGNED)
VKEY = note.encode_vkey(LOG.key)
LINE = note.encode_signature(SIGNED.signatures[0])


@pytest.fixture(scope="module")
def golang(vectors: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(
        (vectors / "signed-note/golang-mod-sumdb-note.json").read_bytes()
    )
    return data


def seed_of(skey: str) -> bytes:
    return base64.b64decode(skey.split("+", 4)[4])[1:]


def test_the_example_of_the_specification_verifies(vectors: Path) -> None:
    spec = json.loads((vectors / "signed-note/c2sp-spec-examples.json").read_bytes())
    example = spec["signed_note_example"]
    key = note.decode_vkey(example["vkey"])
    assert note.encode_vkey(key) == example["vkey"]
    data = example["note"].encode()
    signed = note.decode(data)
    assert note.encode(signed) == data
    assert note.verify(signed, [key]) == ((key, None),)
    for name in ("cosigned_checkpoint_example_unverifiable_no_keys",):
        assert note.encode(note.decode(spec[name].encode())).decode() == spec[name]


def test_published_texts_are_signed_byte_for_byte(golang: dict[str, Any]) -> None:
    first, second = golang["signing"]
    alice = Signer("PeterNeumann", seed_of(first["skey"]))
    assert note.encode_vkey(alice.key) == first["vkey"]
    signed = Note(first["text"], (note.sign(first["text"], alice),))
    assert note.encode(signed).decode() == first["signed"]
    zero = Signer("EnochRoot", bytes(32))
    assert note.encode_vkey(zero.key) == second["vkey"]
    line = note.encode_signature(note.sign(second["text"], zero))
    assert line.removesuffix("\n") == second["signed_line"].removesuffix("\n")


def test_published_notes_are_judged_as_published(golang: dict[str, Any]) -> None:
    assert len(golang["open_cases"]) == 15
    for case in golang["open_cases"]:
        data = base64.b64decode(case["note_b64"]) if "note_b64" in case else case["note"].encode()
        keys = [note.decode_vkey(vkey) for vkey in case["verifiers"]]
        if not case["ok"]:
            with pytest.raises(DeploytrailError):
                note.verify(note.decode(data), keys)
            continue
        signed = note.decode(data)
        found = note.verify(signed, keys)
        assert len(found) == case["verified"], case["desc"]
        distinct = set(signed.signatures)
        assert len(distinct) - len(found) == case.get("unverified", 0), case["desc"]


def test_published_bad_vkeys_are_refused(golang: dict[str, Any], vectors: Path) -> None:
    data = json.loads((vectors / "cosignature/ed25519-cosignatures.json").read_bytes())
    bad = [one["vkey"] for one in golang["bad_vkeys"] if "vkey" in one]
    # Kinds of keys that we don't verify are no keys of ours.
    for vkey in [*bad, *data["vkeys_bad"], *data["other_vkeys"].values()]:
        with pytest.raises(Malformed, match=r"^v?key"):
            note.decode_vkey(vkey)
    for vkey in data["vkeys_ok"]:
        assert note.encode_vkey(note.decode_vkey(vkey)) == vkey


def test_every_part_and_every_change_of_a_vkey_is_refused(golang: dict[str, Any]) -> None:
    vkey = golang["signing"][0]["vkey"]
    note.decode_vkey(vkey)
    parts = {vkey[a:b] for a in range(len(vkey)) for b in range(a, len(vkey) + 1)} - {vkey}
    changed = {vkey[:at] + chr(ord(vkey[at]) + 1) + vkey[at + 1 :] for at in range(len(vkey))}
    for other in parts | changed:
        with pytest.raises(Malformed):
            note.decode_vkey(other)


def test_published_bad_texts_and_signatures_are_not_written(golang: dict[str, Any]) -> None:
    no_newline, bad_name, bad_base64 = golang["sign_bad_inputs"]
    with pytest.raises(Malformed, match=r"^note\.text: expected a newline"):
        note.sign(no_newline["text"], LOG)
    blob = base64.b64decode(bad_name["existing_sig"]["b64"])
    with pytest.raises(Malformed, match=r"^signature\.name"):
        note.encode_signature(Signature("a+b", blob[:4].ljust(4, b"\0"), b"sig"))
    existing = bad_base64["existing_sig"]
    with pytest.raises(Malformed, match=r"^signature: expected canonical base64"):
        note.decode_signature(f"— {existing['name']} {existing['b64']}\n")


def test_the_keys_of_the_published_log_lists_are_read(vectors: Path) -> None:
    lists = (vectors / "policy/witness-network/lists").rglob("log-list*")
    vkeys = [
        line.removeprefix("vkey ")
        for path in lists
        for line in path.read_text(encoding="utf-8").split("\n")
        if line.startswith("vkey ")
    ]
    assert len(vkeys) == 21
    assert all(note.encode_vkey(note.decode_vkey(vkey)) == vkey for vkey in vkeys)


BAD_NOTES = {
    "nothing": b"",
    "no signature": b"text\n\n",
    "no blank line": b"text\n" + LINE.encode(),
    "no newline at the end": DATA[:-1],
    "a blank line behind": DATA + b"\n",
    "a line behind": DATA + b"more\n",
    "a hyphen for the dash": DATA.replace("—".encode(), b"-", 1),
    "no space behind the dash": DATA.replace("— ".encode(), "—".encode(), 1),
    "two spaces": DATA.replace("— ".encode(), "—  ".encode(), 1),
    "a space at the end of a signature": DATA[:-1] + b" \n",
    "a no-break space in a name": DATA.replace(b"/acme", "/ac\u00a0me".encode()),
    "a plus in a name": DATA.replace(b"/acme", b"/ac+me"),
    "an empty name": b"text\n\n" + "—  AAAAAAA=\n".encode(),
    "a key id alone": b"text\n\n" + "— bob AAAAAA==\n".encode(),
    "stray bits in the base64": b"text\n\n" + "— bob AAAAAAB=\n".encode(),
    "a carriage return": DATA.replace(b"\n", b"\r\n"),
    "a NUL": DATA.replace(b"Alice", b"Al\0ce"),
    "an escape": DATA.replace(b"Alice", b"\x1b[1m"),
    "invalid UTF-8": DATA.replace(b"Alice", b"Al\xffce"),
    "a byte order mark for a signature": DATA.replace("\n\n—".encode(), "\n\n\ufeff—".encode()),
    "more bytes than any note": b"a" * 1_000_000 + DATA,
}


@pytest.mark.parametrize("data", BAD_NOTES.values(), ids=BAD_NOTES)
def test_what_is_no_note_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        note.decode(data)


def test_a_note_is_split_at_its_last_blank_line() -> None:
    assert note.decode(DATA).text == TEXT
    assert note.decode(b"\n\n" + LINE.encode()).text == "\n"
    assert note.decode(b"a\n\n\n" + LINE.encode()).text == "a\n\n"


@pytest.mark.parametrize("count", [1, 16, 100])
def test_a_note_bears_up_to_a_hundred_signatures(count: int) -> None:
    signers = [Signer(f"bob/{number}", bytes([number]) * 32) for number in range(count)]
    signed = Note(TEXT, tuple(note.sign(TEXT, signer) for signer in signers))
    found = note.verify(note.decode(note.encode(signed)), [signer.key for signer in signers])
    assert len(found) == count


def test_a_note_with_more_signatures_is_refused() -> None:
    with pytest.raises(Malformed, match="at most 100 signatures, found 101"):
        note.decode(f"{TEXT}\n{LINE * 101}".encode())


def test_signatures_by_unknown_keys_are_ignored() -> None:
    assert note.verify(SIGNED, [LOG.key]) == ((LOG.key, None),)
    assert note.verified(SIGNED, []) == ()
    with pytest.raises(PolicyUnmet, match="by a known key, found none"):
        note.verify(SIGNED, [])


def test_a_key_that_shares_only_the_name_or_only_the_id_is_another() -> None:
    signature = SIGNED.signatures[0]
    for other in (
        Signature("mallory.test/log", signature.key_id, b"forged"),
        Signature(signature.name, b"none", b"forged"),
    ):
        assert note.verified(Note(TEXT, (other,)), [LOG.key]) == ()


@examples(150)
@given(st.integers(0, 511))
def test_a_flipped_bit_of_a_known_signature_is_refused(bit: int) -> None:
    good, other = SIGNED.signatures
    blob = (int.from_bytes(good.blob, "big") ^ 1 << bit).to_bytes(64, "big")
    forged = Signature(good.name, good.key_id, blob)
    for signatures in ((forged,), (forged, other), (good, forged)):
        with pytest.raises(Tampered, match=r"^signature: expected one by"):
            note.verify(Note(TEXT, signatures), [LOG.key, LOG_NEXT.key])


def test_a_known_signature_of_another_length_is_refused() -> None:
    good = SIGNED.signatures[0]
    for blob in (b"a", good.blob[:-1], good.blob + b"\0", good.blob * 2):
        with pytest.raises(Tampered):
            note.verify(Note(TEXT, (Signature(good.name, good.key_id, blob),)), [LOG.key])


def test_a_signature_of_another_text_is_refused() -> None:
    with pytest.raises(Tampered):
        note.verify(Note("Mallory deployed.\n", SIGNED.signatures), [LOG.key])


def test_a_plain_note_has_no_cosignatures() -> None:
    blob = bytes(8) + note.ed25519_signature(BOB.seed, TEXT.encode())
    signed = Note(TEXT, (Signature(BOB.name, BOB.key.id, blob),))
    assert note.verified(signed, [BOB.key]) == ()
    with pytest.raises(Malformed, match="expected an Ed25519 key"):
        note.sign(TEXT, BOB)


@given(st.integers(0, len(DATA) - 1), st.integers(0, 255))
def test_a_changed_byte_shows_in_what_is_read(at: int, byte: int) -> None:
    data = DATA[:at] + bytes([byte]) + DATA[at + 1 :]
    try:
        signed = note.decode(data)
    except Malformed:
        return
    assert note.encode(signed) == data


@examples(150)
@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_a_changed_byte_costs_the_note_a_signature(at: int, mask: int) -> None:
    data = DATA[:at] + bytes([DATA[at] ^ mask]) + DATA[at + 1 :]
    keys = [LOG.key, LOG_NEXT.key]
    try:
        found = note.verify(note.decode(data), keys)
    except (Malformed, Tampered, PolicyUnmet):
        return
    assert len(found) < len(keys)


names = st.text(min_size=1, max_size=20).filter(
    lambda name: (
        "+" not in name
        and not any(char.isspace() or char < " " for char in name)
        and name.encode("utf-8", "replace").decode() == name
    )
)


@given(names, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80))
def test_a_signature_line_is_read_as_it_was_written(name: str, key_id: bytes, blob: bytes) -> None:
    signature = Signature(name, key_id, blob)
    assert note.decode_signature(note.encode_signature(signature)) == signature


@given(names, st.sampled_from([ED25519, COSIGNATURE_V1]), st.binary(min_size=32, max_size=32))
def test_a_vkey_is_read_as_it_was_written(name: str, algorithm: int, public: bytes) -> None:
    key = VerifierKey(name, algorithm, public)
    assert note.decode_vkey(note.encode_vkey(key)) == key


BAD_LINES = {
    "no newline": LINE[:-1],
    "two lines": LINE * 2,
    "nothing": "",
    "a newline alone": "\n",
}


@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES)
def test_what_is_no_signature_line_is_refused(line: str) -> None:
    with pytest.raises(Malformed, match=r"^signature"):
        note.decode_signature(line)


UNWRITABLE = {
    "no newline at the end of the text": Note("text", SIGNED.signatures),
    "no signature": Note(TEXT, ()),
    "a key id of three bytes": Note(TEXT, (Signature("bob", b"abc", b""),)),
    "a newline in a name": Note(TEXT, (Signature("bob\n", b"abcd", b"sig"),)),
    "half a surrogate pair": Note("\udc80\n", SIGNED.signatures),
}


@pytest.mark.parametrize("unwritable", UNWRITABLE.values(), ids=UNWRITABLE)
def test_a_note_that_could_not_be_read_is_not_written(unwritable: Note) -> None:
    with pytest.raises(Malformed):
        note.encode(unwritable)


BAD_KEYS = {
    "an empty name": ("", ED25519, bytes(32)),
    "a space in the name": ("a b", ED25519, bytes(32)),
    "a plus in the name": ("a+b", ED25519, bytes(32)),
    "a newline in the name": ("a\nb", ED25519, bytes(32)),
    "half a surrogate pair": ("a\udc80", ED25519, bytes(32)),
    "an unknown algorithm": ("a", 0x02, bytes(32)),
    "a short key": ("a", ED25519, bytes(31)),
}


@pytest.mark.parametrize("parts", BAD_KEYS.values(), ids=BAD_KEYS)
def test_a_key_that_could_not_be_written_is_refused(parts: tuple[str, int, bytes]) -> None:
    with pytest.raises(Malformed, match=r"^key"):
        VerifierKey(*parts)
    name, algorithm, data = parts
    with pytest.raises(Malformed, match=r"^signer"):
        Signer(name, data, algorithm)


def test_a_signer_shows_its_seed_nowhere() -> None:
    signer = Signer("alice", b"\x07\x77" * 16)
    assert "\\x07" not in f"{signer!r} {signer}"


def wycheproof(vectors: Path) -> Iterator[tuple[dict[str, Any], bytes]]:
    path = vectors / "ed25519/wycheproof/testvectors_v1/ed25519_test.json"
    for group in json.loads(path.read_bytes())["testGroups"]:
        for case in group["tests"]:
            yield case, bytes.fromhex(group["publicKey"]["pk"])


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        note.check_ed25519(VerifierKey("key", ED25519, public), message, signature)
    except Tampered:
        return False
    return True


def test_signatures_are_judged_as_wycheproof_does(vectors: Path) -> None:
    cases = list(wycheproof(vectors))
    assert len(cases) == 151
    for case, public in cases:
        found = is_signed(public, bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
        assert found is (case["result"] == "valid"), case["tcId"]


def test_points_of_low_order_are_judged_as_most_verifiers_do(vectors: Path) -> None:
    path = vectors / "ed25519/cctv/ed25519/ed25519vectors.json"
    cases = json.loads(path.read_bytes())
    assert len(cases) == 914
    for case in cases:
        found = is_signed(
            bytes.fromhex(case["key"]), case["msg"].encode(), bytes.fromhex(case["sig"])
        )
        refused = {"non_canonical_R", "low_order_residue"} & set(case["flags"] or [])
        assert found is not bool(refused), case["number"]
