"""Bundles as they are stored: zstd, and never more of them than a bundle can be."""

from __future__ import annotations

from typing import Final

from deploytrail.errors import Tampered
from deploytrail.zstd import zstd

BUNDLE_BYTES_MAX: Final = 256 * (2 + 65_535)
# Against level 1, a bundle is an eighth smaller and takes 10 µs an entry instead of 2, outside the
# interpreter's lock. Level 8 as it comes gives the same size and takes 14: its tables are larger
# than 256 entries fill, and entries hardly repeat anything shorter than six bytes.
_PACKING: Final = {
    int(zstd.CompressionParameter.compression_level): 8,
    int(zstd.CompressionParameter.hash_log): 17,
    int(zstd.CompressionParameter.chain_log): 17,
    int(zstd.CompressionParameter.min_match): 6,
}


def packed(octets: bytes) -> bytes:
    """A bundle as it is stored."""
    return zstd.compress(octets, options=_PACKING)


def unpacked(data: bytes, number: int) -> bytes:
    """A stored bundle in bundle framing; raises Tampered for bytes that aren't one."""
    unpacking = zstd.ZstdDecompressor()
    try:
        octets = unpacking.decompress(data, BUNDLE_BYTES_MAX)
    except zstd.ZstdError:
        raise Tampered(f"bundle {number}: does not decompress; its bytes were changed") from None
    if not unpacking.eof or unpacking.unused_data:
        raise Tampered(f"bundle {number}: expected one frame of at most {BUNDLE_BYTES_MAX} bytes")
    return octets
