"""Checkpoints and their cosignatures (c2sp.org/tlog-checkpoint, c2sp.org/tlog-cosignature).

Pure: the time of a cosignature is an argument. A checkpoint is the text of a note; `note` has the
framing and the plain Ed25519 signature.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from msgspec import Struct

from deploytrail.errors import Malformed, Misconfigured, Tampered
from deploytrail.log import note as notes
from deploytrail.log import strict
from deploytrail.log.merkle import HASH_BYTES
from deploytrail.log.note import (
    COSIGNATURE_V1,
    ML_DSA_44,
    Note,
    Scheme,
    Signature,
    Signer,
    Verified,
    VerifierKey,
)

ORIGIN_BYTES_MAX = 255
"""An ML-DSA-44 cosignature has one byte for the length of the origin, one for that of the name."""

_TIMESTAMP_BYTES = 8


class Checkpoint(Struct, frozen=True):
    """The size and root of the log `origin`; `extensions` are lines that nobody audits."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()


def encode(checkpoint: Checkpoint) -> str:
    """The text of the checkpoint's note; raises Malformed if `decode` wouldn't give it back."""
    root = strict.base64_text(checkpoint.root)
    lines = (checkpoint.origin, str(checkpoint.size), root, *checkpoint.extensions)
    text = "".join(f"{line}\n" for line in lines)
    if decode(text) != checkpoint:
        raise Malformed("checkpoint: expected one line for each of its parts, found more")
    return text


def decode(text: str) -> Checkpoint:
    """Raises Malformed unless `text` is a checkpoint's, to the letter. Proves nothing."""
    whole = strict.text(strict.utf8(text, what="checkpoint"), what="checkpoint")
    lines = strict.lines(whole, what="checkpoint")
    if len(lines) < 3 or "" in lines:
        raise Malformed(
            f"checkpoint: expected three or more lines, none empty, found {strict.shown(text)}"
        )
    origin, size, root, *extensions = lines
    if len(origin.encode()) > ORIGIN_BYTES_MAX:
        raise Malformed(
            f"checkpoint.origin: expected at most {ORIGIN_BYTES_MAX} bytes, found"
            f" {len(origin.encode())}"
        )
    return Checkpoint(
        origin,
        strict.decimal(size, what="checkpoint.size"),
        strict.base64_bytes(root, what="checkpoint.root", size=HASH_BYTES),
        tuple(extensions),
    )


def sign(checkpoint: Checkpoint, signers: Sequence[Signer]) -> Note:
    """The checkpoint as a note with a plain Ed25519 signature of each signer, in order.

    While a key is rotated, the old and the new one sign.
    """
    text = encode(checkpoint)
    return Note(text, tuple(notes.sign(text, signer) for signer in signers))


def cosign(text: str, signer: Signer, timestamp: int) -> Signature:
    """A `cosignature/v1` of a checkpoint's text, as of a POSIX time in seconds.

    It says that this is the largest tree of that log that the signer has seen by then. Raises
    Malformed if the text is no checkpoint or the signer has another kind of key.
    """
    decode(text)
    if signer.algorithm != COSIGNATURE_V1:
        raise Malformed(f"signer: expected a cosignature key (04), found {signer.algorithm:02x}")
    if not 0 <= timestamp < strict.NUMBER_LIMIT:
        raise Malformed(f"timestamp: expected seconds from 0 to 2^63 - 1, found {timestamp}")
    signature = notes.ed25519_signature(signer.seed, _cosigned_text(text, timestamp))
    stamp = timestamp.to_bytes(_TIMESTAMP_BYTES, "big")
    return Signature(signer.name, signer.key.id, stamp + signature)


def verify(note: Note, keys: Iterable[VerifierKey]) -> tuple[Checkpoint, tuple[Verified, ...]]:
    """The checkpoint with the signatures and cosignatures by `keys`, at least one.

    Raises PolicyUnmet if there is none; otherwise as `verified`.
    """
    return decode(note.text), notes.verify(note, keys, SCHEMES)


def verified(note: Note, keys: Iterable[VerifierKey]) -> tuple[Checkpoint, tuple[Verified, ...]]:
    """The checkpoint with the signatures and cosignatures by `keys`, in the note's order.

    There may be none: then nothing is proven. Raises Tampered if one by a known key is wrong,
    Malformed if the note is no checkpoint or two keys share the name and id of a signature.
    """
    return decode(note.text), notes.verified(note, keys, SCHEMES)


def _cosigned_text(text: str, timestamp: int) -> bytes:
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def _stamped(key: VerifierKey, blob: bytes) -> tuple[int, bytes]:
    """The timestamp and the signature of a `timestamped_signature`."""
    timestamp = int.from_bytes(blob[:_TIMESTAMP_BYTES], "big")
    if len(blob) < _TIMESTAMP_BYTES or timestamp >= strict.NUMBER_LIMIT:
        raise Tampered(
            f"cosignature by {strict.shown(key.name)}: expected a time below 2^63 and a signature,"
            f" found {timestamp} and {len(blob)} bytes"
        )
    return timestamp, blob[_TIMESTAMP_BYTES:]


def _verify_cosignature(key: VerifierKey, text: str, blob: bytes) -> int:
    timestamp, signature = _stamped(key, blob)
    notes.check_ed25519(key, _cosigned_text(text, timestamp), signature)
    return timestamp


def _verify_ml_dsa(key: VerifierKey, text: str, blob: bytes) -> int | None:
    """0 stands for no statement about time. Extension lines aren't covered by this signature."""
    timestamp, signature = _stamped(key, blob)
    check_ml_dsa(key, _cosigned_message(key.name, timestamp, decode(text)), signature)
    return timestamp or None


def check_ml_dsa(key: VerifierKey, message: bytes, signature: bytes) -> None:
    """Raises Tampered unless `key` signed the message (FIPS 204, pure, without a context)."""
    # Loaded where such a signature is met: few are, and it takes a wrapped command milliseconds.
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

    try:
        MLDSA44PublicKey.from_public_bytes(key.public).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise Tampered(
            f"cosignature: expected one by {strict.shown(key.name)}, found another"
        ) from None
    except UnsupportedAlgorithm:
        raise Misconfigured(
            "cryptography: expected a build with ML-DSA-44, found one without; install its wheel"
        ) from None


def _cosigned_message(name: str, timestamp: int, checkpoint: Checkpoint) -> bytes:
    """`cosigned_message` of a whole tree, so from leaf 0 on."""
    return b"".join(
        (
            b"subtree/v1\n\0",
            _with_length(name),
            timestamp.to_bytes(8, "big"),
            _with_length(checkpoint.origin),
            (0).to_bytes(8, "big"),
            checkpoint.size.to_bytes(8, "big"),
            checkpoint.root,
        )
    )


def _with_length(text: str) -> bytes:
    data = text.encode()
    if len(data) > ORIGIN_BYTES_MAX:
        raise Tampered(f"cosignature: expected a name of at most 255 bytes, found {len(data)}")
    return bytes([len(data)]) + data


SCHEMES: Mapping[int, Scheme] = {
    **notes.SCHEMES,
    COSIGNATURE_V1: _verify_cosignature,
    ML_DSA_44: _verify_ml_dsa,
}
"""What checkpoints carry."""
