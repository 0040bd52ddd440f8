"""Whether a log is whole, told by other means than our own: RFC 6962 written down once more.

Reads the tables with plain SQL, hashes every entry by the definition of the RFC, and holds the
result against everything that the log and its producers claim. Shares with the product only the
signature check of notes and the zstd library.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import apsw
from backports import zstd

from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import note
from deploytrail.log.note import VerifierKey
from deploytrail.trail import Receipt

WIDTH = 256


class Broken(AssertionError):
    """The log contradicts itself, or somebody who was promised something."""


class Whole(NamedTuple):
    """What a log that is whole consists of."""

    origin: str
    entries: list[bytes]
    root: bytes
    published: list[int]


def whole(
    database: Path, receipts: Iterable[Receipt] = (), *, keys: Sequence[VerifierKey] = ()
) -> Whole:
    """The log in a file, which SQLite may recover in doing so. Raises Broken."""
    connection = apsw.Connection(str(database))
    try:
        return of_connection(connection, receipts, keys=keys)
    finally:
        connection.close()


def of_connection(
    connection: apsw.Connection,
    receipts: Iterable[Receipt] = (),
    *,
    keys: Sequence[VerifierKey] = (),
) -> Whole:
    try:
        origin, size, stored_root = _tree(connection)
        entries = _entries(connection, size)
        leaves = tuple(hashlib.sha256(b"\0" + entry).digest() for entry in entries)
        expect(root(leaves) == stored_root, f"root: not that of the {size} entries")
        _check_tiles(connection, leaves)
        _check_deliveries(connection, size)
        published = _check_published(connection, leaves, origin, keys)
    except apsw.Error as error:
        raise Broken(f"SQLite: {error}") from error
    for receipt in receipts:
        _check_receipt(receipt, entries, leaves)
    return Whole(origin, entries, stored_root, published)


@lru_cache(maxsize=4096)
def root(leaves: tuple[bytes, ...]) -> bytes:
    """RFC 6962 §2.1, by its words."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + root(leaves[:half]) + root(leaves[half:])).digest()


def expect(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise Broken(otherwise)


def _tree(connection: apsw.Connection) -> tuple[str, int, bytes]:
    found = connection.execute("SELECT origin, size, root FROM tree").fetchall()
    expect(len(found) == 1, f"tree: expected one row, found {len(found)}")
    origin, size, stored_root = found[0]
    assert isinstance(origin, str)
    assert isinstance(size, int)
    assert isinstance(stored_root, bytes)
    return origin, size, stored_root


def _entries(connection: apsw.Connection, size: int) -> list[bytes]:
    entries: list[bytes] = []
    for number, data in connection.execute("SELECT n, data FROM bundle ORDER BY n"):
        expect(number * WIDTH == len(entries), f"bundle {number}: out of order")
        found = _framed(zstd.decompress(data))
        expect(len(found) == WIDTH, f"bundle {number}: {len(found)} entries")
        entries += found
    for first, count, data in connection.execute("SELECT first, n, data FROM segment ORDER BY 1"):
        expect(first == len(entries), f"segment {first}: expected {len(entries)} next")
        found = _framed(data)
        expect(len(found) == count, f"segment {first}: {len(found)} entries, not {count}")
        entries += found
    expect(len(entries) == size, f"entries: the tree has {size}, found {len(entries)}")
    return entries


def _framed(data: bytes) -> list[bytes]:
    entries, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        expect(at + 2 + length <= len(data), "an entry ends behind its bundle")
        entries.append(data[at + 2 : at + 2 + length])
        at += 2 + length
    return entries


def _check_tiles(connection: apsw.Connection, leaves: Sequence[bytes]) -> None:
    found = dict(connection.execute("SELECT n, data FROM tile WHERE level = 0"))
    for number in range(len(leaves) // WIDTH):
        expected = b"".join(leaves[number * WIDTH : (number + 1) * WIDTH])
        expect(found.pop(number, None) == expected, f"tile 0/{number}: not its leaves")
    expect(not found, f"tiles: more than {len(leaves)} leaves fill")


def _check_deliveries(connection: apsw.Connection, size: int) -> None:
    found = [row[0] for row in connection.execute("SELECT idx FROM delivery ORDER BY idx")]
    expect(found == list(range(size)), f"deliveries: expected one for each of {size} entries")


def _check_published(
    connection: apsw.Connection,
    leaves: tuple[bytes, ...],
    origin: str,
    keys: Sequence[VerifierKey],
) -> list[int]:
    sizes = []
    for size, octets in connection.execute("SELECT size, note FROM checkpoint ORDER BY size"):
        parsed = checkpoints.decode(note.decode(octets).text)
        if keys:
            checkpoints.verify(note.decode(octets), keys)
        expect(parsed.origin == origin, f"checkpoint {size}: of {parsed.origin}")
        expect(parsed.size == size <= len(leaves), f"checkpoint {size}: the log has {len(leaves)}")
        expect(parsed.root == root(leaves[:size]), f"checkpoint {size}: another root")
        sizes.append(size)
    return sizes


def _check_receipt(receipt: Receipt, entries: Sequence[bytes], leaves: Sequence[bytes]) -> None:
    at = receipt.index
    expect(at < len(entries), f"lost: entry {at} was acknowledged, the log has {len(entries)}")
    expect(leaves[at].hex() == receipt.leaf, f"entry {at}: not the one that was acknowledged")
    expect(receipt.id.encode() in entries[at], f"entry {at}: another event's")
