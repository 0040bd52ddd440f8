"""A bundle as it is stored: one frame, no larger than a bundle can be."""

from __future__ import annotations

import pytest

from deploytrail.errors import Tampered
from deploytrail.stores.packing import BUNDLE_BYTES_MAX, packed, unpacked
from deploytrail.zstd import zstd


def test_packing_is_a_pair() -> None:
    largest = bytes(BUNDLE_BYTES_MAX)
    for octets in (b"", b"entries", largest):
        assert unpacked(packed(octets), 0) == octets


BROKEN: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "expected one frame"),
    "no frame": (b"entries", "does not decompress"),
    "half a frame": (packed(b"entries")[:-1], "expected one frame"),
    "two frames": (packed(b"one") + packed(b"other"), "expected one frame"),
    "a byte behind it": (packed(b"entries") + b"\0", "expected one frame"),
    # A few bytes that would fill the memory.
    "more than a bundle": (zstd.compress(bytes(BUNDLE_BYTES_MAX + 1)), "at most 16777472 bytes"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_no_bundle_is_tampered(what: str) -> None:
    data, message = BROKEN[what]
    with pytest.raises(Tampered, match=rf"bundle 7: .*{message}"):
        unpacked(data, 7)
