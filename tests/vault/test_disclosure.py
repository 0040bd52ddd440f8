"""A disclosure: RFC 9901's encoding, sealed for one log, one subject, one digest."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.entry import base64url, unbase64url
from deploytrail.errors import Tampered
from deploytrail.vault import disclosure
from tests.vault.subjects import made

ORIGIN = "deploytrail.test/vault/1"
ALICE, BOB = made("alice"), made("bob")
REASON = disclosure.disclosure(ALICE, "/reason", b'{"text":"why"}')
SEALED = disclosure.seal(ALICE, REASON, origin=ORIGIN)


def test_published_disclosures_have_their_digests(vectors: Path) -> None:
    published: dict[str, Any] = json.loads(
        (vectors / "redaction/sd-jwt-disclosures.json").read_bytes()
    )
    for case in published["cases"]:
        octets = unbase64url(case["disclosure"])
        assert json.loads(octets) == json.loads(case["array_json"])
        assert base64url(disclosure.digest(octets)) == case["digest"]


def test_equivalent_encodings_are_read_alike_and_have_other_digests(vectors: Path) -> None:
    published = json.loads((vectors / "redaction/sd-jwt-disclosures.json").read_bytes())
    texts = [published["cases"][0]["disclosure"], *published["equivalent_encodings_of_case_0"]]
    octets = [urlsafe_b64decode(text + "=" * (-len(text) % 4)) for text in texts]
    assert len({str(json.loads(each)) for each in octets}) == 1
    assert len({disclosure.digest(each) for each in octets}) == len(texts)


def test_a_disclosure_is_salt_pointer_and_fields() -> None:
    salt, pointer, value = json.loads(REASON.json)
    assert (len(unbase64url(salt)), pointer, value) == (16, "/reason", {"text": "why"})
    assert disclosure.opened(REASON.json) == ("/reason", {"text": "why"})


def test_equal_values_give_one_disclosure_per_subject_and_block() -> None:
    assert disclosure.disclosure(ALICE, "/reason", b'{"text":"why"}') == REASON
    others = [
        disclosure.disclosure(BOB, "/reason", b'{"text":"why"}'),
        disclosure.disclosure(ALICE, "/client", b'{"text":"why"}'),
        disclosure.disclosure(ALICE, "/reason", b'{"text":"Why"}'),
    ]
    salts = {json.loads(each.json)[0] for each in [REASON, *others]}
    assert len(salts) == 4


@given(st.binary(max_size=200))
def test_sealing_is_a_pair(value: bytes) -> None:
    found = disclosure.disclosure(ALICE, "/reason", value)
    sealed = disclosure.seal(ALICE, found, origin=ORIGIN)
    opened = disclosure.unseal(ALICE, sealed, origin=ORIGIN, digest_expected=found.digest)
    assert opened == found.json
    assert len(sealed) == 1 + len("/reason") + 1 + len(value) + 16


def test_the_seal_is_aes_gcm_under_the_digest_s_first_bytes() -> None:
    aad = ORIGIN.encode() + b"\x00" + ALICE.id + REASON.digest
    opened = ALICE.cipher.decrypt(REASON.digest[:12], SEALED[1:], aad)
    assert (SEALED[:1], opened) == (b"\x01", b'/reason\x00{"text":"why"}')


def test_what_a_vault_keeps_is_named_by_whose_it_is() -> None:
    assert disclosure.key_of(ALICE.id, REASON.digest) == ALICE.id + REASON.digest[:12]


OTHER = disclosure.disclosure(ALICE, "/reason", b'{"text":"other"}')
LYING = REASON._replace(named=OTHER.named)
ELSEWHERE: dict[str, tuple[Any, bytes, str, bytes]] = {
    "another log": (ALICE, SEALED, "deploytrail.test/vault/2", REASON.digest),
    "another subject": (BOB, SEALED, ORIGIN, REASON.digest),
    "another digest": (ALICE, SEALED, ORIGIN, OTHER.digest),
    "another version": (ALICE, b"\x02" + SEALED[1:], ORIGIN, REASON.digest),
    "nothing": (ALICE, b"", ORIGIN, REASON.digest),
    "only a version": (ALICE, b"\x01", ORIGIN, REASON.digest),
    "cut off": (ALICE, SEALED[:-1], ORIGIN, REASON.digest),
    "longer": (ALICE, SEALED + b"\x00", ORIGIN, REASON.digest),
    "sealed by us, but of other bytes": (
        ALICE,
        disclosure.seal(ALICE, LYING, origin=ORIGIN),
        ORIGIN,
        REASON.digest,
    ),
}


@pytest.mark.parametrize("reason", ELSEWHERE)
def test_a_seal_opens_only_where_it_was_made_for(reason: str) -> None:
    subject, sealed, origin, digest = ELSEWHERE[reason]
    with pytest.raises(Tampered, match="disclosure"):
        disclosure.unseal(subject, sealed, origin=origin, digest_expected=digest)


def test_no_changed_byte_opens() -> None:
    for at in range(len(SEALED)):
        flipped = bytearray(SEALED)
        flipped[at] ^= 1
        with pytest.raises(Tampered):
            disclosure.unseal(ALICE, bytes(flipped), origin=ORIGIN, digest_expected=REASON.digest)


NOT_OPENED: dict[str, bytes] = {
    "nothing": b"",
    "an object": b"{}",
    "two members": b'["salt","/reason"]',
    "four members": b'["salt","/reason",{},1]',
    "a value that is no object": b'["salt","/reason","text"]',
    "a pointer that is no text": b'["salt",1,{}]',
    "bytes that are not UTF-8": b'["salt","/reason",{"a":"\xff"}]',
}


@pytest.mark.parametrize("reason", NOT_OPENED)
def test_what_is_no_disclosure_is_refused(reason: str) -> None:
    with pytest.raises(Tampered, match="expected"):
        disclosure.opened(NOT_OPENED[reason])
