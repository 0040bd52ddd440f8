"""Whether a log is whole, told by other means than our own: RFC 6962 written down once more.

Reads the tables with plain SQL, hashes every entry by the definition of the RFC, and holds the
result against everything that the log and its producers claim. Shares with the product only the
signature check of notes and the zstd library.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from deploytrail.errors import DeploytrailError
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import note
from deploytrail.log.checkpoint import Checkpoint
from deploytrail.log.note import VerifierKey
from deploytrail.trail import Receipt
from deploytrail.zstd import zstd

WIDTH = 256
# A torn row may hold anything, also a value of another type.
_UNREADABLE = (
    apsw.Error, zstd.ZstdError, DeploytrailError,
    TypeError, ValueError, LookupError, AssertionError,
)  # fmt: skip


class Broken(AssertionError):
    """The log contradicts itself, or somebody who was promised something."""


class Lost(Broken):
    """What somebody was promised is not there, or is something else."""


class Whole(NamedTuple):
    """What a log that is whole consists of."""

    origin: str
    entries: list[bytes]
    leaves: list[bytes]
    root: bytes
    published: list[int]


def whole(
    database: Path, receipts: Iterable[Receipt] = (), *, keys: Sequence[VerifierKey] = ()
) -> Whole:
    """The log in a file, which SQLite may recover in doing so. Raises Broken."""
    with closing(apsw.Connection(str(database))) as connection:
        return of_connection(connection, receipts, keys=keys)


@contextmanager
def opened(database: Path) -> Iterator[apsw.Connection]:
    """A database, to read only."""
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        yield connection
    finally:
        connection.close()


def of_connection(
    connection: apsw.Connection,
    receipts: Iterable[Receipt] = (),
    *,
    keys: Sequence[VerifierKey] = (),
) -> Whole:
    try:
        found = _read(connection, keys)
    except Broken:
        raise
    except _UNREADABLE as error:
        raise Broken(f"unreadable: {type(error).__name__}: {error}") from error
    for receipt in receipts:
        check_receipt(receipt, found)
    return found


def _read(connection: apsw.Connection, keys: Sequence[VerifierKey]) -> Whole:
    origin, size, stored_root = _tree(connection)
    parts = _parts(connection)
    _check_deliveries(connection, size)
    rows = connection.execute("SELECT size, note FROM checkpoint ORDER BY size")
    entries = [entry for part in parts for entry in part.entries]
    leaves = [leaf for part in parts for leaf in part.leaves]
    expect(len(entries) == size, f"entries: the tree has {size}, found {len(entries)}")
    expect(root(tuple(leaves)) == stored_root, f"root: not that of the {size} entries")
    published = _checked_notes(rows, leaves, origin, keys)
    return Whole(origin, entries, leaves, stored_root, published)


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


class _Part(NamedTuple):
    """The entries of one row, and their leaf hashes."""

    entries: tuple[bytes, ...]
    leaves: tuple[bytes, ...]


def _parts(connection: apsw.Connection) -> list[_Part]:
    parts: list[_Part] = []
    at = 0
    for number, data in connection.execute("SELECT n, data FROM bundle ORDER BY n"):
        expect(number * WIDTH == at, f"bundle {number}: out of order")
        parts.append(_unpacked(data))
        expect(len(parts[-1].entries) == WIDTH, f"bundle {number}: not {WIDTH} entries")
        at += WIDTH
    for first, count, data in connection.execute("SELECT first, n, data FROM segment ORDER BY 1"):
        expect(first == at, f"segment {first}: expected {at} next")
        parts.append(framed(data))
        expect(len(parts[-1].entries) == count, f"segment {first}: not {count} entries")
        at += count
    return parts


# Of a hundred thousand disks most hold the same rows: these are functions of the rows alone.


@lru_cache(maxsize=64)
def _unpacked(data: bytes) -> _Part:
    return framed(zstd.decompress(data))


@lru_cache(maxsize=4096)
def framed(data: bytes) -> _Part:
    entries, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        expect(at + 2 + length <= len(data), "an entry ends behind its bundle")
        entries.append(data[at + 2 : at + 2 + length])
        at += 2 + length
    return _Part(tuple(entries), tuple(hashlib.sha256(b"\0" + entry).digest() for entry in entries))


def _check_deliveries(connection: apsw.Connection, size: int) -> None:
    found = [row[0] for row in connection.execute("SELECT idx FROM delivery ORDER BY idx")]
    expect(found == list(range(size)), f"deliveries: expected one for each of {size} entries")


def _checked_notes(
    rows: Iterable[tuple[Any, ...]],
    leaves: Sequence[bytes],
    origin: str,
    keys: Sequence[VerifierKey],
) -> list[int]:
    """The published sizes, ascending."""
    sizes = []
    for size, octets in rows:
        if keys:
            checkpoints.verify(note.decode(octets), keys)
        parsed = _parsed(octets)
        expect(parsed.origin == origin, f"checkpoint {size}: of {parsed.origin}")
        expect(parsed.size == size <= len(leaves), f"checkpoint {size}: the log has {len(leaves)}")
        expect(parsed.root == root(tuple(leaves[:size])), f"checkpoint {size}: another root")
        sizes.append(size)
    return sizes


@lru_cache(maxsize=4096)
def _parsed(octets: bytes) -> Checkpoint:
    return checkpoints.decode(note.decode(octets).text)


def check_receipt(receipt: Receipt, found: Whole) -> None:
    """Raises Lost where the log does not hold what was acknowledged."""
    at, size = receipt.index, len(found.entries)
    if at >= size:
        raise Lost(f"lost: entry {at} was acknowledged, the log has {size}")
    if found.leaves[at].hex() != receipt.leaf or receipt.id.encode() not in found.entries[at]:
        raise Lost(f"lost: entry {at} is not the one that was acknowledged")


def check_published(size: int, found: Whole) -> None:
    """Raises Lost where a checkpoint of that size was handed out and is not there."""
    if size and size not in found.published:
        raise Lost(f"lost: checkpoint {size} was handed out, there are {found.published}")


def subjects(entry: bytes) -> frozenset[bytes]:
    """Whose keys an entry needs, to be read in clear."""
    named = json.loads(entry).get("subjects", {})
    return frozenset(base64.urlsafe_b64decode(f"{text}==") for text in named.values())


def keyed_subjects(connection: apsw.Connection) -> frozenset[bytes]:
    """Whose keys a keyring holds. Raises Broken where it lacks the log's own."""
    expect(bool(list(connection.execute("SELECT * FROM secret"))), "keys.db: no secrets")
    return frozenset(row[0] for row in connection.execute("SELECT subject FROM subject"))
