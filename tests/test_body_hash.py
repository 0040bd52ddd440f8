"""The hash of a body is HMAC-SHA256, whichever way it is computed."""

from __future__ import annotations

import base64
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail import entry


@pytest.mark.parametrize("length", [1, 32, 64, 65, 200])
@pytest.mark.parametrize("body", [b"", b"a", b"b" * 1000])
def test_it_is_the_standard_library_s_hmac_for_every_length_of_key(
    length: int, body: bytes
) -> None:
    key = bytes(range(200))[:length]
    assert entry.body_hash(key, body) == hmac.digest(key, body, "sha256")[:8]


@given(st.binary(max_size=70))
def test_base64url_is_the_standard_library_s_without_padding(octets: bytes) -> None:
    expected = base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
    assert entry.base64url(octets) == expected
    assert entry.unbase64url(expected) == octets
