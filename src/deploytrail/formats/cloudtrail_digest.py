"""AWS CloudTrail's digest files: which log files there were in an hour, and that none was touched.

Pure: files are given, nothing is fetched. A digest proves its log files by their hashes, itself by
its signature, and that none is missing before it by naming the one that was.
Source: AWS CloudTrail User Guide, "CloudTrail digest file structure" and "Custom implementations of
CloudTrail log file integrity validation".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final, Literal, NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from msgspec import Struct

from deploytrail.errors import Malformed, Tampered, TooLarge

DIGEST_BYTES_MAX: Final = 16 * 1024 * 1024
SIGNATURE_METADATA: Final = "x-amz-meta-signature"
"""Where the signature of a digest stands: beside the object, not in it."""
_ALGORITHM: Final = "SHA256withRSA"
_HASH: Final = "SHA-256"
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_KEY: Final = re.compile(r"(?:.*/)?([^/]+)_\d{8}T\d{6}Z(_backfill)?\.json\.gz", re.ASCII)
_KEY_BITS: Final = range(2_048, 8_193)
_KEY_CHARACTERS_MAX: Final = 4_096


class LogFile(Struct, frozen=True, rename="camel"):
    """One that a digest names; its hash is over its bytes once they are unpacked."""

    s3_bucket: str
    s3_object: str
    hash_value: str
    hash_algorithm: str


class Digest(Struct, frozen=True, rename="camel"):
    """A digest file. Of the one before it nothing is told where a chain begins.

    Times are texts as AWS wrote them (UTC, in seconds), since they are signed so.
    """

    aws_account_id: str
    digest_start_time: str
    digest_end_time: str
    digest_s3_bucket: str
    digest_s3_object: str
    digest_public_key_fingerprint: str
    digest_signature_algorithm: str
    log_files: tuple[LogFile, ...]
    previous_digest_s3_bucket: str | None
    previous_digest_s3_object: str | None
    previous_digest_hash_value: str | None
    previous_digest_hash_algorithm: str | None
    previous_digest_signature: str | None

    @property
    def starts_chain(self) -> bool:
        """Validation was switched on here, or again: nothing vouches for what was before."""
        return self.previous_digest_s3_bucket is None

    @property
    def is_backfill(self) -> bool:
        """Delivered late, of files for which it was too late in other digests."""
        return self.digest_s3_object.endswith("_backfill.json.gz")

    @property
    def chain(self) -> str:
        """Of which chain it is: that of a trail in a region, or of its backfill."""
        found = _KEY.fullmatch(self.digest_s3_object)
        return f"{found[1]}{found[2] or ''}" if found else self.digest_s3_object


def parse(octets: bytes) -> Digest:
    """A digest file, unpacked. Raises Malformed, naming the field, or TooLarge."""
    if len(octets) > DIGEST_BYTES_MAX:
        raise TooLarge(
            f"digest: expected at most {DIGEST_BYTES_MAX} bytes, found {len(octets)}; "
            "it is no digest of an hour"
        )
    try:
        digest: Digest = _decode(octets)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        raise Malformed(f"digest{path.rstrip('`')}: {text.replace('`', '')}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed("digest: expected JSON, unpacked, found other bytes") from None
    _refuse_other_times(digest)
    return digest


_decode: Final = msgspec.json.Decoder(Digest).decode


def _refuse_other_times(digest: Digest) -> None:
    # They are compared as texts, and signed as such.
    for name, time in (
        ("digestStartTime", digest.digest_start_time),
        ("digestEndTime", digest.digest_end_time),
    ):
        if not _TIME.fullmatch(time):
            raise Malformed(
                f"digest.{name}: expected a time as 2026-11-22T12:00:00Z, found another form"
            )


def signing_string(digest: Digest, octets: bytes) -> bytes:
    """What is signed of a digest; `octets` are those from which it was parsed."""
    lines = (
        digest.digest_end_time,
        f"{digest.digest_s3_bucket}/{digest.digest_s3_object}",
        hashlib.sha256(octets).hexdigest(),
        # The word, not nothing, where a chain begins.
        "null" if digest.previous_digest_signature is None else digest.previous_digest_signature,
    )
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def verify(octets: bytes, signature: str, public_key: str, *, bucket: str, key: str) -> Digest:
    """The digest that was fetched from there, unpacked, whose `signature` stood beside it.

    `signature` is hexadecimal; `public_key` the Base64 of PKCS #1 in DER, as ListPublicKeys gives
    it for the digest's fingerprint and hour. Raises Tampered where the digest is not what AWS
    wrote there, and Malformed for what is no digest, signature or key.
    """
    digest = parse(octets)
    if (digest.digest_s3_bucket, digest.digest_s3_object) != (bucket, key):
        raise Tampered(
            f"digest: expected one that names s3://{bucket}/{key}, from where it came, found "
            "another name; it was moved or put in another's place"
        )
    if digest.digest_signature_algorithm != _ALGORITHM:
        raise Malformed(
            f"digest.digestSignatureAlgorithm: expected {_ALGORITHM}, found another; it is unknown"
        )
    try:
        signed = binascii.unhexlify(signature.strip())
    except (binascii.Error, ValueError):
        raise Malformed("signature: expected hexadecimal digits, found other text") from None
    try:
        _rsa(public_key).verify(signed, signing_string(digest, octets), PKCS1v15(), SHA256())
    except InvalidSignature:
        raise Tampered(
            f"digest: expected the signature of CloudTrail over s3://{bucket}/{key}, found "
            "another; the digest or its signature was changed"
        ) from None
    return digest


def _rsa(public_key: str) -> RSAPublicKey:
    try:
        if len(public_key) > _KEY_CHARACTERS_MAX:
            raise ValueError
        found = load_der_public_key(base64.b64decode(public_key, validate=True))
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        raise Malformed("key: expected Base64 of PKCS #1 in DER, found something else") from None
    if not isinstance(found, RSAPublicKey) or found.key_size not in _KEY_BITS:
        raise Malformed("key: expected RSA of 2048 to 8192 bits, found another key")
    return found


Checked = Literal["ok", "missing", "mismatch"]


def check_file(digest: Digest, bucket: str, key: str, octets: bytes | None) -> Checked:
    """Whether a log file, unpacked, is the one that the digest names there.

    `missing` where there is none, or the digest names none of that bucket and key; `mismatch` where
    its bytes are others. Raises Malformed for a hash that is not known.
    """
    named = [each for each in digest.log_files if (each.s3_bucket, each.s3_object) == (bucket, key)]
    if octets is None or not named:
        return "missing"
    found = hashlib.sha256(octets).hexdigest()
    for each in named:
        if each.hash_algorithm != _HASH:
            raise Malformed(f"digest.logFiles: expected {_HASH}, found another hash")
    return "ok" if all(each.hash_value == found for each in named) else "mismatch"


class Held(NamedTuple):
    """A digest, the bytes it was parsed from, and the signature that stood beside it."""

    digest: Digest
    octets: bytes
    signature: str


class Gap(NamedTuple):
    """Before the digest `after` something is missing, or does not fit; both are keys in S3.

    `missing`: the digest that it names as `before` is not there. `altered`: it is there with other
    bytes or another signature. `restart`: a chain begins anew behind `before`, and nothing vouches
    for the time between. `twice`: two digests end at the same time.
    """

    before: str
    after: str
    why: Literal["missing", "altered", "restart", "twice"]


def gaps(held: Iterable[Held]) -> Iterator[Gap]:
    """What is missing between digests that were verified, by chain and in the order of time.

    What was before the first, or comes after the last, can't be told from them.
    """
    ordered = sorted(held, key=lambda one: (one.digest.chain, one.digest.digest_end_time))
    for before, after in pairwise(ordered):
        if before.digest.chain == after.digest.chain:
            yield from _gap(before, after)


def _gap(before: Held, after: Held) -> Iterator[Gap]:
    one, other = before.digest, after.digest
    named = (other.previous_digest_s3_bucket, other.previous_digest_s3_object)
    if one.digest_end_time == other.digest_end_time:
        yield Gap(one.digest_s3_object, other.digest_s3_object, "twice")
    elif other.starts_chain:
        yield Gap(one.digest_s3_object, other.digest_s3_object, "restart")
    elif named != (one.digest_s3_bucket, one.digest_s3_object):
        yield Gap(other.previous_digest_s3_object or "", other.digest_s3_object, "missing")
    elif not _follows(before, other):
        yield Gap(one.digest_s3_object, other.digest_s3_object, "altered")


def _follows(before: Held, digest: Digest) -> bool:
    if digest.previous_digest_hash_algorithm != _HASH:
        return False
    is_same = digest.previous_digest_hash_value == hashlib.sha256(before.octets).hexdigest()
    return is_same and digest.previous_digest_signature == before.signature.strip()
