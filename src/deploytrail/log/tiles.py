"""Tiles and entry bundles: how a log's tree and entries are cut and named (c2sp.org/tlog-tiles).

Pure: what is stored comes through `read_tile(level, index)`, which gives a tile's bytes, full or
partial: at least as wide as the tree in question needs, and it raises what it likes if it can't.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from msgspec import Struct

from deploytrail.errors import Incomplete, Malformed, TooLarge
from deploytrail.log.merkle import HASH_BYTES, Appended, HashAt, tile_root
from deploytrail.log.strict import NUMBER_LIMIT, shown

WIDTH = 256
"""Hashes of a full tile, entries of a full bundle."""

HEIGHT = 8
"""Levels of the tree that a tile spans: WIDTH == 1 << HEIGHT."""

TILE_BYTES = WIDTH * HASH_BYTES
LEVEL_MAX = 63
ENTRY_BYTES_MAX = 65_535

ReadTile = Callable[[int, int], bytes]

_PATH = re.compile(
    r"tile/(?P<level>[0-9]{1,2}|entries)/(?P<index>(?:x[0-9]{3}/){0,6}[0-9]{3})"
    r"(?:\.p/(?P<width>[0-9]{1,3}))?"
)
_TILES_CACHED = 64


class Tile(Struct, frozen=True, order=True):
    """The `width` hashes of tile level `level` (0 to 63) from index × 256 on."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def is_full(self) -> bool:
        return self.width == WIDTH


class Bundle(Struct, frozen=True, order=True):
    """The `width` entries from index × 256 on."""

    index: int
    width: int = WIDTH

    @property
    def is_full(self) -> bool:
        return self.width == WIDTH


def encode_path(part: Tile | Bundle) -> str:
    """Such as `tile/0/x001/234.p/7` or `tile/entries/000`, relative to the log's prefix."""
    level = str(part.level) if isinstance(part, Tile) else "entries"
    digits = f"{part.index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    index = "".join(f"x{group}/" for group in groups[:-1]) + groups[-1]
    return f"tile/{level}/{index}" + ("" if part.is_full else f".p/{part.width}")


def decode_path(path: str) -> Tile | Bundle:
    """The one tile or bundle whose `encode_path` is `path`; raises Malformed if there is none."""
    match = _PATH.fullmatch(path)
    if match is not None:
        # Six x-groups and a last one can't name an index over 10 ** 21: no number grows unbounded.
        index = int(match["index"].replace("x", "").replace("/", ""))
        width = int(match["width"] or WIDTH)
        is_tile = match["level"] != "entries"
        part = Tile(int(match["level"]), index, width) if is_tile else Bundle(index, width)
        if _is_possible(part) and encode_path(part) == path:
            return part
    raise Malformed(
        "path: expected tile/<level>/<index>[.p/<width>] or tile/entries/<index>[.p/<width>],"
        f" found {shown(path)}"
    )


def _is_possible(part: Tile | Bundle) -> bool:
    level = part.level if isinstance(part, Tile) else 0
    return level <= LEVEL_MAX and part.index < NUMBER_LIMIT and 0 < part.width <= WIDTH


def partial_width(level: int, size: int) -> int:
    """Hashes in the partial tile of a level for a tree of `size` leaves; 0 if there is none."""
    return size >> HEIGHT * level & WIDTH - 1


def tile_at(level: int, index: int, size: int) -> Tile | None:
    """That tile as wide as it is in a tree of `size` leaves; None if it isn't there."""
    width = min((size >> HEIGHT * level) - index * WIDTH, WIDTH)
    return Tile(level, index, width) if width > 0 and index >= 0 else None


def tiles_of(size: int, *, since: int = 0) -> Iterator[Tile]:
    """The tiles of a tree of `size` leaves, full and partial, that the first `since` don't have.

    Lowest level first, then by index.
    """
    level = 0
    while size >> HEIGHT * level:
        old, new = since >> HEIGHT * level, size >> HEIGHT * level
        if new > old:
            for index in range(old // WIDTH, -(-new // WIDTH)):
                yield Tile(level, index, min(new - index * WIDTH, WIDTH))
        level += 1


def full_tiles(size: int) -> int:
    """How many full tiles a tree of `size` leaves has, on all levels."""
    count = 0
    while size := size >> HEIGHT:
        count += size
    return count


def bundles_of(size: int, *, since: int = 0) -> Iterator[Bundle]:
    """The bundles of a log of `size` entries, the last maybe partial, as `tiles_of`."""
    if size > since:
        for index in range(since // WIDTH, -(-size // WIDTH)):
            yield Bundle(index, min(size - index * WIDTH, WIDTH))


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Each entry after its length as two bytes, big-endian; of any number of entries.

    Raises TooLarge if an entry has more than 65,535 bytes.
    """
    parts = []
    for entry in entries:
        if len(entry) > ENTRY_BYTES_MAX:
            raise TooLarge(f"entry: at most {ENTRY_BYTES_MAX} bytes, found {len(entry)}")
        parts.append(len(entry).to_bytes(2, "big"))
        parts.append(entry)
    return b"".join(parts)


def decode_bundle(data: bytes, *, width: int | None = None) -> list[bytes]:
    """The entries of a bundle, exactly `width` if given.

    Raises Malformed if the data ends inside an entry or there are more or fewer entries.
    """
    entries = []
    at, end = 0, len(data)
    try:
        while at < end:
            start = at + 2
            at = start + (data[at] << 8 | data[at + 1])
            entries.append(data[start:at])
    except IndexError:
        at = end + 1
    # A slice past the end is short, not an error: what tells is where the last entry should end.
    if at != end:
        raise Malformed(f"bundle: entry {len(entries)} ends after the last of {end} bytes")
    if width is not None and len(entries) != width:
        raise Malformed(f"bundle: expected {width} entries, found {len(entries)}")
    return entries


def hash_reader(read_tile: ReadTile) -> HashAt:
    """The `hash_at` for proofs and roots from `merkle`, over stored tiles.

    Reads each tile once and keeps the last 64; use one per tree size. Raises Incomplete if a tile
    is narrower than the tree needs, Malformed if it isn't whole hashes.
    """

    @lru_cache(maxsize=_TILES_CACHED)
    def tile(level: int, index: int) -> bytes:
        return read_tile(level, index)

    def hash_at(level: int, index: int) -> bytes:
        tile_level, height = divmod(level, HEIGHT)
        tile_index, offset = divmod(index << height, WIDTH)
        data = tile(tile_level, tile_index)
        start, end = offset * HASH_BYTES, (offset + (1 << height)) * HASH_BYTES
        if len(data) < end:
            raise Incomplete(
                f"{encode_path(Tile(tile_level, tile_index))}: expected at least"
                f" {end // HASH_BYTES} hashes, found {len(data)} bytes"
            )
        return tile_root(data[start:end])

    return hash_at


def tile_from_below(tile: Tile, read_tile: ReadTile) -> bytes:
    """A tile of level 1 or above, computed from the full tiles under it: 0.2 ms for each.

    Raises Incomplete if one of these isn't full.
    """
    first = tile.index * WIDTH
    return b"".join(
        _full_root(tile.level - 1, index, read_tile) for index in range(first, first + tile.width)
    )


def _full_root(level: int, index: int, read_tile: ReadTile) -> bytes:
    data = read_tile(level, index)
    if len(data) != TILE_BYTES:
        path = encode_path(Tile(level, index))
        raise Incomplete(f"{path}: expected {TILE_BYTES} bytes, found {len(data)}")
    return tile_root(data)


def completed_tiles(
    appended: Appended, hashes: Sequence[bytes], read_tile: ReadTile
) -> list[tuple[Tile, bytes]]:
    """The tiles that an append of leaf `hashes` made full, with their bytes, lowest level first.

    `read_tile` is asked only for what stood before the append: for the partial tile of level 0
    when that becomes full, and, once in 65,536 entries, for the full tiles under a tile of a
    higher level. Raises Incomplete if these are not as wide as they were.
    """
    size = appended.frontier.size
    full: list[tuple[Tile, bytes]] = []
    for level, new in enumerate((hashes, *appended.raised)):
        end = size >> HEIGHT * level
        start = end - len(new)
        if start // WIDTH == end // WIDTH:
            continue
        data = _left_part(level, start, read_tile) + b"".join(new)
        for index in range(start // WIDTH, end // WIDTH):
            at = (index - start // WIDTH) * TILE_BYTES
            full.append((Tile(level, index), data[at : at + TILE_BYTES]))
    return full


def _left_part(level: int, end: int, read_tile: ReadTile) -> bytes:
    """The hashes of a level from the start of the tile in which `end` lies, up to `end`."""
    index, width = divmod(end, WIDTH)
    if width == 0:
        return b""
    if level:
        return tile_from_below(Tile(level, index, width), read_tile)
    data = read_tile(0, index)[: width * HASH_BYTES]
    if len(data) != width * HASH_BYTES:
        raise Incomplete(
            f"{encode_path(Tile(0, index, width))}: expected {width * HASH_BYTES} bytes,"
            f" found {len(data)}"
        )
    return data
