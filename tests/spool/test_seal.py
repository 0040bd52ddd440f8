"""Lines are sealed by HPKE as RFC 9180 has it, to one trail, one spool and one line."""

from __future__ import annotations

from typing import Final, NamedTuple

import pytest
from cryptography.hazmat.bindings._rust import openssl
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from deploytrail.errors import Malformed
from deploytrail.spool.seal import SpoolKey, public_key, seal, spool_key, suite, unseal

PRIVATE: Final = bytes(range(32))
ORIGIN: Final = "deploytrail.local/acme/1"
SPOOL: Final = "ab" * 16
# RFC 9180, appendix A.2.1.1, sequence number 0.
INFO: Final = bytes.fromhex("4f6465206f6e2061204772656369616e2055726e")
RECIPIENT: Final = bytes.fromhex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb")
ENC: Final = bytes.fromhex("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a")
CIPHERTEXT: Final = bytes.fromhex(
    "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28"
)


def test_the_suite_opens_the_vector_of_rfc_9180() -> None:
    key = X25519PrivateKey.from_private_bytes(RECIPIENT)
    # The vector has additional data, for which the library has no public name.
    opened = openssl.hpke._decrypt_with_aad(suite(), ENC + CIPHERTEXT, key, INFO, b"Count-0")
    assert opened == b"Beauty is truth, truth beauty"


def test_a_key_is_told_in_words_and_read_again() -> None:
    key = public_key(ORIGIN, PRIVATE)
    assert str(key).startswith(f"dt-spool-key:{ORIGIN}+")
    assert spool_key(f" {key}\n") == key


NO_KEYS: Final = {
    "nothing": "",
    "another prefix": "dt-token:x+AAAA",
    "no origin": f"dt-spool-key:+{'A' * 43}=",
    "no key": f"dt-spool-key:{ORIGIN}",
    "a short key": f"dt-spool-key:{ORIGIN}+AAAA",
    "no base64": f"dt-spool-key:{ORIGIN}+{'!' * 44}",
}


@pytest.mark.parametrize("reason", NO_KEYS)
def test_what_is_no_key_is_refused(reason: str) -> None:
    with pytest.raises(Malformed, match="deploytrail spool key"):
        spool_key(NO_KEYS[reason])


def sealed() -> bytes:
    return seal(b"deployed", public_key(ORIGIN, PRIVATE), spool=SPOOL, counter=7)


def test_a_line_opens_with_the_key_of_its_trail() -> None:
    assert unseal(sealed(), PRIVATE, origin=ORIGIN, spool=SPOOL, counter=7) == b"deployed"
    assert b"deployed" not in sealed()


class Given(NamedTuple):
    """What a line is opened with."""

    sealed: bytes
    private: bytes = PRIVATE
    origin: str = ORIGIN
    spool: str = SPOOL
    counter: int = 7


OTHERWISE: Final = {
    "another trail's name": Given(sealed(), origin="deploytrail.local/other/1"),
    "another spool": Given(sealed(), spool="cd" * 16),
    "another line": Given(sealed(), counter=8),
    "another key": Given(sealed(), private=bytes(32)),
    "a changed byte": Given(b"\0" + sealed()[1:]),
    "nothing": Given(b""),
}


@pytest.mark.parametrize("reason", OTHERWISE)
def test_a_line_opens_nowhere_else(reason: str) -> None:
    sealed, private, origin, spool, counter = OTHERWISE[reason]
    with pytest.raises(Malformed, match="import it into the trail to which it was sealed"):
        unseal(sealed, private, origin=origin, spool=spool, counter=counter)


def test_a_key_of_no_order_is_refused() -> None:
    with pytest.raises(ValueError, match=r".+"):
        seal(b"deployed", SpoolKey(ORIGIN, bytes(32)), spool=SPOOL, counter=1)
