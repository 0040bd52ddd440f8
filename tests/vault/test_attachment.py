"""An attachment: sealed under a key of its own, named by a digest that nobody can guess at."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.entry import base64url
from deploytrail.errors import Tampered, TooLarge
from deploytrail.vault import attachment
from deploytrail.vault.attachment import RANDOM_BYTES, SealedAttachment

KEY = b"w" * 32
RANDOM = bytes(range(RANDOM_BYTES))


def seal(data: bytes, random: bytes = RANDOM) -> SealedAttachment:
    return attachment.seal(data, type="output", wrapping_key=KEY, random=random)


def unseal(sealed: SealedAttachment, *, key: bytes = KEY) -> bytes:
    return attachment.unseal(
        sealed.id,
        sealed.wrapped_key,
        sealed.sealed,
        wrapping_key=key,
        digest=sealed.evidence.digest,
    )


@given(st.binary(max_size=5_000), st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES))
def test_sealing_is_a_pair(data: bytes, random: bytes) -> None:
    assert unseal(seal(data, random)) == data


def test_evidence_names_the_bytes_by_a_salted_digest() -> None:
    evidence = seal(b"data").evidence
    assert (evidence.id, evidence.type, evidence.size) == (base64url(RANDOM[:16]), "output", 4)
    assert evidence.digest == "sha256:" + hashlib.sha256(RANDOM[16:32] + b"data").hexdigest()
    assert evidence.digest != "sha256:" + hashlib.sha256(b"data").hexdigest()


def test_it_is_compressed_and_unreadable() -> None:
    sealed = seal(b"Apply complete! " * 10_000)
    assert len(sealed.sealed) < 1_000
    assert b"Apply" not in sealed.sealed


SEALED, OTHER = seal(b"data"), seal(b"other", RANDOM[::-1])
WRONG: dict[str, SealedAttachment] = {
    "another id": SEALED._replace(id=OTHER.id),
    "another's key": SEALED._replace(wrapped_key=OTHER.wrapped_key),
    "another's bytes": SEALED._replace(sealed=OTHER.sealed),
    "another's digest": SEALED._replace(evidence=OTHER.evidence),
    "no key": SEALED._replace(wrapped_key=b""),
    "no bytes": SEALED._replace(sealed=b""),
    "another version": SEALED._replace(sealed=b"\x02" + SEALED.sealed[1:]),
    "cut off": SEALED._replace(sealed=SEALED.sealed[:-1]),
}


@pytest.mark.parametrize("reason", WRONG)
def test_what_does_not_belong_together_is_refused(reason: str) -> None:
    with pytest.raises(Tampered):
        unseal(WRONG[reason])


def test_another_wrapping_key_is_refused() -> None:
    with pytest.raises(Tampered, match="does not open under this trail's key"):
        unseal(SEALED, key=b"v" * 32)


def test_no_changed_byte_opens() -> None:
    for at in range(len(SEALED.sealed)):
        flipped = bytearray(SEALED.sealed)
        flipped[at] ^= 0x80
        with pytest.raises(Tampered):
            unseal(SEALED._replace(sealed=bytes(flipped)))


def test_over_64_mib_is_refused() -> None:
    with pytest.raises(TooLarge, match="attachment: expected at most 67108864 bytes"):
        seal(bytes(attachment.BYTES_MAX + 1))
