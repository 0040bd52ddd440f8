"""A proof that an entry is in a log, complete in one file (c2sp.org/tlog-proof).

Pure. What the log and its witnesses must have signed is in a `Policy`; the leaf hash comes from the
entry, which isn't part of the proof.
"""

from __future__ import annotations

from msgspec import Struct

from deploytrail.errors import Malformed
from deploytrail.log import note as notes
from deploytrail.log import strict
from deploytrail.log.merkle import HASH_BYTES, verify_inclusion
from deploytrail.log.policy import Evaluation, Policy

HEADER = "c2sp.org/tlog-proof@v1"
HASHES_MAX = 63
"""The longest path in a tree of fewer than 2^63 leaves."""


class Proof(Struct, frozen=True):
    """The path of hashes from the leaf at `index` up, and the signed checkpoint, verbatim.

    `extra` is opaque, proven by nothing; empty where there is none.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint_note: bytes
    extra: bytes = b""


def encode(proof: Proof) -> bytes:
    """Raises Malformed if `decode` wouldn't give the same proof."""
    lines = [HEADER]
    if proof.extra:
        lines.append(f"extra {strict.base64_text(proof.extra)}")
    lines.append(f"index {proof.index}")
    lines.extend(strict.base64_text(each) for each in proof.hashes)
    data = "".join(f"{line}\n" for line in lines).encode() + b"\n" + proof.checkpoint_note
    if decode(data) != proof:
        raise Malformed("proof: expected an index, hashes and a checkpoint, found others")
    return data


def decode(data: bytes) -> Proof:
    """Raises Malformed unless `data` is a proof, to the letter.

    Proves nothing, and leaves the checkpoint's own bytes to `verify`.
    """
    whole = strict.text(data, what="proof")
    head, blank, checkpoint = whole.partition("\n\n")
    if not blank or not checkpoint:
        raise Malformed("proof: expected a blank line and a checkpoint, found none")
    header, *lines = head.split("\n")
    if header != HEADER:
        raise Malformed(f"proof: expected {HEADER}, found {strict.shown(header)}")
    extra = b""
    if lines and lines[0].startswith("extra "):
        extra = strict.base64_bytes(lines.pop(0).removeprefix("extra "), what="proof.extra")
        if not extra:
            raise Malformed("proof.extra: expected data or no such line, found an empty one")
    if not lines or not lines[0].startswith("index "):
        raise Malformed(f"proof: expected index <number>, found {strict.shown(''.join(lines[:1]))}")
    index = strict.decimal(lines.pop(0).removeprefix("index "), what="proof.index")
    if len(lines) > HASHES_MAX:
        raise Malformed(f"proof: expected at most {HASHES_MAX} hashes, found {len(lines)}")
    hashes = (strict.base64_bytes(each, what="proof.hash", size=HASH_BYTES) for each in lines)
    return Proof(index, tuple(hashes), checkpoint.encode(), extra)


def verify(proof: Proof, leaf: bytes, policy: Policy) -> Evaluation:
    """Who vouches for the leaf hash `leaf` at the proof's index.

    Raises Malformed if the checkpoint is none, Tampered if a signature or a hash is wrong,
    PolicyUnmet if signatures are missing.
    """
    # Signatures first: an unsigned root proves whatever its author likes.
    evaluation = policy.evaluate(notes.decode(proof.checkpoint_note))
    checkpoint = evaluation.checkpoint
    verify_inclusion(leaf, proof.index, checkpoint.size, proof.hashes, checkpoint.root)
    return evaluation
