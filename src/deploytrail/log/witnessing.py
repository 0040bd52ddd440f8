"""What is said between a log and its witnesses (c2sp.org/tlog-witness).

Pure: bytes from outside in, values or Malformed out. Both sides stand on it: the witness that
answers, and the trail that asks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from msgspec import Struct

from deploytrail.errors import Malformed, Tampered
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import note as notes
from deploytrail.log import strict
from deploytrail.log.merkle import HASH_BYTES
from deploytrail.log.note import Note, VerifierKey

PATH: Final = "/add-checkpoint"
"""Behind the submission prefix of a witness."""
SIZE_TYPE: Final = "text/x.tlog.size"
"""The content type of a 409: its body is the size that the witness cosigned last."""
PROOF_HASHES_MAX: Final = 63
REQUEST_BYTES_MAX: Final = 131_072
"""Room for 63 hashes, and for a checkpoint with some dozens of signatures of any kind."""
_SIZE_LINE_BYTES_MAX: Final = 20


class Request(Struct, frozen=True):
    """A new checkpoint, and the proof that it goes on from the tree of `old` entries."""

    old: int
    proof: tuple[bytes, ...]
    note: Note


class Cosigned(NamedTuple):
    """A cosignature that was verified: its line with the newline, and its POSIX seconds.

    The time is None where the signature states none.
    """

    key: VerifierKey
    line: bytes
    timestamp: int | None


def encode(request: Request) -> bytes:
    """The body of an add-checkpoint request."""
    hashes = "".join(f"{strict.base64_text(one)}\n" for one in request.proof)
    return f"old {request.old}\n{hashes}\n".encode() + notes.encode(request.note)


def decode(data: bytes) -> Request:
    """Raises Malformed unless `data` is the body of an add-checkpoint request. Proves nothing."""
    if len(data) > REQUEST_BYTES_MAX:
        raise Malformed(
            f"request: expected at most {REQUEST_BYTES_MAX} bytes, found {len(data)}; send fewer "
            "signatures"
        )
    head, blank, signed = data.partition(b"\n\n")
    if not blank:
        raise Malformed("request: expected a blank line before the checkpoint, found none")
    first, *hashes = strict.lines(strict.text(head + b"\n", what="request"), what="request")
    word, _, size = first.partition(" ")
    if word != "old":
        raise Malformed(f"request: expected old <size> first, found {strict.shown(first)}")
    if len(hashes) > PROOF_HASHES_MAX:
        raise Malformed(
            f"request.proof: expected at most {PROOF_HASHES_MAX} hashes, found {len(hashes)}"
        )
    return Request(
        strict.decimal(size, what="request.old"),
        tuple(strict.base64_bytes(one, what="request.proof", size=HASH_BYTES) for one in hashes),
        notes.decode(signed),
    )


def encode_size(size: int) -> bytes:
    """The body of a 409."""
    return f"{size}\n".encode()


def decode_size(data: bytes) -> int:
    """The size that a witness says to have cosigned last; raises Malformed."""
    if len(data) > _SIZE_LINE_BYTES_MAX:
        raise Malformed(f"size: expected a decimal and a newline, found {len(data)} bytes")
    (line, *more) = strict.lines(strict.text(data, what="size"), what="size")
    if more:
        raise Malformed(f"size: expected one line, found {len(more) + 1}")
    return strict.decimal(line, what="size")


def cosignatures(data: bytes, text: str, keys: Iterable[VerifierKey]) -> tuple[Cosigned, ...]:
    """The cosignatures by `keys` of a checkpoint's text in a witness's answer, at least one.

    Those by other keys are ignored, as the specification asks. Raises Malformed for what is no
    sequence of signature lines, Tampered where one by a known key is wrong or there is none.
    """
    lines = strict.lines(strict.text(data, what="cosignatures"), what="cosignatures")
    if len(lines) > notes.SIGNATURES_MAX:
        raise Malformed(
            f"cosignatures: expected at most {notes.SIGNATURES_MAX}, found {len(lines)}"
        )
    known, found = list(keys), []
    for signature in dict.fromkeys(notes.decode_signature(f"{line}\n") for line in lines):
        _, by = checkpoints.verified(Note(text, (signature,)), known)
        line = notes.encode_signature(signature).encode()
        found += [Cosigned(one.key, line, one.timestamp) for one in by]
    if not found:
        raise Tampered("cosignatures: expected one by the witness's key, found others' alone")
    return tuple(found)
