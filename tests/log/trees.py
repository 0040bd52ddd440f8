"""Trees in memory, by the definition of RFC 6962 §2.1 and nothing faster."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from deploytrail.log.merkle import HashAt


def leaf(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def mth(hashes: Sequence[bytes]) -> bytes:
    """The Merkle tree hash over leaf hashes, as the RFC defines it: recursively."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return hashlib.sha256(b"\x01" + mth(hashes[:split]) + mth(hashes[split:])).digest()


def hash_at(hashes: Sequence[bytes]) -> HashAt:
    """The stored tree over leaf hashes; each node computed once."""
    levels = [list(hashes)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([mth(below[at : at + 2]) for at in range(0, len(below) & ~1, 2)])
    return lambda level, index: levels[level][index]


def leaves(count: int) -> list[bytes]:
    return [leaf(b"entry %d" % number) for number in range(count)]
