"""What a log and its witnesses say to each other reads as it was written, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.errors import Malformed, Tampered
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import note as notes
from deploytrail.log import witnessing
from deploytrail.log.checkpoint import Checkpoint
from deploytrail.log.witnessing import Request
from tests.log.signers import BOB, CAROL, LOG, MALLORY, ORIGIN

NOON = 1_795_262_400
NOTE = checkpoints.sign(Checkpoint(ORIGIN, 5, bytes(32)), [LOG])


def cosignature(*signers: notes.Signer, text: str = NOTE.text, at: int = NOON) -> bytes:
    lines = (notes.encode_signature(checkpoints.cosign(text, one, at)) for one in signers)
    return "".join(lines).encode()


@given(st.integers(0, 2**63 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_a_request_reads_as_it_was_written(old: int, proof: list[bytes]) -> None:
    made = Request(old, tuple(proof), NOTE)
    assert witnessing.decode(witnessing.encode(made)) == made


@given(st.integers(0, 2**63 - 1))
def test_a_size_reads_as_it_was_written(size: int) -> None:
    assert witnessing.decode_size(witnessing.encode_size(size)) == size


NO_SIZES = {
    "nothing": b"",
    "no newline": b"5",
    "two lines": b"5\n6\n",
    "a leading zero": b"05\n",
    "a sign": b"+5\n",
    "an underscore": b"1_000\n",
    "another script": "٣\n".encode(),
    "too large": b"9223372036854775808\n",
    "a megabyte": b"9" * 1_000_000 + b"\n",
    "a page": b"<html>\n",
}


@pytest.mark.parametrize("reason", NO_SIZES)
def test_what_is_no_size_is_refused(reason: str) -> None:
    with pytest.raises(Malformed):
        witnessing.decode_size(NO_SIZES[reason])


def test_a_cosignature_of_the_witness_is_found_among_others() -> None:
    body = cosignature(MALLORY, BOB)
    (found,) = witnessing.cosignatures(body, NOTE.text, [BOB.key])
    assert (found.key, found.timestamp) == (BOB.key, NOON)
    assert found.line == cosignature(BOB)


def test_each_cosignature_has_its_own_time() -> None:
    body = cosignature(BOB) + cosignature(BOB, at=NOON + 1)
    found = witnessing.cosignatures(body, NOTE.text, [BOB.key])
    assert [(one.timestamp, one.line) for one in found] == [
        (at, cosignature(BOB, at=at)) for at in (NOON, NOON + 1)
    ]


NO_COSIGNATURES = {
    "nothing": b"",
    "another witness's alone": cosignature(CAROL),
    "of another checkpoint": cosignature(
        BOB, text=checkpoints.encode(Checkpoint(ORIGIN, 6, bytes(32)))
    ),
    "a good one and a spoilt one": cosignature(BOB) + cosignature(BOB, at=1)[:-8] + b"AAAAAA==\n",
    "no newline": cosignature(BOB)[:-1],
    "a page": b"<html>\n",
    "101 lines": cosignature(BOB) * 101,
    "a plain signature": notes.encode_signature(notes.sign(NOTE.text, LOG)).encode(),
}


@pytest.mark.parametrize("reason", NO_COSIGNATURES)
def test_what_is_no_cosignature_is_refused(reason: str) -> None:
    with pytest.raises((Malformed, Tampered)):
        witnessing.cosignatures(NO_COSIGNATURES[reason], NOTE.text, [BOB.key])
