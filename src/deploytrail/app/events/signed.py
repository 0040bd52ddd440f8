"""Entries held against the newest checkpoint that their own log signed.

Whoever reads is given what was signed, or an error. What lies behind the checkpoint is not signed
yet, and passes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from deploytrail.errors import EvidenceError, Malformed, Tampered
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import merkle, note
from deploytrail.log.checkpoint import Checkpoint
from deploytrail.log.merkle import HashAt
from deploytrail.log.note import VerifierKey
from deploytrail.log.reading import tile_reader
from deploytrail.log.store import LogReader
from deploytrail.log.tiles import WIDTH, ReadTile, hash_reader


class Signed:
    """For the readers of one trail. Remembers the tiles above the lowest, of one tree size."""

    def __init__(self, keys: Iterable[VerifierKey]) -> None:
        self._keys = list(keys)
        self._note = b""
        self._checkpoint: Checkpoint | None = None
        self._tiles: dict[tuple[int, int], bytes] = {}

    def check(self, reader: LogReader, index: int, octets: bytes) -> None:
        """Raise Tampered where an entry is not the one that is signed, Incomplete without proof."""
        signed = self.newest(reader)
        if signed is not None and index < signed.size:
            inclusion(index, octets, signed, self.hashes(reader, signed))

    def are_whole(self, reader: LogReader, number: int, entries: Sequence[bytes]) -> bool:
        """Whether all entries of a bundle, as far as they are signed, are those that are."""
        signed = self.newest(reader)
        first = number * WIDTH
        if signed is None or signed.size <= first:
            return True
        until = min(signed.size, first + len(entries))
        root = merkle.root(merkle.leaf_hashes(entries[: until - first]))
        try:
            above = merkle.subtree_proof(first, until, signed.size, self.hashes(reader, signed))
            merkle.verify_subtree(first, until, signed.size, above, root, signed.root)
        except (EvidenceError, Malformed):
            return False
        return True

    def covered(self, reader: LogReader, number: int, entries: Sequence[bytes]) -> Sequence[bytes]:
        """Those of a bundle's entries that are signed; none where one is not what was signed."""
        signed = self.newest(reader)
        if signed is None or not self.are_whole(reader, number, entries):
            return ()
        return entries[: max(0, signed.size - number * WIDTH)]

    def newest(self, reader: LogReader) -> Checkpoint | None:
        """The newest checkpoint, its signature checked once; None where nothing is signed."""
        newest = reader.checkpoint()
        if newest is None:
            return None
        if newest.note != self._note:
            try:
                signed, by = checkpoints.verified(note.decode(newest.note), self._keys)
            except Malformed as error:
                raise Tampered(f"checkpoint {newest.size}: {error}") from None
            if not by:
                raise Tampered(f"checkpoint {newest.size}: it is not signed by this log's key")
            self._note, self._checkpoint = newest.note, signed
            self._tiles.clear()
        return self._checkpoint

    def hashes(self, reader: LogReader, signed: Checkpoint) -> HashAt:
        """Of the tree that a checkpoint of `newest` signs."""
        return hash_reader(self._remembering(tile_reader(reader, signed.size)))

    def _remembering(self, read_tile: ReadTile) -> ReadTile:
        """Partial tiles are computed from up to 255 below them: once for all bundles."""

        def read(level: int, number: int) -> bytes:
            if level == 0:
                return read_tile(level, number)
            if (level, number) not in self._tiles:
                self._tiles[level, number] = read_tile(level, number)
            return self._tiles[level, number]

        return read


def inclusion(index: int, octets: bytes, signed: Checkpoint, hash_at: HashAt) -> tuple[bytes, ...]:
    """The proof that an entry is in the log; raises Tampered where what is stored gives none."""
    hashes = tuple(merkle.inclusion_proof(index, signed.size, hash_at))
    try:
        merkle.verify_inclusion(merkle.leaf_hash(octets), index, signed.size, hashes, signed.root)
    except Tampered:
        raise Tampered(
            f"entry {index}: its bytes, or hashes beside it, are not those that were logged and "
            "signed; 'deploytrail verify' says what was changed"
        ) from None
    return hashes
