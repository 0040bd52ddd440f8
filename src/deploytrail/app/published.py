"""What a log hands out of itself: its newest checkpoint, tiles, bundles, and proofs under it.

Nothing is signed or written here: whoever publishes does that, and this reads what came of it.
"""

from __future__ import annotations

from deploytrail.app.cosigning.policies import accepted_note, stated
from deploytrail.app.events.signed import inclusion
from deploytrail.errors import NotFound
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import note, proof
from deploytrail.log.merkle import HASH_BYTES
from deploytrail.log.reading import bundle_entries, hashes_of, tile_reader, whole_note
from deploytrail.log.store import Checkpoint, Reader, Store
from deploytrail.log.tiles import Bundle, Tile, encode_bundle, encode_path, tile_at


def checkpoint(store: Store) -> bytes:
    """The newest checkpoint with all signatures; raises NotFound where nothing was published."""
    with store.reading() as reader:
        newest = _newest(reader)
        return whole_note(reader, newest.size, newest.note)


def size_signed(store: Store) -> int:
    """How many entries the newest checkpoint covers."""
    with store.reading() as reader:
        newest = reader.checkpoint()
        return 0 if newest is None else newest.size


def part(store: Store, wanted: Tile | Bundle) -> bytes:
    """A tile or a bundle of the tree that is signed, also as it was when it was narrower.

    Raises NotFound for what is not part of it.
    """
    with store.reading() as reader:
        size = _newest(reader).size
        level = wanted.level if isinstance(wanted, Tile) else 0
        widest = tile_at(level, wanted.index, size)
        if widest is None or wanted.width > widest.width:
            raise NotFound(
                f"{encode_path(wanted)}: expected a part of the signed tree of {size} entries, "
                "found none there; /checkpoint says how far it goes"
            )
        if isinstance(wanted, Bundle):
            return encode_bundle(bundle_entries(reader, wanted.index, size)[: wanted.width])
        return tile_reader(reader, size)(level, wanted.index)[: wanted.width * HASH_BYTES]


def proof_of(store: Store, index: int, octets: bytes) -> bytes | None:
    """The proof that an entry is in the log, None until a checkpoint covers it.

    Under one that witnesses have cosigned as the policy asks, where there is such a one.
    """
    with store.reading() as reader:
        newest = reader.checkpoint()
        if newest is None or index >= newest.size:
            return None
        policy = stated(reader)
        found = None if policy is None else accepted_note(reader, policy, above=index)
        whole = found or whole_note(reader, newest.size, newest.note)
        signed = checkpoints.decode(note.decode(whole).text)
        hashes = inclusion(index, octets, signed, hashes_of(reader, signed.size))
        return proof.encode(proof.Proof(index, hashes, whole))


def _newest(reader: Reader) -> Checkpoint:
    newest = reader.checkpoint()
    if newest is None:
        raise NotFound("checkpoint: nothing was published yet; ask again in a moment")
    return newest
