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
from tempfile import TemporaryFile
from typing import IO, Final

import msgspec

from deploytrail.app.proofs.exported import FORMAT, FORMAT_CONCEALED, ExportedEvidence
from deploytrail.app.trails.stored import StoredTrail
from deploytrail.entry import base64url
from deploytrail.errors import Tampered
from deploytrail.log import policy
from deploytrail.log.merkle import Frontier, leaf_hashes
from deploytrail.log.reading import bundle_entries, tile_reader
from deploytrail.log.tiles import WIDTH, Tile, bundles_of, encode_bundle, encode_path, tiles_of
from deploytrail.stores.files import whole_file
from deploytrail.trail import Shown, TrailReader

_TILES_AT_ONCE: Final = 256
_DIGESTS_MAX: Final = 200_000


def export(
    trail: StoredTrail,
    target: Path,
    *,
    disclosures: bool = True,
    told: Callable[[int, int], None] | None = None,
) -> int:
    """Write the log up to a fresh checkpoint; returns how many entries. Replaces no file.

    Where witnesses are to cosign it, they are waited for a few seconds, if whoever follows the log
    asks them: then it is witnessed for whoever reads it later.
    A file of that name is whole. Raises FileExistsError where there is one, Tampered where the log
    is not what it signed.
    """
    published = trail.publish_for_others()
    size = published.size
    with (
        whole_file(target) as stream,
        tarfile.open(fileobj=stream, mode="w:") as tar,
        TemporaryFile(dir=target.parent) as lines,
    ):
        _add(tar, "format", FORMAT if disclosures else FORMAT_CONCEALED)
        _add(tar, "policy", policy.encode(trail.policy()))
        _add(tar, "checkpoint", published.note.encode())
        put_aside = _Disclosures(trail, lines) if disclosures else None
        root = _add_log(tar, trail, size, put_aside, told)
        if root.hex() != published.root:
            raise Tampered(
                "log: its entries are not those that were logged and signed, so nothing was "
                "exported; 'deploytrail verify' says what was changed"
            )
        _add_file(tar, "disclosures.jsonl", lines)
    return size


def export_events(
    trail: TrailReader,
    target: Path,
    line_of: Callable[[Shown], bytes],
    *,
    told: Callable[[int, int], None] | None = None,
) -> int:
    """Write a line for every entry, oldest first; returns how many. Replaces no file.

    Raises as `export`; then there is no file.
    """
    size = trail.size()
    with whole_file(target) as lines:
        for shown in trail.entries(until=size):
            lines.write(line_of(shown) + b"\n")
            if told is not None:
                told(shown.index + 1, size)
    return size


def keep_export(write: Callable[[IO[bytes]], None], target: Path) -> int:
    """An export that `write` has from elsewhere, as a whole file; how many entries it says to have.

    Whether that is so, and whose they are, is for `verify`.
    """
    with whole_file(target) as stream:
        write(stream)
    found = ExportedEvidence(target)
    try:
        return found.size
    finally:
        found.close()


class _Disclosures:
    """The lines of the disclosures that go with entries, put aside: a tar wants its sizes first.

    One that comes again after very many others is written again, which changes nothing.
    """

    def __init__(self, trail: StoredTrail, lines: IO[bytes]) -> None:
        self._trail = trail
        self._lines = lines
        self._written: set[bytes] = set()

    def put(self, entries: list[bytes]) -> None:
        if len(self._written) > _DIGESTS_MAX:
            self._written.clear()
        for digest, octets in self._trail.disclosures(entries).items():
            if digest not in self._written:
                self._written.add(digest)
                pair = [base64url(digest), base64url(octets)]
                self._lines.write(msgspec.json.encode(pair) + b"\n")


def _add_log(
    tar: tarfile.TarFile,
    trail: StoredTrail,
    size: int,
    disclosures: _Disclosures | None,
    told: Callable[[int, int], None] | None,
) -> bytes:
    """Bundles and tiles; the disclosures that go with them are put aside. Returns the root."""
    frontier = Frontier.empty()
    for bundle in bundles_of(size):
        with trail.store.reading() as reader:
            entries = bundle_entries(reader, bundle.index, size)
        frontier = frontier.append(leaf_hashes(entries)).frontier
        _add(tar, encode_path(bundle), encode_bundle(entries))
        if disclosures is not None:
            disclosures.put(entries)
        if told is not None:
            told(min(size, (bundle.index + 1) * WIDTH), size)
    for some in _batches(tiles_of(size), _TILES_AT_ONCE):
        with trail.store.reading() as reader:
            read_tile = tile_reader(reader, size)
            for tile in some:
                _add(tar, encode_path(tile), read_tile(tile.level, tile.index))
    return frontier.root()


def _batches(tiles: Iterator[Tile], count: int) -> Iterator[list[Tile]]:
    """Some at a time: a moment of the store is to be short."""
    while some := list(islice(tiles, count)):
        yield some


def _add(tar: tarfile.TarFile, name: str, octets: bytes) -> None:
    _add_file(tar, name, io.BytesIO(octets))


def _add_file(tar: tarfile.TarFile, name: str, stream: IO[bytes]) -> None:
    """All of a stream as a member."""
    member = tarfile.TarInfo(name)
    member.size = stream.seek(0, os.SEEK_END)
    member.mode = 0o644
    stream.seek(0)
    tar.addfile(member, stream)
