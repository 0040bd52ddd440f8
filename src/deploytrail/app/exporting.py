"""Export: one file that verifies elsewhere, with no server and no trust in us.

A tar of the C2SP paths (`checkpoint`, `tile/…`, `tile/entries/…`), `policy`, `disclosures.jsonl`
and `format`. The same log at the same checkpoint gives the same bytes.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from deploytrail.app.directory import DirectoryTrail
from deploytrail.app.exported import FORMAT, FORMAT_CONCEALED
from deploytrail.app.home import own_policy
from deploytrail.entry import base64url
from deploytrail.log import policy
from deploytrail.log.reading import bundle_entries, tile_reader
from deploytrail.log.tiles import WIDTH, Tile, bundles_of, encode_bundle, encode_path, tiles_of
from deploytrail.stores.sqlite.place import sync_directory

_TILES_AT_ONCE: Final = 256


def export(
    trail: DirectoryTrail,
    target: Path,
    *,
    disclosures: bool = True,
    told: Callable[[int, int], None] | None = None,
) -> int:
    """Write the log up to a fresh checkpoint; returns how many entries. Replaces no file.

    Written beside the target and renamed at the end, so a file of that name is whole. Raises
    FileExistsError where there is one.
    """
    published = trail.publish()
    size = published.size
    new = target.with_name(target.name + ".new")
    file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with (
            open(file, "wb", closefd=False) as stream,
            tarfile.open(fileobj=stream, mode="w:") as tar,
        ):
            _add(tar, "format", FORMAT if disclosures else FORMAT_CONCEALED)
            _add(tar, "policy", policy.encode(own_policy(trail.origin, trail.keyring.secrets)))
            _add(tar, "checkpoint", published.note.encode())
            lines = _add_log(tar, trail, size, disclosures, told)
            _add(tar, "disclosures.jsonl", b"".join(lines))
        os.fsync(file)
        os.link(new, target)
    finally:
        os.close(file)
        new.unlink(missing_ok=True)
    sync_directory(target.parent)
    return size


def _add_log(
    tar: tarfile.TarFile,
    trail: DirectoryTrail,
    size: int,
    disclosures: bool,
    told: Callable[[int, int], None] | None,
) -> list[bytes]:
    """Tiles and bundles; returns the lines of the disclosures that go with them."""
    lines: list[bytes] = []
    seen: set[bytes] = set()
    for bundle in bundles_of(size):
        with trail.store.reading() as reader:
            entries = bundle_entries(reader, bundle.index, size)
        _add(tar, encode_path(bundle), encode_bundle(entries))
        if disclosures:
            lines.extend(_disclosed(trail, entries, seen))
        if told is not None:
            told(min(size, (bundle.index + 1) * WIDTH), size)
    for some in _batches(tiles_of(size), _TILES_AT_ONCE):
        with trail.store.reading() as reader:
            read_tile = tile_reader(reader, size)
            for tile in some:
                _add(tar, encode_path(tile), read_tile(tile.level, tile.index))
    return lines


def _batches(tiles: Iterator[Tile], count: int) -> Iterator[list[Tile]]:
    """Some at a time: a moment of the store is to be short."""
    while some := list(islice(tiles, count)):
        yield some


def _disclosed(trail: DirectoryTrail, entries: list[bytes], seen: set[bytes]) -> Iterator[bytes]:
    for digest, octets in trail.disclosures(entries).items():
        if digest not in seen:
            seen.add(digest)
            yield msgspec.json.encode([base64url(digest), base64url(octets)]) + b"\n"


def _add(tar: tarfile.TarFile, name: str, octets: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(octets)
    member.mode = 0o644
    tar.addfile(member, io.BytesIO(octets))
