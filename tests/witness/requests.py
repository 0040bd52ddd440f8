"""Logs in memory that ask a witness, honest or not."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import merkle, witnessing
from deploytrail.log import note as notes
from deploytrail.log.checkpoint import Checkpoint
from deploytrail.log.known_logs import Logs
from deploytrail.log.note import ED25519, Note, Signer, VerifierKey
from deploytrail.log.witnessing import Request
from tests.log.signers import LOG
from tests.log.trees import hash_at, leaf

NOON = 1_795_262_400
SCRIPTS = "witness/torchwood-2026-06/cmd/litewitness/testdata"
SCRIPTED_WITNESS = "example.com/witness"
"""As whom a script expects its witness to sign."""


class Step(NamedTuple):
    """A request of a script, and what its answer is to be; nothing else says what is expected."""

    body: bytes
    status: int
    asserted: str

    def is_met(self, body: str) -> bool:
        kind, _, quoted = self.asserted.partition(" ")
        expected: str = json.loads(quoted)
        return {"==": body == expected, "contains": expected in body}[kind]


def scripted(path: Path) -> list[Step]:
    """The requests of a script, in order."""
    found = re.findall(
        r"POST \S+\n```\n(.*?\n)```\nHTTP (\d+)\n\[Asserts\]\nbody (.*?)\n",
        path.read_text(),
        re.DOTALL,
    )
    return [Step(body.encode(), int(status), asserted) for body, status, asserted in found]


def scripted_log(path: Path) -> Logs:
    """The log that a script adds to its witness."""
    (key,) = re.findall(r"add-sigsum-log -key=([0-9a-f]{64})", path.read_text())
    return sigsum_log(key)


def sigsum_log(public: str) -> Logs:
    """The log of a Sigsum key, which is named after its hash."""
    key = bytes.fromhex(public)
    name = f"sigsum.org/v1/tree/{hashlib.sha256(key).hexdigest()}"
    return {name: (VerifierKey(name, ED25519, key),)}


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
