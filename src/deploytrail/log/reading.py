"""What rows or files say, read as one log: entries by index, tiles full and partial.

A partial tile that is not stored is computed from what lies below it.
"""

from __future__ import annotations

from collections.abc import Iterator

from deploytrail.errors import Incomplete, Malformed, NotFound, Tampered
from deploytrail.log.merkle import HASH_BYTES, HashAt, leaf_hashes
from deploytrail.log.store import LogReader, Reader
from deploytrail.log.tiles import (
    WIDTH,
    ReadTile,
    decode_bundle,
    hash_reader,
    tile_at,
    tile_from_below,
)


def tail_entries(reader: LogReader) -> list[bytes]:
    """The entries after the last full bundle, at most 255.

    Raises Incomplete at a gap, Tampered where a row is not what was written.
    """
    entries: list[bytes] = []
    start: int | None = None
    for first, count, data in reader.tail():
        start = first if start is None else start
        if first != start + len(entries):
            raise Incomplete(f"entries: expected {start + len(entries)} next, found {first}")
        entries += _decoded(data, count, what=f"entries from {first}")
    return entries


def bundle_entries(reader: LogReader, number: int, size: int) -> list[bytes]:
    """The entries of a bundle, full or the last, partial one, of a log of `size` entries."""
    width = min(size - number * WIDTH, WIDTH)
    data = reader.bundle(number)
    if data is not None:
        entries = _decoded(data, WIDTH, what=f"bundle {number}")[:width]
    else:
        entries = _tail_of(reader, number)[:width]
    if len(entries) != width:
        raise Incomplete(
            f"bundle {number}: expected {width} entries from index {number * WIDTH}, "
            f"found {len(entries)}"
        )
    return entries


def _decoded(data: bytes, width: int, *, what: str) -> list[bytes]:
    """The entries of what is stored; raises Tampered where it is not what we wrote."""
    try:
        return decode_bundle(data, width=width)
    except Malformed as error:
        raise Tampered(f"{what}: {error}") from None


def _tail_of(reader: LogReader, number: int) -> list[bytes]:
    """The entries after the last full bundle, if that is what `number` is, and all of them."""
    last, width = divmod(reader.tree().size, WIDTH)
    entries = tail_entries(reader) if number == last else []
    return entries if len(entries) == width else []


def entry_at(reader: LogReader, index: int) -> bytes:
    """The entry at an index. Raises NotFound behind the log's end, Incomplete where it is gone."""
    size = reader.tree().size
    if not 0 <= index < size:
        raise NotFound(f"index: expected one below {size}, found {index}")
    return bundle_entries(reader, index // WIDTH, size)[index % WIDTH]


def entries_from(reader: LogReader, first: int, until: int) -> Iterator[tuple[int, bytes]]:
    """(index, entry) from `first` up to, not including, `until`."""
    size = reader.tree().size
    for number in range(first // WIDTH, -(-min(until, size) // WIDTH)):
        for at, entry in enumerate(bundle_entries(reader, number, size), number * WIDTH):
            if first <= at < until:
                yield at, entry


def tile_reader(reader: LogReader, size: int) -> ReadTile:
    """The tiles of the tree of the first `size` entries, full or partial.

    Raises Incomplete where one is missing.
    """

    def read_tile(level: int, number: int) -> bytes:
        tile = tile_at(level, number, size)
        if tile is None:
            raise Incomplete(f"tile {level}/{number}: not part of a tree of {size}")
        data = reader.tile(level, number)
        if data is not None:
            return data[: HASH_BYTES * tile.width]
        if tile.is_full:
            raise Incomplete(f"tile {level}/{number}: expected in a tree of {size}, found nothing")
        if level > 0:
            return tile_from_below(tile, read_tile)
        return b"".join(leaf_hashes(bundle_entries(reader, number, size)))

    return read_tile


def hashes_of(reader: LogReader, size: int) -> HashAt:
    """Hashes of complete subtrees of the first `size` entries, for proofs and roots."""
    return hash_reader(tile_reader(reader, size))


def whole_note(reader: Reader, size: int, note: bytes) -> bytes:
    """The checkpoint of that size, whose note it is, with its cosignatures."""
    return note + b"".join(reader.cosignatures(size))
