"""Logs in memory that ask a witness, honest or not."""

from __future__ import annotations

from collections.abc import Sequence

from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import merkle, witnessing
from deploytrail.log import note as notes
from deploytrail.log.checkpoint import Checkpoint
from deploytrail.log.note import Note, Signer
from deploytrail.log.witnessing import Request
from tests.log.signers import LOG
from tests.log.trees import hash_at, leaf

NOON = 1_795_262_400


def branch(count: int, *, name: str = "main", fork_at: int = 0) -> list[bytes]:
    """Leaf hashes; two branches have the first `fork_at` in common."""
    return [leaf(b"%s %d" % (b"main" if n < fork_at else name.encode(), n)) for n in range(count)]


def signed(hashes: Sequence[bytes], signer: Signer = LOG, origin: str | None = None) -> Note:
    """The checkpoint of a tree, signed."""
    head = Checkpoint(signer.name if origin is None else origin, len(hashes), merkle.root(hashes))
    return checkpoints.sign(head, [signer])


def request(
    hashes: Sequence[bytes], old: int, *, signer: Signer = LOG, proof: Sequence[bytes] | None = None
) -> bytes:
    """What an honest log of these leaves sends to a witness that saw the first `old` of them."""
    if proof is None:
        proof = merkle.consistency_proof(old, len(hashes), hash_at(hashes)) if hashes else []
    return witnessing.encode(Request(old, tuple(proof), signed(hashes, signer)))


def is_cosigned(body: bytes, text: str, *keys: notes.VerifierKey) -> bool:
    """Whether an answer has good cosignatures of a text by all of the keys."""
    return {one.key for one in witnessing.cosignatures(body, text, keys)} == set(keys)
