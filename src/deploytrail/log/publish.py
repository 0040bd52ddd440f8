"""Sign what is stored, after reading it back.

The shell around a replay: what was newly stored is read from the store and hashed again from the
last verified frontier, and only a root that comes out the same is signed. LOG.md, "Publish".
"""

from __future__ import annotations

from typing import Final, NamedTuple

from deploytrail.errors import EvidenceError, Fenced, Malformed, Tampered
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import merkle, note
from deploytrail.log.merkle import Frontier, HashAt
from deploytrail.log.note import Signer
from deploytrail.log.reading import bundle_entries, hashes_of
from deploytrail.log.replay import Replay
from deploytrail.log.store import Checkpoint, Reader, Store
from deploytrail.log.tiles import TILE_BYTES, WIDTH
from deploytrail.sentence import counted

COSIGNATURE_SECONDS_MAX: Final = 60
"""How old the log's own cosignature may grow while nothing is appended."""
_BUNDLES_AT_ONCE: Final = 64


class Signers(NamedTuple):
    """The log's two keys: one signs checkpoints, the other states when it last looked."""

    log: Signer
    cosigner: Signer


def refuse_fork(seen: checkpoints.Checkpoint, size: int, root: bytes, hash_at: HashAt) -> None:
    """Raise Tampered unless the tree of `root`, at least as large, begins with what was seen."""
    if seen.size == size and seen.root != root:
        raise Tampered(f"log: size {size} had another root when it was last seen")
    if seen.size in {0, size}:
        return
    try:
        between = merkle.consistency_proof(seen.size, size, hash_at)
        merkle.verify_consistency(seen.size, size, between, seen.root, root)
    except Tampered:
        raise Tampered(
            f"log: its first {counted(seen.size, 'entry')} had another root when they were last "
            "seen; it was set back and has grown again, or its hashes were changed"
        ) from None


class Publisher:
    """Publishes one store's checkpoints. One at a time: the caller holds the lease."""

    def __init__(self, store: Store, signers: Signers) -> None:
        self._store = store
        self._signers = signers
        self._size_seen = 0

    def publish(self, *, seconds: int, seen: checkpoints.Checkpoint | None = None) -> Checkpoint:
        """The checkpoint of the log as it stands, with the cosignature of now (`seconds`, POSIX).

        Idempotent for one size; a cosignature is renewed once it is a minute old. What comes back
        is consistent with `seen`, which was handed out before. Raises Fenced where that can't be
        or what is stored is not what was written, and fences the store then.
        """
        try:
            return self._publish(seconds, seen)
        except (EvidenceError, Malformed) as error:
            self._store.fence(f"publish: {error}")
            raise Fenced(f"the log is fenced: publish: {error}") from error

    def _publish(self, seconds: int, seen: checkpoints.Checkpoint | None) -> Checkpoint:
        with self._store.reading() as reader:
            size = reader.tree().size
            published = reader.checkpoint()
        start = self._verified_start(published)
        if size < max(self._size_seen, start.size):
            raise Tampered(
                f"tree: expected at least {max(self._size_seen, start.size)} entries, "
                f"found {size}; the log went back in time"
            )
        self._size_seen = size
        if seen is not None:
            self._hold_against(seen, start)
        if published is not None and published.size == size:
            return self._renew(published, seconds)
        frontier = self._read_back(start, size)
        text = self._text(frontier)
        new = Checkpoint(size, note.encode(text), frontier)
        if not self._put(None if published is None else published.size, new, seconds):
            return self._yield_to_other(seconds)
        return self._with_cosignatures(new)

    def _hold_against(self, seen: checkpoints.Checkpoint, start: Frontier) -> None:
        """Our newest signature must stand on what was handed out: from there on all is read back.

        A log that was set back and has grown again lacks the checkpoint, which needs our key.
        """
        if seen.size > start.size:
            raise Tampered(
                f"published: expected a checkpoint of size {seen.size} or more, which was handed "
                f"out before, found {start.size}; the log was set back"
            )
        with self._store.reading() as reader:
            refuse_fork(seen, start.size, start.root(), hashes_of(reader, start.size))

    def _verified_start(self, published: Checkpoint | None) -> Frontier:
        """The frontier from which to go on: ours, because our signature vouches for its root."""
        if published is None:
            return Frontier.empty()
        parsed, _ = checkpoints.verify(note.decode(published.note), [self._signers.log.key])
        if (parsed.size, parsed.root) != (published.frontier.size, published.frontier.root()):
            raise Tampered("published: the stored frontier is not that of the signed checkpoint")
        return published.frontier

    def _read_back(self, start: Frontier, size: int) -> Frontier:
        replay = Replay(start)
        while replay.frontier.size < size:
            with self._store.reading() as reader:
                self._replay_some(reader, replay, size)
        with self._store.reading() as reader:
            tree = reader.tree()
            if tree.size == size:
                expected = tree.frontier.root()
            else:
                expected = merkle.frontier_at(size, hashes_of(reader, size)).root()
        if replay.differing or replay.frontier.root() != expected:
            where = f" from entry {replay.differing[0]}" if replay.differing else ""
            raise Tampered(
                f"entries: read back, those from {start.size} to {size} don't give the "
                f"stored root{where}"
            )
        return replay.frontier

    def _replay_some(self, reader: Reader, replay: Replay, size: int) -> None:
        for _ in range(_BUNDLES_AT_ONCE):
            at = replay.frontier.size
            if at >= size:
                return
            number, skipped = divmod(at, WIDTH)
            upto = min((number + 1) * WIDTH, size)
            entries = bundle_entries(reader, number, upto)[skipped:]
            tile = reader.tile(0, number)
            if tile is not None and len(tile) != TILE_BYTES:
                raise Tampered(f"tile 0/{number}: expected {TILE_BYTES} bytes, found {len(tile)}")
            width = upto - number * WIDTH
            replay.feed(entries, None if tile is None else tile[32 * skipped : 32 * width])

    def _text(self, frontier: Frontier) -> note.Note:
        with self._store.reading() as reader:
            origin = reader.tree().origin
        stands = checkpoints.Checkpoint(origin, frontier.size, frontier.root())
        return checkpoints.sign(stands, [self._signers.log])

    def _put(self, expected_size: int | None, new: Checkpoint, seconds: int) -> bool:
        """Compare and swap. Its commit also syncs every entry that it vouches for."""
        with self._store.writing() as writer:
            is_ours = writer.replace_checkpoint(expected_size, new)
            if is_ours:
                key_id, line = self._cosignature(new, seconds)
                writer.put_cosignature(new.size, key_id, line)
        return is_ours

    def _cosignature(self, stored: Checkpoint, seconds: int) -> tuple[bytes, bytes]:
        text = note.decode(stored.note).text
        signature = checkpoints.cosign(text, self._signers.cosigner, seconds)
        return signature.key_id, note.encode_signature(signature).encode()

    def _yield_to_other(self, seconds: int) -> Checkpoint:
        """A lost swap is benign if what stands there now is consistent with what is stored."""
        with self._store.reading() as reader:
            other = reader.checkpoint()
            if other is None:
                raise Tampered("published: another publisher's checkpoint is gone")
            root = merkle.frontier_at(other.size, hashes_of(reader, other.size)).root()
        if self._verified_start(other).root() != root:
            raise Tampered(f"published: size {other.size} has two roots")
        return self._renew(other, seconds)

    def _renew(self, published: Checkpoint, seconds: int) -> Checkpoint:
        """The same checkpoint with a fresh cosignature, where the old one has aged."""
        with self._store.reading() as reader:
            tree = reader.tree()
        if tree.size == published.size and tree.frontier.root() != published.frontier.root():
            raise Tampered(f"tree: size {tree.size} has another root than its signed checkpoint")
        last = self._last_cosigned(published)
        if last is None or not 0 <= seconds - last < COSIGNATURE_SECONDS_MAX:
            with self._store.writing() as writer:
                key_id, line = self._cosignature(published, seconds)
                writer.put_cosignature(published.size, key_id, line)
        return self._with_cosignatures(published)

    def _last_cosigned(self, published: Checkpoint) -> int | None:
        whole = self._with_cosignatures(published)
        _, verified = checkpoints.verified(note.decode(whole.note), [self._signers.cosigner.key])
        times = [one.timestamp for one in verified if one.timestamp is not None]
        return max(times, default=None)

    def _with_cosignatures(self, published: Checkpoint) -> Checkpoint:
        with self._store.reading() as reader:
            lines = reader.cosignatures(published.size)
        return published._replace(note=published.note + b"".join(lines))
