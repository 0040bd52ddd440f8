"""Entries as the log sees them: bytes with a stamp, a key, rows of a vault it can't read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from deploytrail.entry import UNSTAMPED, stamp_offset
from deploytrail.log import commit
from deploytrail.log.commit import Answer
from deploytrail.log.plan import Prepared
from deploytrail.log.store import AttachmentRow, Store, VaultRow


def prepared(
    number: int,
    *,
    body: bytes = b"",
    vault: tuple[VaultRow, ...] = (),
    attachments: tuple[AttachmentRow, ...] = (),
) -> Prepared:
    """Delivery `number`, always the same; with `body` another one under the same id."""
    octets = f'{{"body":"{body.hex()}","logged":"{UNSTAMPED}","n":{number}}}'.encode()
    return Prepared(
        key_of(number), body.ljust(16, b"-"), octets, stamp_offset(octets), vault, attachments
    )


def key_of(number: int) -> bytes:
    return hashlib.sha256(b"delivery %d" % number).digest()[:16]


def batch(first: int, count: int) -> list[Prepared]:
    return [prepared(number) for number in range(first, first + count)]


def disclosure(name: bytes, subject: bytes) -> VaultRow:
    return VaultRow(subject + hashlib.sha256(name).digest()[:12], b"sealed " + name)


class Told:
    """`log.commit.Notices` that remembers what it was told."""

    def __init__(self) -> None:
        self.behind: list[int] = []
        self.conflicts: list[int] = []

    def clock_behind(self, microseconds: int) -> Prepared:
        self.behind.append(microseconds)
        return prepared(1_000_000 + len(self.behind))

    def conflict(self, refused: Prepared, first_index: int) -> Prepared:
        self.conflicts.append(first_index)
        number = int.from_bytes(hashlib.sha256(refused.key + refused.body).digest()[:6], "big")
        return prepared(number)


def append(store: Store, entries: Sequence[Prepared], *, epoch: int = 0) -> list[Answer]:
    return commit.append(store, entries, epoch=epoch, notices=Told())
