"""Back up: the log first, the keys second, each into a file of its own.

Whatever the engine is: everything is read through the contracts, in short moments. How far the log
goes is fixed at the start, and what lies below that never changes; if somebody was erased
meanwhile, it begins again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final, NamedTuple

import msgspec
from msgspec import structs

from deploytrail import backup_stream
from deploytrail.app.backups.backup_file import (
    CHUNK_BYTES,
    KEYS_FORMAT,
    LOG_FORMAT,
    BackupWriter,
    Standing,
)
from deploytrail.app.events.signed import Signed
from deploytrail.app.home import signers
from deploytrail.app.trails.stored import StoredTrail
from deploytrail.clock import Clock, rfc3339
from deploytrail.errors import Busy, Misconfigured, StaleEpoch, Tampered
from deploytrail.log import policy
from deploytrail.log.checkpoint import Checkpoint
from deploytrail.log.merkle import Frontier, leaf_hashes
from deploytrail.log.reading import bundle_entries
from deploytrail.log.store import (
    BUNDLES_A_MOMENT,
    AttachmentRow,
    StateRow,
    Store,
    Tree,
    VaultRow,
)
from deploytrail.log.tiles import WIDTH, encode_bundle
from deploytrail.stores.files import whole_file
from deploytrail.trail import Backup
from deploytrail.vault.keys import Keyring, SubjectRow, backup_key

_TRIED_MAX: Final = 10
_ROWS_A_MOMENT: Final = 256
_Told = Callable[[int, int], None] | None


class Source(NamedTuple):
    """What is backed up. `publish` signs the log as it stands; `policy` says whose keys count."""

    store: Store
    keyring: Keyring
    policy: bytes
    publish: Callable[[], object]


class SignedNote(NamedTuple):
    """A checkpoint as it is backed up: its note, and the lines of its cosignatures."""

    size: int
    note: bytes
    lines: list[bytes]


def source_of(trail: StoredTrail) -> Source:
    """A trail in a directory or a database, to be backed up."""
    return Source(trail.store, trail.keyring, policy.encode(trail.policy()), trail.publish)


def keys_beside(target: Path) -> Path:
    """The second file of a backup: the keys."""
    return target.with_name(f"{target.name}.keys")


def backup(source: Source, target: Path, *, clock: Clock, told: _Told = None) -> Backup:
    """Write `target` and, beside it, its keys. Replaces no file; `told` hears of entries.

    Where `target` stands, both are whole and durable. Raises FileExistsError where there is one of
    them, and as `backup_into`.
    """
    with both(target) as (log, keys):
        done = backup_into(source, log, keys, clock=clock, told=told)
    return named(done, target)


def backup_into(
    source: Source, log: IO[bytes], keys: IO[bytes], *, clock: Clock, told: _Told = None
) -> Backup:
    """Write a backup into two empty streams, which may be made empty again.

    What it returns names the files as they are named on their way.
    Raises Tampered where the log is not what it signed, Busy where erasures leave no moment.
    """
    for _ in range(_TRIED_MAX):
        # Somebody else may be publishing, for ever. What is not signed is backed up all the same.
        with suppress(Busy, Misconfigured):
            source.publish()
        try:
            return _Writing(source, clock, told).run(log, keys)
        except StaleEpoch:
            for stream in (log, keys):
                stream.seek(0)
                stream.truncate()
    raise Busy(
        f"backup: somebody was erased each of {_TRIED_MAX} times while it was made, and nothing "
        "was written; try again"
    )


def named(done: Backup, target: Path) -> Backup:
    """The same, with the names that its files got."""
    return structs.replace(done, file=str(target), keys=str(keys_beside(target)))


@contextmanager
def both(target: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Both files of a backup, empty; they get their names when the block ends, else neither does.

    The keys get theirs first: where the log's file stands, they stand beside it.
    """
    keys = keys_beside(target)
    is_named = False
    try:
        with whole_file(target) as log:
            with whole_file(keys) as secret:
                yield log, secret
            is_named = True
    except BaseException:
        if is_named:
            keys.unlink(missing_ok=True)
        raise


class _Writing:
    """One try; raises StaleEpoch where somebody was erased meanwhile."""

    def __init__(self, source: Source, clock: Clock, told: _Told) -> None:
        self._source = source
        self._store = source.store
        self._key = backup_key(source.keyring.secrets)
        self._made = rfc3339(clock.now())
        self._told = told

    def run(self, log: IO[bytes], keys: IO[bytes]) -> Backup:
        writer = BackupWriter(log, LOG_FORMAT)
        writer.put("policy", self._source.policy)
        tree, signed, state = self._fix(writer)
        self._put_entries(writer, tree, signed)
        counts = {
            "checkpoints": self._put_checkpoints(writer, tree.size),
            "disclosures": writer.put_rows("vault/disclosures", self._disclosures, _width),
            "attachments": writer.put_rows("vault/attachments", self._attachments, _width),
            "state": state,
        }
        standing = _standing(tree)
        writer.end(self._key, origin=tree.origin, made=self._made, counts=counts, standing=standing)
        second = BackupWriter(keys, KEYS_FORMAT)
        subjects = self._put_keys(second, tree.origin)
        self._refuse_stale(tree)
        return Backup(
            file=backup_stream.LOG,
            keys=backup_stream.KEYS,
            origin=tree.origin,
            size=tree.size,
            root=standing.root,
            size_signed=0 if signed is None else signed.size,
            subjects=subjects,
            bytes=writer.bytes + second.bytes,
            **counts,
        )

    def _fix(self, writer: BackupWriter) -> tuple[Tree, Checkpoint | None, int]:
        """How far this backup goes, and what was set then: an event and its state go together."""
        with self._store.reading() as reader:
            tree = reader.tree()
            own = signers(tree.origin, self._source.keyring.secrets).log.key
            signed = Signed([own]).newest(reader)
            if signed is not None and signed.size > tree.size:
                raise _changed()

            def page(last: StateRow | None) -> list[StateRow]:
                after = ("", "") if last is None else (last.kind, last.id)
                return reader.state_rows(after=after, count=_ROWS_A_MOMENT)

            count = writer.put_rows("state", page, lambda row: len(row.id) + len(row.value or b""))
        return tree, signed, count

    def _put_entries(self, writer: BackupWriter, tree: Tree, signed: Checkpoint | None) -> None:
        """Every entry, hashed again: a log that was changed takes the place of no sound backup."""
        frontier = Frontier.empty()
        while frontier.size < tree.size:
            first = frontier.size
            entries = self._some_entries(first, tree.size)
            leaves = leaf_hashes(entries)
            if signed is not None and first <= signed.size <= first + len(entries):
                signed_there = frontier.append(leaves[: signed.size - first]).frontier
                _refuse_changed(signed_there, signed.root)
            frontier = frontier.append(leaves).frontier
            writer.put(f"log/{first}", encode_bundle(entries))
            if self._told is not None:
                self._told(frontier.size, tree.size)
        _refuse_changed(frontier, tree.frontier.root())

    def _some_entries(self, first: int, size: int) -> list[bytes]:
        """Those of some bundles, as many as go into one member and one moment."""
        entries: list[bytes] = []
        held = 0
        numbers = range(first // WIDTH, -(-size // WIDTH))
        with self._store.reading() as reader:
            for number in numbers[:BUNDLES_A_MOMENT]:
                more = bundle_entries(reader, number, size)
                entries += more
                held += sum(map(len, more))
                if held >= CHUNK_BYTES:
                    break
        return entries

    def _put_checkpoints(self, writer: BackupWriter, size: int) -> int:
        def page(last: SignedNote | None) -> list[SignedNote]:
            after = -1 if last is None else last.size
            with self._store.reading() as reader:
                return [
                    SignedNote(at, note, reader.cosignatures(at))
                    for at, note in reader.notes(after=after, count=_ROWS_A_MOMENT)
                    if at <= size
                ]

        return writer.put_rows(
            "checkpoints", page, lambda row: len(row.note) + 200 * len(row.lines)
        )

    def _disclosures(self, last: VaultRow | None) -> list[VaultRow]:
        with self._store.reading() as reader:
            after = b"" if last is None else last.key
            return reader.vault_rows(after=after, count=_ROWS_A_MOMENT)

    def _attachments(self, last: AttachmentRow | None) -> list[AttachmentRow]:
        with self._store.reading() as reader:
            return reader.attachment_rows(after=b"" if last is None else last.id, count=1)

    def _put_keys(self, writer: BackupWriter, origin: str) -> int:
        keyring = self._source.keyring
        writer.put("secrets", msgspec.msgpack.encode(keyring.wrapped_secrets()))

        def page(last: SubjectRow | None) -> list[SubjectRow]:
            after = b"" if last is None else last.lookup
            return keyring.subject_rows(after=after, count=_ROWS_A_MOMENT)

        count = writer.put_rows("subjects", page, _width)
        writer.end(self._key, origin=origin, made=self._made, counts={"subjects": count})
        return count

    def _refuse_stale(self, tree: Tree) -> None:
        with self._store.reading() as reader:
            epoch = reader.tree().epoch
        if epoch != tree.epoch:
            raise StaleEpoch(f"epoch: expected {tree.epoch}, found {epoch}")


def _refuse_changed(frontier: Frontier, root: bytes) -> None:
    if frontier.root() != root:
        raise _changed()


def _changed() -> Tampered:
    return Tampered(
        "log: its entries are not those that were logged and signed, so nothing was backed up; "
        "'deploytrail verify' says what was changed"
    )


def _standing(tree: Tree) -> Standing:
    return Standing(
        size=tree.size,
        root=tree.frontier.root().hex(),
        logged=tree.logged,
        epoch=tree.epoch,
        clock=tree.clock,
        boot=tree.uptime.boot,
        uptime=tree.uptime.microseconds,
        is_behind=tree.is_behind,
    )


def _width(row: Sequence[bytes]) -> int:
    return sum(map(len, row))
