"""What somebody hands to `verify` beside the evidence: a policy's file, receipts, checkpoints."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from deploytrail.errors import Malformed, NotFound, NotPermitted, SenderError, Tampered
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import note as notes
from deploytrail.log.evidence import Claim, LeafClaim
from deploytrail.log.note import VerifierKey
from deploytrail.stores.kept import note_in
from deploytrail.trail import Receipt
from deploytrail.untrusted import parse_json

_FILE_BYTES_MAX: Final = 16 * 1024 * 1024
_is_hash: Final = re.compile(r"[0-9a-f]{64}").fullmatch


def leaf_claims(path: Path, origin: str) -> list[LeafClaim]:
    """What the receipts of a file say of the log `origin`; raises Malformed for others."""
    octets = bytes_of(path, "receipts")
    try:
        found = msgspec.convert(_values(octets), list[Receipt])
    except (msgspec.ValidationError, SenderError) as error:
        raise Malformed(f"{path}: expected receipts as JSON or JSON lines; {error}") from None
    if not found:
        raise Malformed(f"{path}: expected receipts, found none; nothing would be checked by it")
    return [_leaf(path, one, origin) for one in found]


def _values(octets: bytes) -> list[Any]:
    """A JSON value, an array of them, or one a line."""
    lines = [line for line in octets.split(b"\n") if line.strip()]
    if not lines:
        return []
    try:
        value = parse_json(octets, what="receipts", bytes_max=_FILE_BYTES_MAX)
    except Malformed:
        return [parse_json(line, what="receipt", bytes_max=_FILE_BYTES_MAX) for line in lines]
    return value if isinstance(value, list) else [value]


def _leaf(path: Path, receipt: Receipt, origin: str) -> LeafClaim:
    if receipt.origin != origin:
        raise Malformed(f"{path}: expected a receipt of {origin}, found {receipt.origin!r:.80}")
    if receipt.index < 0 or receipt.size != receipt.index + 1:
        raise Malformed(
            f"{path}: expected a receipt whose size is its index + 1, found index "
            f"{receipt.index} and size {receipt.size}; use it as it was given out"
        )
    if not _is_hash(receipt.leaf):
        raise Malformed(
            f"{path}: expected a leaf of 64 hexadecimal digits, found {receipt.leaf!r:.80}"
        )
    whose = f"the receipt of {receipt.id}"
    leaf = bytes.fromhex(receipt.leaf)
    return LeafClaim(receipt.index, leaf, whose, receipt.id, receipt.logged)


def checkpoint_claim(path: Path, origin: str, logs: Sequence[VerifierKey]) -> Claim:
    """What a checkpoint that somebody else has says of the log `origin`; its key signed it.

    Raises Malformed for one of another log or key: what it says is no word of this log.
    """
    octets = note_in(bytes_of(path, "a checkpoint"))
    try:
        found, by = checkpoints.verified(notes.decode(octets), logs)
    except (Malformed, Tampered) as error:
        raise Malformed(f"{path}: expected a checkpoint of {origin}; {error}") from None
    if found.origin != origin or not any(one.key.name == origin for one in by):
        raise Malformed(
            f"{path}: expected a checkpoint that {origin} signed, found one of "
            f"{found.origin!r:.80}, or by another key; name one of this log"
        )
    return Claim(found.size, found.root, f"the checkpoint in {path}")


def bytes_of(path: Path, what: str) -> bytes:
    """A file of at most 16 MB; raises NotFound or Malformed, saying what it should be."""
    try:
        with path.open("rb") as stream:
            octets = stream.read(_FILE_BYTES_MAX + 1)
    except PermissionError:
        raise NotPermitted(
            f"{path}: expected {what}, but you may not read it; ask its owner for a copy"
        ) from None
    except OSError as error:
        raise NotFound(
            f"{path}: expected {what}, but {error.strerror}; name the file that holds it"
        ) from None
    if len(octets) > _FILE_BYTES_MAX:
        raise Malformed(f"{path}: expected {what} of at most {_FILE_BYTES_MAX} bytes")
    return octets
