"""Keys: wrapped one by one, found by a keyed hash, each derived for one purpose."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.entry import base64url
from deploytrail.errors import Misconfigured, Tampered
from deploytrail.vault import keys
from deploytrail.vault.keys import Secrets
from deploytrail.vault.subject import derived, subject

SECRETS = keys.new_secrets(bytes(range(192)))
KEY = b"k" * 32


def test_secrets_are_six_different_keys() -> None:
    assert {len(each) for each in SECRETS} == {32}
    assert b"".join(SECRETS) == bytes(range(192))
    assert Secrets._fields == (
        "checkpoint",
        "cosignature",
        "lookup",
        "body",
        "fingerprint",
        "attachment",
    )


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=12, max_size=12))
def test_wrapping_is_a_pair_and_wrapping_anew_changes_nothing_inside(
    plain: bytes, nonce: bytes
) -> None:
    wrapped = keys.wrap(KEY, plain, purpose=b"p", nonce=nonce)
    assert keys.unwrap(KEY, wrapped, purpose=b"p") == plain
    anew = keys.wrap(b"n" * 32, keys.unwrap(KEY, wrapped, purpose=b"p"), purpose=b"p", nonce=nonce)
    assert keys.unwrap(b"n" * 32, anew, purpose=b"p") == plain


WRAPPED = keys.wrap(KEY, b"s" * 32, purpose=b"secret body", nonce=b"n" * 12)
WRONG: dict[str, tuple[bytes, bytes, bytes]] = {
    "another key": (b"x" * 32, WRAPPED, b"secret body"),
    "another purpose": (KEY, WRAPPED, b"secret lookup"),
    "nothing": (KEY, b"", b"secret body"),
    "only a nonce": (KEY, WRAPPED[:12], b"secret body"),
    "cut off": (KEY, WRAPPED[:-1], b"secret body"),
    "a changed byte": (KEY, WRAPPED[:20] + bytes([WRAPPED[20] ^ 1]) + WRAPPED[21:], b"secret body"),
}


@pytest.mark.parametrize("reason", WRONG)
def test_what_does_not_open_is_refused(reason: str) -> None:
    key, wrapped, purpose = WRONG[reason]
    with pytest.raises(Tampered, match="either the key is another trail's, or its bytes were"):
        keys.unwrap(key, wrapped, purpose=purpose)


def test_an_identity_is_looked_up_by_a_keyed_hash() -> None:
    expected = hmac.new(SECRETS.lookup, "github:älice".encode(), hashlib.sha256).digest()[:16]
    assert keys.lookup(SECRETS, "github:älice") == expected


def test_each_project_has_a_fingerprint_key_of_its_own() -> None:
    # HKDF-Expand of one block, RFC 5869 §2.3: HMAC(K_fp, info ‖ 1).
    info = b"deploytrail/fingerprint/payments\x01"
    expected = hmac.new(SECRETS.fingerprint, info, hashlib.sha256).digest()
    assert keys.project_fingerprint_key(SECRETS, "payments") == expected
    assert keys.project_fingerprint_key(SECRETS, "billing") != expected


def test_a_subject_s_keys_are_derived_and_not_the_key() -> None:
    made = subject(b"i" * 16, KEY)
    assert (made.id, made.name) == (b"i" * 16, base64url(b"i" * 16))
    assert made.salt_key == hmac.new(KEY, b"deploytrail/salt\x01", hashlib.sha256).digest()
    assert len({KEY, made.salt_key, derived(KEY, b"enc")}) == 3


@pytest.mark.parametrize(
    "octets",
    [KEY, KEY.hex().encode(), KEY.hex().upper().encode() + b"\n", b" " + KEY.hex().encode()],
)
def test_a_wrapping_key_is_32_bytes_raw_or_in_hex(octets: bytes) -> None:
    assert keys.wrapping_key(octets, whence="a file") == KEY


NO_KEY: dict[str, bytes] = {
    "nothing": b"",
    "31 bytes": b"k" * 31,
    "33 bytes": b"k" * 33,
    "63 digits": b"6b" * 31 + b"6",
    "65 digits": b"6b" * 32 + b"6",
    "no digits": b"zz" * 32,
    "two keys": b"6b" * 32 + b"\n" + b"6b" * 32,
    "digits of another script": "٣".encode() * 32,
}


@pytest.mark.parametrize("reason", NO_KEY)
def test_what_is_no_wrapping_key_is_refused_and_not_shown(reason: str) -> None:
    octets = NO_KEY[reason]
    with pytest.raises(Misconfigured, match=f"a file: .* found {len(octets)} bytes") as refused:
        keys.wrapping_key(octets, whence="a file")
    assert octets.decode()[:8] not in str(refused.value) or not octets
