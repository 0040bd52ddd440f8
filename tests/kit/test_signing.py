"""What a sample is signed with proves it: the same stem both ways."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from deploytrail.kit.credential import Scheme, prove
from deploytrail.kit.delivery import fetched
from deploytrail.kit.schemes import SCHEMES
from deploytrail.kit.secret import RANDOM_BYTES
from deploytrail.kit.signing import sample_secret, signed

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=lambda scheme: scheme.name)
def test_what_is_signed_is_proven(scheme: Scheme) -> None:
    secret = sample_secret(scheme, b"\x07" * RANDOM_BYTES)
    secrets = [] if scheme.evidence is None else [secret]
    proof = prove(scheme, signed(scheme, fetched(b"{}", NOW), secret, at=NOW), secrets, now=NOW)
    assert proof.assurance == scheme.assurance
    if proof.signed is not None:
        assert proof.signed == NOW


def test_signing_again_leaves_one_signature() -> None:
    scheme = SCHEMES["github"]
    once = signed(scheme, fetched(b"{}", NOW), "another secret", at=NOW)
    again = signed(scheme, once, "the right secret", at=NOW)
    prove(scheme, again, ["the right secret"], now=NOW)
