"""Signed notes and the keys that sign and verify them (c2sp.org/signed-note).

Pure: a signature needs no randomness. Bytes from outside become a `Note` by `decode`, which proves
nothing; `verify` does. Cosignatures, which only checkpoints carry, are in `checkpoint`.

Ed25519 is verified by OpenSSL, RFC 8032 §5.1.7 without the cofactor, as by most verifiers: an S out
of range, a non-canonical R and a residue of low order are refused; a public key of low order or in
a non-canonical encoding is accepted (whoever lists such a key trusts everybody, but keys are listed
by hand).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

from deploytrail.errors import Malformed, PolicyUnmet, Tampered
from deploytrail.log import strict

ED25519 = 0x01
COSIGNATURE_V1 = 0x04
ML_DSA_44 = 0x06

SIGNATURES_MAX = 100
NOTE_BYTES_MAX = 1_000_000
SEED_BYTES = 32

_PUBLIC_BYTES = {ED25519: 32, COSIGNATURE_V1: 32, ML_DSA_44: 1312}
_DASH = "\u2014 "


class VerifierKey(Struct, frozen=True):
    """A public key of a name for one kind of signature: ED25519, COSIGNATURE_V1 or ML_DSA_44."""

    name: str
    algorithm: int
    public: bytes

    def __post_init__(self) -> None:
        _check_name(self.name, what="key.name")
        if _PUBLIC_BYTES.get(self.algorithm) != len(self.public):
            raise Malformed(
                "key: expected Ed25519 (01), cosignature/v1 (04) or ML-DSA-44 (06) with its public"
                f" key of 32, 32 or 1312 bytes, found {self.algorithm:02x} and {len(self.public)}"
            )

    @property
    def id(self) -> bytes:
        """Four bytes; with the name they tell which key signed."""
        named = self.name.encode() + b"\n" + bytes([self.algorithm]) + self.public
        return hashlib.sha256(named).digest()[:4]


class Signature(Struct, frozen=True):
    """A line of a note: who says to have signed, and what; `blob` is without the key's id."""

    name: str
    key_id: bytes
    blob: bytes


class Note(Struct, frozen=True):
    """A text that ends with a newline, and one or more signatures, known or not, in order."""

    text: str
    signatures: tuple[Signature, ...]


class Respelt(Malformed):
    """A note with a signature in another spelling than its own; `text` is the note's."""

    def __init__(self, why: str, text: str) -> None:
        super().__init__(why)
        self.text = text


class Signer(Struct, frozen=True):
    """A private key for ED25519 or COSIGNATURE_V1; `seed` is 32 bytes that are shown nowhere."""

    name: str
    seed: bytes
    algorithm: int = ED25519

    def __post_init__(self) -> None:
        if len(self.seed) != SEED_BYTES or self.algorithm not in {ED25519, COSIGNATURE_V1}:
            raise Malformed(
                f"signer: expected a seed of 32 bytes for algorithm 01 or 04, found"
                f" {len(self.seed)} bytes for {self.algorithm:02x}"
            )
        _check_name(self.name, what="signer.name")

    def __repr__(self) -> str:
        return f"Signer({self.name!r}, …, {self.algorithm})"

    @property
    def key(self) -> VerifierKey:
        public = Ed25519PrivateKey.from_private_bytes(self.seed).public_key()
        return VerifierKey(self.name, self.algorithm, public.public_bytes_raw())


class Verified(NamedTuple):
    """A signature that was checked; `timestamp` is POSIX seconds, None if it states no time."""

    key: VerifierKey
    timestamp: int | None


Scheme = Callable[[VerifierKey, str, bytes], int | None]
"""Checks (key, text, blob): the time that the signature states, or Tampered."""


def encode_vkey(key: VerifierKey) -> str:
    """`<name>+<id in hex>+<base64 of algorithm and public key>`."""
    material = strict.base64_text(bytes([key.algorithm]) + key.public)
    return f"{key.name}+{key.id.hex()}+{material}"


def decode_vkey(text: str) -> VerifierKey:
    """Raises Malformed unless `text` is the vkey of a kind that we verify, its id recomputed."""
    # The base64 part may have `+` in it, so the text splits at the first two.
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise Malformed(f"vkey: expected <name>+<id>+<key>, found {strict.shown(text)}")
    name, key_id, encoded = parts
    material = strict.base64_bytes(encoded, what="vkey.key")
    if not material:
        raise Malformed("vkey.key: expected an algorithm and a public key, found nothing")
    key = VerifierKey(name, material[0], material[1:])
    if key_id != key.id.hex():
        raise Malformed(f"vkey.id: expected {key.id.hex()}, found {strict.shown(key_id)}")
    return key


_NO_NAME = re.compile(r"[\s+\x00-\x1f]")


def _check_name(name: str, *, what: str) -> None:
    strict.utf8(name, what=what)
    if not name or _NO_NAME.search(name) is not None:
        raise Malformed(
            f"{what}: expected no space, no + and not nothing, found {strict.shown(name)}"
        )


def encode(note: Note) -> bytes:
    """The note's bytes; raises Malformed if `decode` wouldn't give the same note."""
    lines = "".join(_encode_signature(signature) for signature in note.signatures)
    data = strict.utf8(f"{note.text}\n{lines}", what="note")
    if decode(data) != note:
        raise Malformed(f"note: expected a text and signatures, found {strict.shown(note.text)}")
    return data


def _encode_signature(signature: Signature) -> str:
    return f"{_DASH}{signature.name} {strict.base64_text(signature.key_id + signature.blob)}\n"


def encode_signature(signature: Signature) -> str:
    """The line by which a note carries the signature, with its newline."""
    line = _encode_signature(signature)
    if decode_signature(line) != signature:
        raise Malformed(f"signature: expected a name and a key id, found {strict.shown(line)}")
    return line


def decode_signature(line: str) -> Signature:
    """A signature line with its newline; raises Malformed."""
    if not line.endswith("\n"):
        raise Malformed(f"signature: expected a newline at its end, found {strict.shown(line)}")
    return _decode_line(line[:-1])


def decode(data: bytes) -> Note:
    """Raises Malformed unless `data` is a note of up to 100 signatures. Checks no signature.

    Raises Respelt where nothing but the spelling of a signature is wrong.
    """
    if len(data) > NOTE_BYTES_MAX:
        raise Malformed(f"note: expected at most {NOTE_BYTES_MAX} bytes, found {len(data)}")
    whole = strict.text(data, what="note")
    text, blank, signed = whole.rpartition("\n\n")
    if not blank or not signed:
        raise Malformed("note: expected a text, a blank line and signatures, found none of these")
    lines = strict.lines(signed, what="note")
    if len(lines) > SIGNATURES_MAX:
        raise Malformed(f"note: expected at most {SIGNATURES_MAX} signatures, found {len(lines)}")
    signatures, respelt = [], ""
    for line in lines:
        try:
            signatures.append(_decode_line(line))
        except strict.StrayBits as error:
            respelt = respelt or str(error)
    if respelt:
        raise Respelt(respelt, text + "\n")
    return Note(text + "\n", tuple(signatures))


def _decode_line(line: str) -> Signature:
    parts = line.removeprefix(_DASH).split(" ")
    if not line.startswith(_DASH) or len(parts) != 2:
        raise Malformed(f"signature: expected {_DASH}<name> <base64>, found {strict.shown(line)}")
    name, encoded = parts
    _check_name(name, what="signature.name")
    data = strict.base64_bytes(encoded, what="signature")
    if len(data) < 5:
        raise Malformed(f"signature: expected a key id and a signature, found {len(data)} bytes")
    return Signature(name, data[:4], data[4:])


def sign(text: str, signer: Signer) -> Signature:
    """An Ed25519 signature of the text; raises Malformed if no note can have that text."""
    if signer.algorithm != ED25519:
        raise Malformed(f"signer: expected an Ed25519 key (01), found {signer.algorithm:02x}")
    message = strict.utf8(text, what="note.text")
    strict.text(message, what="note.text")
    return Signature(signer.name, signer.key.id, ed25519_signature(signer.seed, message))


def _verify_ed25519(key: VerifierKey, text: str, blob: bytes) -> None:
    check_ed25519(key, text.encode(), blob)


def check_ed25519(key: VerifierKey, message: bytes, signature: bytes) -> None:
    """Raises Tampered unless `key` signed the message."""
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise Tampered(
            f"signature: expected one by {strict.shown(key.name)}, found another"
        ) from None


def ed25519_signature(seed: bytes, message: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


SCHEMES: Mapping[int, Scheme] = {ED25519: _verify_ed25519}
"""What plain notes carry; `checkpoint.SCHEMES` has cosignatures as well."""


def verify(
    note: Note, keys: Iterable[VerifierKey], schemes: Mapping[int, Scheme] = SCHEMES
) -> tuple[Verified, ...]:
    """The signatures by `keys`, at least one: else PolicyUnmet. Otherwise as `verified`."""
    found = verified(note, keys, schemes)
    if not found:
        raise PolicyUnmet("note: expected a signature by a known key, found none")
    return found


def verified(
    note: Note, keys: Iterable[VerifierKey], schemes: Mapping[int, Scheme] = SCHEMES
) -> tuple[Verified, ...]:
    """The signatures by `keys`, in the note's order, maybe none; a repeated line counts once.

    Signatures by other keys are ignored, and so are keys whose algorithm isn't in `schemes`.
    Raises Tampered if one by a known key is wrong, Malformed if two keys share the name and id of
    a signature.
    """
    known: dict[tuple[str, bytes], list[VerifierKey]] = {}
    for key in keys:
        if key.algorithm in schemes:
            known.setdefault((key.name, key.id), []).append(key)
    found = []
    for signature in dict.fromkeys(note.signatures):
        candidates = known.get((signature.name, signature.key_id), [])
        if len(candidates) > 1:
            raise Malformed(
                f"keys: expected one named {strict.shown(signature.name)} with id"
                f" {signature.key_id.hex()}, found {len(candidates)}; remove all but one"
            )
        for key in candidates:
            timestamp = schemes[key.algorithm](key, note.text, signature.blob)
            found.append(Verified(key, timestamp))
    return tuple(found)
