"""A proof is checked with nothing of the log but itself, the entry or a receipt, and a key."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from deploytrail.app.verifying import verify
from deploytrail.errors import Malformed, NotFound
from deploytrail.log import checkpoint, note, policy
from deploytrail.log.note import COSIGNATURE_V1, Signer
from deploytrail.log.policy import NO_QUORUM, Log, Policy, Witness
from deploytrail.report import Report
from deploytrail.trail import Receipt
from tests.app.places import place

COUNT = 300
AT = 70


class Carol:
    """With a proof, its entry, a receipt and the log's policy; the log is elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.there = place(folder)
        self.receipts = self.there.record(COUNT)
        with self.there.opened() as trail:
            self.put("proof", trail.proof(AT))
            self.put("entry", trail.show(AT).entry)
        self.put_receipt()
        self.put("policy", (self.there.home / "policy").read_bytes())
        self.states = folder / "carol" / "deploytrail"

    def put(self, name: str, octets: bytes) -> None:
        (self.folder / name).write_bytes(octets)

    def put_receipt(self, **changed: str) -> None:
        receipt: Receipt = msgspec.structs.replace(self.receipts[AT], **changed)
        self.put("receipt", msgspec.json.encode(receipt))

    def change(self, name: str, old: bytes, new: bytes) -> None:
        octets = (self.folder / name).read_bytes()
        assert octets.count(old) == 1
        self.put(name, octets.replace(old, new))

    def verify(self, *names: str, max_age_seconds: int | None = None) -> Report:
        given = {name: self.folder / name for name in names}
        return verify(
            self.folder / "proof",
            policy=given.get("policy"),
            entry=given.get("entry"),
            receipts=[given["receipt"]] if "receipt" in given else (),
            state=self.states,
            max_age_seconds=max_age_seconds,
            environment={},
            clock=self.there.clock,
        )


@pytest.fixture
def carol(tmp_path: Path) -> Carol:
    return Carol(tmp_path)


ABOUT = {"the entry": ("entry",), "the receipt": ("receipt",), "both": ("entry", "receipt")}


@pytest.mark.parametrize("about", ABOUT)
def test_a_proof_holds_of_the_entry_and_of_its_receipt(carol: Carol, about: str) -> None:
    report = carol.verify("policy", *ABOUT[about])
    assert (report.exit_code, report.found) == (0, ())
    assert (report.proven, report.size, report.size_signed) == (AT, COUNT, COUNT)
    assert (report.key_from, report.anchoring) == ("policy", "UNANCHORED")


CHANGED: dict[str, tuple[Callable[[Carol], None], tuple[str, ...]]] = {
    "the entry": (lambda it: it.change("entry", b'"argocd"', b'"brgocd"'), ("entry",)),
    "the entry, not the receipt": (
        lambda it: it.change("entry", b'"argocd"', b'"brgocd"'),
        ("entry", "receipt"),
    ),
    "the entry's log": (
        lambda it: it.change("entry", b'"deploytrail.local/', b'"deploytrail.other/'),
        ("entry",),
    ),
    "the index": (lambda it: it.change("proof", b"\nindex 70\n", b"\nindex 71\n"), ("entry",)),
    "what is signed": (lambda it: it.change("proof", b"\n300\n", b"\n301\n"), ("receipt",)),
    "the receipt's time": (
        lambda it: it.put_receipt(logged=it.receipts[0].logged),
        ("entry", "receipt"),
    ),
    "the receipt's leaf": (lambda it: it.put_receipt(leaf=it.receipts[0].leaf), ("receipt",)),
}


@pytest.mark.parametrize("what", CHANGED)
def test_whatever_was_changed_is_tampered(carol: Carol, what: str) -> None:
    change, given = CHANGED[what]
    change(carol)
    report = carol.verify("policy", *given)
    assert (report.exit_code, report.size_signed, report.anchoring) == (1, 0, "UNANCHORED")
    at = 71 if what == "the index" else AT
    assert {(one.state, one.first, one.until) for one in report.found} == {("CORRUPT", at, at + 1)}


def test_another_key_is_a_policy_that_is_not_met(carol: Carol) -> None:
    other = Signer(carol.receipts[0].origin, b"o" * 32)
    carol.put("policy", policy.encode(Policy((Log(other.key),), {}, {}, NO_QUORUM)))
    report = carol.verify("policy", "entry")
    assert (report.exit_code, report.size_signed) == (4, 0)
    assert "expected a signature by a listed log" in report.why


def test_without_a_key_there_is_nothing_to_verify(carol: Carol) -> None:
    with pytest.raises(NotFound, match="--policy"):
        carol.verify("entry")


def test_the_key_may_be_the_one_that_was_kept(carol: Carol) -> None:
    carol.there.verified(state=carol.states)
    assert carol.verify("entry").key_from == "state"


def test_without_anything_that_it_is_about_a_proof_proves_nothing(carol: Carol) -> None:
    with pytest.raises(Malformed, match="a receipt of entry 70, found neither"):
        carol.verify("policy")


def test_the_receipt_of_another_entry_is_told(carol: Carol) -> None:
    carol.put("receipt", msgspec.json.encode(carol.receipts[3]))
    with pytest.raises(Malformed, match="expected one of entry 70, found the receipt"):
        carol.verify("policy", "entry", "receipt")


def test_an_entry_goes_with_a_proof_alone(carol: Carol) -> None:
    with pytest.raises(Malformed, match="--entry: expected a proof with it"):
        carol.there.verified(entry=carol.folder / "entry")


def test_a_log_that_showed_another_root_before_is_found_out(carol: Carol) -> None:
    """Its key would have signed both: only who has kept one can tell."""
    carol.there.verified(state=carol.states)
    (kept,) = carol.states.iterdir()
    head, root, tail = kept.read_bytes().partition(
        b64encode(bytes.fromhex(carol.verify("policy", "entry").root))
    )
    assert root
    kept.write_bytes(head + b64encode(b"r" * 32) + tail)
    report = carol.verify("policy", "entry")
    assert report.exit_code == 1
    assert "another root at size 300" in report.found[0].what


def test_the_age_of_a_proof_is_that_of_its_last_cosignature(carol: Carol) -> None:
    assert carol.verify("policy", "entry", max_age_seconds=60).exit_code == 0
    carol.there.clock.advance(seconds=3600)
    report = carol.verify("policy", "entry", max_age_seconds=60)
    assert (report.exit_code, report.why) == (
        5,
        "it was last cosigned 3,600 s ago, expected at most 60 s",
    )


def test_a_proof_that_others_cosigned_is_witnessed(carol: Carol) -> None:
    witness = Signer("witness.example/w", b"w" * 32, COSIGNATURE_V1)
    own = policy.decode((carol.folder / "policy").read_bytes())
    asked = Policy(own.logs, {b"w": Witness(witness.key)}, {}, b"w")
    carol.put("policy", policy.encode(asked))
    assert carol.verify("policy", "entry").exit_code == 4
    head, blank, signed = (carol.folder / "proof").read_bytes().partition(b"\n\n")
    line = checkpoint.cosign(note.decode(signed).text, witness, 1_800_000_000)
    carol.put("proof", head + blank + signed + note.encode_signature(line).encode())
    report = carol.verify("policy", "entry")
    assert (report.exit_code, report.anchoring, report.witnesses) == (0, "WITNESSED", ("w",))
