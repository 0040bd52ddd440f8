"""Digests of CloudTrail prove what AWS wrote, and tell what is missing."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as some

from deploytrail.errors import Malformed, SenderError, Tampered, TooLarge
from deploytrail.formats.cloudtrail_digest import (
    DIGEST_BYTES_MAX,
    Gap,
    Held,
    check_file,
    gaps,
    parse,
    signing_string,
    verify,
)
from tests.conftest import ROOT

DOCS: Path = ROOT.parent / "shared" / "fixtures" / "cloudtrail-aws-docs"
BUCKET = "acme-trail"
LOG_KEY = "AWSLogs/111122223333/CloudTrail/eu-central-1/2026/11/22/one.json.gz"
LOG = b'{"Records":[]}'
OF = "AWSLogs/111122223333/CloudTrail-Digest/eu-central-1/2026/11/22/"
NAME = "111122223333_CloudTrail-Digest_eu-central-1_acme_eu-central-1_"


@pytest.fixture(scope="module")
def private() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


@pytest.fixture(scope="module")
def public(private: rsa.RSAPrivateKey) -> str:
    return base64.b64encode(
        private.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    ).decode()


def key_of(hour: int, suffix: str = "") -> str:
    return f"{OF}{NAME}20261122T{hour:02}0131Z{suffix}.json.gz"


def content(hour: int, before: Held | None = None, suffix: str = "") -> dict[str, Any]:
    digest = before.digest if before else None
    return {
        "awsAccountId": "111122223333",
        "digestStartTime": f"2026-11-22T{hour - 1:02}:01:31Z",
        "digestEndTime": f"2026-11-22T{hour:02}:01:31Z",
        "digestS3Bucket": BUCKET,
        "digestS3Object": key_of(hour, suffix),
        "digestPublicKeyFingerprint": "00" * 16,
        "digestSignatureAlgorithm": "SHA256withRSA",
        "newestEventTime": None,
        "oldestEventTime": None,
        "previousDigestS3Bucket": digest and digest.digest_s3_bucket,
        "previousDigestS3Object": digest and digest.digest_s3_object,
        "previousDigestHashValue": before and hashlib.sha256(before.octets).hexdigest(),
        "previousDigestHashAlgorithm": before and "SHA-256",
        "previousDigestSignature": before and before.signature,
        "logFiles": [
            {
                "s3Bucket": BUCKET,
                "s3Object": LOG_KEY,
                "hashValue": hashlib.sha256(LOG).hexdigest(),
                "hashAlgorithm": "SHA-256",
                "newestEventTime": None,
                "oldestEventTime": None,
            }
        ],
    }


def signed(private: rsa.RSAPrivateKey, said: dict[str, Any]) -> Held:
    octets = json.dumps(said).encode()
    digest = parse(octets)
    made = private.sign(signing_string(digest, octets), PKCS1v15(), SHA256())
    return Held(digest, octets, made.hex())


def chain(private: rsa.RSAPrivateKey, hours: int = 4, suffix: str = "") -> list[Held]:
    found: list[Held] = []
    for hour in range(1, hours + 1):
        found.append(signed(private, content(hour, found[-1] if found else None, suffix)))
    return found


def test_what_is_signed_is_four_lines(private: rsa.RSAPrivateKey) -> None:
    first, second = chain(private, 2)
    assert signing_string(first.digest, first.octets).decode().split("\n") == [
        "2026-11-22T01:01:31Z",
        f"{BUCKET}/{key_of(1)}",
        hashlib.sha256(first.octets).hexdigest(),
        "null",
    ]
    assert signing_string(second.digest, second.octets).endswith(b"\n" + first.signature.encode())


def test_what_aws_signed_is_proven(private: rsa.RSAPrivateKey, public: str) -> None:
    for held in chain(private, 2):
        found = verify(
            held.octets,
            held.signature,
            public,
            bucket=BUCKET,
            key=held.digest.digest_s3_object,
        )
        assert found == held.digest


def test_one_changed_byte_of_a_digest_is_found(private: rsa.RSAPrivateKey, public: str) -> None:
    (held,) = chain(private, 1)
    for octets in (held.octets.replace(b"null", b"null "), held.octets + b"\n"):
        with pytest.raises(Tampered, match="signature"):
            verify(octets, held.signature, public, bucket=BUCKET, key=key_of(1))


def test_another_key_or_signature_proves_nothing(private: rsa.RSAPrivateKey, public: str) -> None:
    first, second = chain(private, 2)
    with pytest.raises(Tampered):
        verify(first.octets, second.signature, public, bucket=BUCKET, key=key_of(1))
    theirs = rsa.generate_private_key(public_exponent=65_537, key_size=2_048).public_key()
    other = base64.b64encode(theirs.public_bytes(Encoding.DER, PublicFormat.PKCS1)).decode()
    with pytest.raises(Tampered):
        verify(first.octets, first.signature, other, bucket=BUCKET, key=key_of(1))


def test_a_digest_in_another_place_is_found(private: rsa.RSAPrivateKey, public: str) -> None:
    (held,) = chain(private, 1)
    for bucket, key in ((BUCKET, key_of(2)), ("mallory-trail", key_of(1))):
        with pytest.raises(Tampered, match="from where it came"):
            verify(held.octets, held.signature, public, bucket=bucket, key=key)


KEYS = {
    "no base64": "!",
    "no key": base64.b64encode(b"no key").decode(),
    "too long": "A" * 8_192,
    "another kind": base64.b64encode(
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).decode(),
    "too short": base64.b64encode(
        rsa.generate_private_key(public_exponent=65_537, key_size=1_024)  # noqa: S505 (the point)
        .public_key()
        .public_bytes(Encoding.DER, PublicFormat.PKCS1)
    ).decode(),
}


@pytest.mark.parametrize("why", KEYS)
def test_what_is_no_key_is_refused(private: rsa.RSAPrivateKey, why: str) -> None:
    (held,) = chain(private, 1)
    with pytest.raises(Malformed, match="key: expected"):
        verify(held.octets, held.signature, KEYS[why], bucket=BUCKET, key=key_of(1))


def test_what_is_no_signature_is_refused(private: rsa.RSAPrivateKey, public: str) -> None:
    (held,) = chain(private, 1)
    with pytest.raises(Malformed, match="signature: expected"):
        verify(held.octets, "no hex", public, bucket=BUCKET, key=key_of(1))
    other = json.dumps(content(1) | {"digestSignatureAlgorithm": "MD5withRSA"}).encode()
    with pytest.raises(Malformed, match="digestSignatureAlgorithm"):
        verify(other, held.signature, public, bucket=BUCKET, key=key_of(1))


BAD = {
    "no json": (b"{", "digest: expected JSON"),
    "packed": (b"\x1f\x8b", "digest: expected JSON"),
    "nothing before is said": (
        json.dumps({k: v for k, v in content(1).items() if "revious" not in k}).encode(),
        "previousDigest",
    ),
    "files of another form": (json.dumps(content(1) | {"logFiles": [1]}).encode(), "logFiles[0]"),
    "a time of another form": (
        json.dumps(content(1) | {"digestEndTime": "2026-11-22 01:00"}).encode(),
        "digestEndTime",
    ),
}


@pytest.mark.parametrize("why", BAD)
def test_what_is_no_digest_is_refused_by_name(why: str) -> None:
    octets, told = BAD[why]
    with pytest.raises(Malformed) as error:
        parse(octets)
    assert told in str(error.value)


def test_a_digest_of_more_than_an_hour_can_hold_is_refused() -> None:
    with pytest.raises(TooLarge):
        parse(b" " * (DIGEST_BYTES_MAX + 1))


FILES = {
    "as it was": (BUCKET, LOG_KEY, LOG, "ok"),
    "changed": (BUCKET, LOG_KEY, LOG + b" ", "mismatch"),
    "gone": (BUCKET, LOG_KEY, None, "missing"),
    "of another key": (BUCKET, LOG_KEY + "2", LOG, "missing"),
    "of another bucket": ("mallory-trail", LOG_KEY, LOG, "missing"),
}


@pytest.mark.parametrize("what", FILES)
def test_a_log_file_is_held_against_its_digest(what: str) -> None:
    bucket, key, octets, expected = FILES[what]
    assert check_file(parse(json.dumps(content(1)).encode()), bucket, key, octets) == expected


def test_a_hash_that_is_not_known_proves_nothing() -> None:
    said = content(1)
    said["logFiles"][0]["hashAlgorithm"] = "MD5"
    with pytest.raises(Malformed, match="another hash"):
        check_file(parse(json.dumps(said).encode()), BUCKET, LOG_KEY, LOG)


def test_a_whole_chain_has_no_gap_in_any_order(private: rsa.RSAPrivateKey) -> None:
    held = chain(private)
    assert list(gaps(held)) == []
    assert list(gaps(reversed(held))) == []
    assert list(gaps([])) == []


def test_a_digest_that_was_removed_is_named(private: rsa.RSAPrivateKey) -> None:
    held = chain(private)
    assert list(gaps(held[:1] + held[2:])) == [Gap(key_of(2), key_of(3), "missing")]


def test_a_digest_that_was_replaced_is_found(private: rsa.RSAPrivateKey) -> None:
    held = chain(private)
    for other in (
        held[1]._replace(octets=held[1].octets + b" "),
        held[1]._replace(signature=held[0].signature),
    ):
        found = list(gaps([held[0], other, *held[2:]]))
        assert found == [Gap(key_of(2), key_of(3), "altered")]


def test_where_a_chain_begins_anew_nothing_vouches_for_the_time_before(
    private: rsa.RSAPrivateKey,
) -> None:
    first, second = chain(private, 2)
    anew = signed(private, content(5))
    assert first.digest.starts_chain
    assert not second.digest.starts_chain
    assert list(gaps([first, second, anew])) == [Gap(key_of(2), key_of(5), "restart")]


def test_two_digests_of_one_hour_are_told(private: rsa.RSAPrivateKey) -> None:
    (first,) = chain(private, 1)
    assert list(gaps([first, first])) == [Gap(key_of(1), key_of(1), "twice")]


def test_backfill_is_a_chain_of_its_own(private: rsa.RSAPrivateKey) -> None:
    late = chain(private, 2, "_backfill")
    assert late[0].digest.is_backfill
    assert not chain(private, 1)[0].digest.is_backfill
    assert list(gaps([*chain(private), *late])) == []


@pytest.mark.skipif(not DOCS.is_dir(), reason="no ../shared/fixtures here")
def test_the_digests_of_the_vendors_page_are_read() -> None:
    paths = sorted(DOCS.glob("*digest-file-structure*.json"))
    found = [parse(path.read_bytes()) for path in paths]
    assert [len(each.log_files) for each in found] == [1, 0]
    assert [each.starts_chain for each in found] == [False, False]
    assert found[0].chain.endswith("_CloudTrail-Digest_us-east-2_your-trail-name_us-east-2")


@given(some.dictionaries(some.sampled_from(sorted(content(1))), some.none() | some.text()))
def test_any_content_is_read_or_refused(said: dict[str, Any]) -> None:
    try:
        digest = parse(json.dumps(content(1) | said).encode())
    except SenderError:
        return
    assert signing_string(digest, b"")
