"""A policy says whose signatures are enough, and takes nothing else for a policy."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.errors import Malformed, PolicyUnmet, Tampered
from deploytrail.log import checkpoint, merkle, note, policy
from deploytrail.log.checkpoint import Checkpoint
from deploytrail.log.note import COSIGNATURE_V1, ED25519, Note, Signature, Signer, VerifierKey
from deploytrail.log.policy import Group, Log, Policy, Witness
from tests.log.signers import BOB, CAROL, LOG, LOG_NEXT, MALLORY, ORIGIN, OWN
from tests.log.trees import leaves

NOON = 1_795_262_400
HEAD = Checkpoint(ORIGIN, 13, merkle.root(leaves(13)))
TEXT = checkpoint.encode(HEAD)


def vkey(signer: Signer) -> str:
    return note.encode_vkey(signer.key)


TWO_OF_THREE = f"""\
# Acme's trail
log {vkey(LOG)} https://trail.test/
log {vkey(LOG_NEXT)}

witness own {vkey(OWN)}
witness bob {vkey(BOB)}
\t witness  carol\t{vkey(CAROL)}   https://carol.test/witness \t
witness mallory {vkey(MALLORY)}
group people 2 bob carol mallory
quorum people
"""
POLICY = policy.decode(TWO_OF_THREE.encode())


def signed(*signers: Signer, at: int = NOON) -> Note:
    return Note(
        TEXT,
        tuple(
            note.sign(TEXT, one) if one.algorithm == ED25519 else checkpoint.cosign(TEXT, one, at)
            for one in signers
        ),
    )


def test_a_policy_is_read_into_its_parts() -> None:
    assert POLICY.logs == (Log(LOG.key, b"https://trail.test/"), Log(LOG_NEXT.key))
    assert list(POLICY.witnesses) == [b"own", b"bob", b"carol", b"mallory"]
    assert POLICY.witnesses[b"carol"] == Witness(CAROL.key, b"https://carol.test/witness")
    assert POLICY.groups == {b"people": Group(2, (b"bob", b"carol", b"mallory"))}
    assert POLICY.quorum == b"people"


def test_a_policy_is_read_as_it_was_written() -> None:
    assert policy.decode(policy.encode(POLICY)) == POLICY


def test_a_note_with_enough_signatures_is_accepted() -> None:
    found = POLICY.evaluate(signed(LOG, BOB, CAROL, OWN))
    assert found.checkpoint == HEAD
    assert found.logs == (LOG.key,)
    # The log's own cosignature isn't in the quorum, and yet its time is told.
    assert found.witnesses == {b"bob": NOON, b"carol": NOON, b"own": NOON}


def test_either_key_of_a_log_signs_while_one_replaces_the_other() -> None:
    assert POLICY.evaluate(signed(LOG_NEXT, BOB, CAROL)).logs == (LOG_NEXT.key,)
    assert POLICY.evaluate(signed(LOG, LOG_NEXT, BOB, CAROL)).logs == (LOG.key, LOG_NEXT.key)


def test_the_latest_cosignature_of_a_witness_counts() -> None:
    early, late = signed(BOB, at=7), signed(BOB, CAROL, at=9)
    for first, second in ((early, late), (late, early)):
        signatures = (*signed(LOG).signatures, *first.signatures, *second.signatures)
        found = POLICY.evaluate(Note(TEXT, signatures))
        assert found.witnesses == {b"bob": 9, b"carol": 9}


UNMET = {
    "no witness": (signed(LOG), "missing: own, bob, carol, mallory"),
    "one witness too few": (signed(LOG, BOB), "missing: own, carol, mallory"),
    "a witness outside of the quorum": (signed(LOG, BOB, OWN), "missing: carol, mallory"),
    "one witness twice": (
        Note(TEXT, (*signed(LOG, BOB, at=1).signatures, *signed(BOB, at=2).signatures)),
        "found 1; missing",
    ),
    "no log": (signed(BOB, CAROL), "expected a signature by a listed log"),
}


@pytest.mark.parametrize(("unmet", "told"), UNMET.values(), ids=UNMET)
def test_a_note_with_too_few_signatures_is_refused(unmet: Note, told: str) -> None:
    with pytest.raises(PolicyUnmet, match=r"^policy: expected") as caught:
        POLICY.evaluate(unmet)
    assert told in str(caught.value).replace("'", "")


def test_a_wrong_signature_by_anybody_listed_is_tampering() -> None:
    for good in signed(LOG, BOB, CAROL, OWN).signatures:
        forged = Signature(good.name, good.key_id, good.blob[:-1] + bytes([good.blob[-1] ^ 1]))
        signatures = (forged, *signed(LOG_NEXT, BOB, CAROL, OWN).signatures)
        with pytest.raises(Tampered):
            POLICY.evaluate(Note(TEXT, signatures))


def test_a_log_signs_for_its_own_origin_alone() -> None:
    other = checkpoint.encode(Checkpoint("mallory.test/log", 13, HEAD.root))
    signatures = [note.sign(other, LOG)]
    signatures += [checkpoint.cosign(other, one, NOON) for one in (BOB, CAROL)]
    with pytest.raises(PolicyUnmet, match="none for origin 'mallory"):
        POLICY.evaluate(Note(other, tuple(signatures)))


def test_a_policy_without_logs_accepts_nothing_by_itself() -> None:
    with pytest.raises(PolicyUnmet, match="none is listed"):
        policy.decode(b"quorum none\n").evaluate(signed(LOG))


def test_no_quorum_asks_for_no_witness() -> None:
    alone = policy.decode(f"log {vkey(LOG)}\nquorum none\n".encode())
    assert alone.evaluate(signed(LOG, BOB)).witnesses == {}


def test_a_single_witness_can_be_the_quorum() -> None:
    one = policy.decode(f"log {vkey(LOG)}\nwitness b {vkey(BOB)}\nquorum b\n".encode())
    assert one.evaluate(signed(LOG, BOB)).witnesses == {b"b": NOON}
    with pytest.raises(PolicyUnmet):
        one.evaluate(signed(LOG, CAROL))


def test_a_text_that_is_no_checkpoint_meets_no_policy() -> None:
    text = "Alice deployed.\n"
    with pytest.raises(Malformed, match=r"^checkpoint"):
        POLICY.evaluate(Note(text, (note.sign(text, LOG),)))


def cosigning(vkeys: str) -> str:
    """A policy whose witnesses have plain keys (01), with cosignature keys (04) instead."""

    def replaced(match: re.Match[str]) -> str:
        key = note.decode_vkey(match[2])
        return match[1] + note.encode_vkey(VerifierKey(key.name, COSIGNATURE_V1, key.public))

    return re.sub(r"(witness[ \t]+\S+[ \t]+)(\S+)", replaced, vkeys)


# Of the published policies, by their place in the file: what the specification forbids in them.
FORMATS_REFUSED = {
    1: "expected a log, witness, group or quorum line",
    2: "expected a key listed once",
    3: "expected a key listed once",
    4: "expected a key listed once",
    5: "expected a newline at the end",
    6: "expected a newline at the end",
    7: "expected a newline at the end",
}


def test_published_policies_list_keys_of_logs_for_witnesses(vectors: Path) -> None:
    data = json.loads((vectors / "policy/formats-policies.json").read_bytes())
    with pytest.raises(Malformed, match="expected a key of type 04 or 06, found 01"):
        policy.decode(data["policies_backtick"][0].encode())


def test_published_policies_are_judged_by_the_specification(vectors: Path) -> None:
    data = json.loads((vectors / "policy/formats-policies.json").read_bytes())
    for at, text in enumerate(data["policies_backtick"]):
        if at in FORMATS_REFUSED:
            with pytest.raises(Malformed, match=FORMATS_REFUSED[at]):
                policy.decode(cosigning(text).encode())
        else:
            found = policy.decode(cosigning(text).encode())
            assert found.groups == {b"g1": Group(2, (b"w1", b"w2"))}
    for at in (5, 6, 7):
        with pytest.raises(Malformed):
            policy.decode(cosigning(data["policies_backtick"][at]).encode() + b"\n")
    for name, text, _ in data["errors"]:
        reason = {"no quorum": "a quorum line", "duplicate component name": "a new name"}
        with pytest.raises(Malformed, match=reason.get(name, "a name defined above")):
            policy.decode(cosigning(text.replace("\\n", "\n")).encode() + b"\n")


def sigsum(text: str) -> bytes:
    """A Sigsum policy, which has raw keys in hex, with vkeys."""

    def replaced(match: re.Match[str]) -> str:
        algorithm = ED25519 if match[1].startswith("log") else COSIGNATURE_V1
        return match[1] + note.encode_vkey(VerifierKey("k", algorithm, bytes.fromhex(match[2])))

    return re.sub(r"(log |witness \S+ )([0-9a-f]{64})", replaced, text).encode()


@pytest.fixture(scope="module")
def sigsum_policies(vectors: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((vectors / "policy/sigsum-policies.json").read_bytes())
    return data


def test_the_published_quorum_is_met_by_whom_it_says(sigsum_policies: dict[str, Any]) -> None:
    found = policy.decode(sigsum(sigsum_policies["valid_example"]))
    assert len(found.logs) == 3
    assert len(found.witnesses) == 6
    for numbers, is_met in sigsum_policies["quorum_G3"]:
        assert found.is_met([b"W%d" % number for number in numbers]) is is_met


def test_published_bad_policies_are_refused(sigsum_policies: dict[str, Any]) -> None:
    reasons = {
        "duplicate log": "expected a key listed once",
        "end-of-line comment": "expected a log, witness, group or quorum line",
        "duplicate witness": "expected a key listed once",
        "duplicate name": "expected a new name",
        "duplicate none": "expected a new name",
        "undef name": "expected a name defined above",
        "missing quorum": "expected a quorum line",
        "repeated member": "expected members of no group",
        "member in two groups": "expected members of no group",
        "none as member": "expected a name defined above",
    }
    assert {case["desc"] for case in sigsum_policies["invalid"]} == set(reasons)
    for case in sigsum_policies["invalid"]:
        with pytest.raises(Malformed, match=reasons[case["desc"]]):
            policy.decode(sigsum(case["config"]))


def test_the_example_of_the_specification_asks_what_it_says() -> None:
    keys = [Signer("w", bytes([number]) * 32, COSIGNATURE_V1) for number in range(6)]
    names = ["X1", "X2", "X3", "Y1", "Y2", "Y3"]
    text = f"log {vkey(LOG)}\n" + "".join(
        f"witness {name} {vkey(key)}\n" for name, key in zip(names, keys, strict=True)
    )
    text += (
        "group X-witnesses 2 X1 X2 X3\ngroup Y-witnesses any Y1 Y2 Y3\n"
        "group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n"
    )
    found = policy.decode(text.encode())
    assert found.is_met([b"X1", b"X3", b"Y2"])
    assert not found.is_met([b"X1", b"X2", b"X3"])
    assert not found.is_met([b"X1", b"Y1", b"Y2", b"Y3"])


B, C = f"witness bob {vkey(BOB)}\n", f"witness carol {vkey(CAROL)}\n"
BAD_POLICIES = {
    "nothing": "",
    "an empty line alone": "\n",
    "no newline at the end": "quorum none",
    "a carriage return": "quorum none\r\n",
    "a NUL": "# \0\nquorum none\n",
    "a delete character": "# \x7f\nquorum none\n",
    "a form feed between fields": "quorum\x0cnone\n",
    "a no-break space between fields": "quorum\u00a0none\n",
    "two quorums": "quorum none\nquorum none\n",
    "a quorum of two names": f"{B}{C}quorum bob carol\n",
    "a quorum before its definition": f"quorum bob\n{B}",
    "an unknown keyword": "logs a\nquorum none\n",
    "a keyword in capitals": "Quorum none\n",
    "a comment behind the quorum": "quorum none # nobody\n",
    "a comment for a URL": f"log {vkey(LOG)} #\nquorum none\n",
    "a log without a key": "log\nquorum none\n",
    "a log with two URLs": f"log {vkey(LOG)} a b\nquorum none\n",
    "a log with a cosignature key": f"log {vkey(BOB)}\nquorum none\n",
    "a witness with a signing key": f"witness bob {vkey(LOG)}\nquorum none\n",
    "a key that is none": "witness bob bob+00000000+BAAA\nquorum none\n",
    "a group without members": f"{B}group g any\nquorum bob\n",
    "a group with a threshold alone": f"{B}group g 1\nquorum bob\n",
    "a threshold of zero": f"{B}group g 0 bob\nquorum g\n",
    "a threshold over the members": f"{B}group g 2 bob\nquorum g\n",
    "a negative threshold": f"{B}group g -1 bob\nquorum g\n",
    "a threshold with a leading zero": f"{B}group g 01 bob\nquorum g\n",
    "a threshold in another script": f"{B}group g ١ bob\nquorum g\n",
    "a group of itself": f"{B}group g any g\nquorum g\n",
    "a group before its member": f"group g any bob\n{B}quorum g\n",
    "a group named none": f"{B}group none any bob\nquorum none\n",
    "a group named as a witness": f"{B}{C}group bob any carol\nquorum bob\n",
}


@pytest.mark.parametrize("text", BAD_POLICIES.values(), ids=BAD_POLICIES)
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match=r"^policy"):
        policy.decode(text.encode())


def test_a_vkey_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(Malformed, match="expected a vkey in UTF-8"):
        policy.decode(b"log \xff+00000000+AQ\nquorum none\n")


def test_a_policy_that_is_too_large_is_refused() -> None:
    with pytest.raises(Malformed, match="at most 1000000 bytes"):
        policy.decode(b"#" * 1_000_000 + b"\nquorum none\n")


def test_names_are_octets_without_a_meaning() -> None:
    kelvin = "\u212a".encode()
    text = b"witness K %s\nwitness %s %s\nwitness \xff %s\nquorum \xff\n" % (
        vkey(BOB).encode(),
        kelvin,
        vkey(CAROL).encode(),
        vkey(MALLORY).encode(),
    )
    found = policy.decode(text)
    assert list(found.witnesses) == [b"K", kelvin, b"\xff"]
    assert policy.encode(found) == text


def test_a_bad_line_is_named_by_its_number() -> None:
    with pytest.raises(Malformed, match=r"^policy line 3: expected a name defined above"):
        policy.decode(b"# a\n\nquorum bob\n")


def test_a_policy_with_a_name_that_has_a_space_is_not_written() -> None:
    with pytest.raises(Malformed):
        policy.encode(Policy((), {b"a b": Witness(BOB.key)}, {}, b"none"))


@given(st.integers(1, 40), st.data())
def test_a_deep_policy_is_read_as_it_was_written(count: int, data: st.DataObject) -> None:
    witnesses = {
        b"w%d" % number: Witness(VerifierKey("w", COSIGNATURE_V1, number.to_bytes(32, "big")))
        for number in range(count)
    }
    free, groups = list(witnesses), {}
    for number in range(data.draw(st.integers(0, 40))):
        members = [free.pop() for _ in range(data.draw(st.integers(1, len(free))))]
        groups[b"g%d" % number] = Group(data.draw(st.integers(1, len(members))), tuple(members))
        free.append(b"g%d" % number)
    quorum = data.draw(st.sampled_from([*witnesses, *groups, b"none"]))
    found = Policy((Log(LOG.key),), witnesses, groups, quorum)
    assert policy.decode(policy.encode(found)) == found
    assert found.is_met(witnesses)
    assert found.is_met([]) is (quorum == b"none")


@given(st.integers(0, len(TWO_OF_THREE) - 1), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_shows(at: int, byte: int) -> None:
    data = TWO_OF_THREE.encode()
    data = data[:at] + bytes([byte]) + data[at + 1 :]
    try:
        found = policy.decode(data)
    except Malformed:
        return
    # Keys carry a checksum of their own, the id: a change elsewhere can't change a key.
    assert {log.key for log in found.logs} <= {LOG.key, LOG_NEXT.key}
    assert {one.key for one in found.witnesses.values()} <= {
        one.key for one in POLICY.witnesses.values()
    }
    assert policy.decode(policy.encode(found)) == found


def test_the_published_log_keys_make_a_policy(vectors: Path) -> None:
    path = vectors / "policy/witness-network/lists/testing/log-list.1"
    vkeys = re.findall(r"^vkey (\S+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    text = "".join(f"log {one}\n" for one in vkeys) + "quorum none\n"
    assert len(policy.decode(text.encode()).logs) == len(vkeys) == 9
    assert base64.b64decode(vkeys[0].split("+", 2)[2])[0] == ED25519
