"""A backup put back into an empty store and an empty keyring, whatever their engine is.

Entries keep their bytes and times; everything that follows from them (tiles, bundles, frontiers,
deliveries) is computed again, and must lead to the roots that were signed. Erasures are replayed:
of whoever a signed entry says that they were erased, nothing comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from deploytrail import entry
from deploytrail.app.backups.backing_up import SignedNote
from deploytrail.app.backups.backup_file import (
    KEYS_FORMAT,
    LOG_FORMAT,
    BackupFile,
    Standing,
)
from deploytrail.app.home import signers
from deploytrail.clock import Uptime, microseconds
from deploytrail.entry import base64url
from deploytrail.errors import Conflict, Malformed, Tampered
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import note as notes
from deploytrail.log import plan
from deploytrail.log.accounts import Accounts
from deploytrail.log.merkle import Frontier, leaf_hashes
from deploytrail.log.reading import tile_reader
from deploytrail.log.store import (
    AttachmentRow,
    Checkpoint,
    Delivery,
    StateRow,
    Store,
    Tree,
    VaultRow,
    Writer,
)
from deploytrail.log.tiles import WIDTH, decode_bundle
from deploytrail.sentence import counted
from deploytrail.vault.keys import Keyring, Secrets, SubjectRow, backup_key, unwrap_secrets
from deploytrail.vault.subject import SUBJECT_BYTES


class Opened(NamedTuple):
    """Both files of a backup, or of two backups of one trail; their seals are good."""

    log: BackupFile
    keys: BackupFile
    secrets: Secrets
    standing: Standing

    @property
    def origin(self) -> str:
        return self.log.manifest.origin

    @property
    def policy(self) -> bytes:
        return self.log.read("policy")


class Refilled(Struct, frozen=True, kw_only=True):
    """What was put back.

    `erased` are rows that stayed away, because their person was erased. Of `unreadable` subjects
    there are disclosures, and no key among those that were given.
    """

    origin: str
    made: str
    keys_made: str
    size: int
    root: str
    checkpoints: int
    disclosures: int
    attachments: int
    state: int
    subjects: int
    erased: int
    unreadable: int


def opened(log: BackupFile, keys: BackupFile, wrapping_key: bytes) -> Opened:
    """Both files, after their seals were checked.

    Raises Tampered for another key, or where one was changed; Conflict where they are not of one
    trail.
    """
    try:
        wrapped = msgspec.msgpack.decode(keys.read("secrets"), type=dict[str, bytes])
    except msgspec.DecodeError as error:
        raise Malformed(f"{keys.path}: secrets: expected wrapped secrets; {error}") from None
    try:
        secrets = unwrap_secrets(wrapping_key, wrapped, whence="secrets")
    except Tampered as error:
        raise Tampered(f"{keys.path}: {error}") from None
    keys.refuse_unsealed(backup_key(secrets))
    if keys.manifest.origin != log.manifest.origin:
        raise Conflict(
            f"{keys.path}: expected the keys of {log.manifest.origin}, found those of "
            f"{keys.manifest.origin}; name the file that was written beside {log.path}"
        )
    log.refuse_unsealed(backup_key(secrets))
    standing = log.manifest.standing
    if standing is None:
        raise Malformed(f"{log.path}: expected how far its log goes, found nothing")
    return Opened(log, keys, secrets, standing)


def open_log(path: Path) -> BackupFile:
    return BackupFile(path, LOG_FORMAT)


def open_keys(path: Path) -> BackupFile:
    return BackupFile(path, KEYS_FORMAT)


def refill(
    backup: Opened,
    store: Store,
    keyring: Keyring,
    *,
    told: Callable[[int, int], None] | None = None,
) -> Refilled:
    """Put a backup into a store and a keyring that have nothing but its origin and its secrets.

    Raises Tampered where the entries don't give the roots that were signed. Stopped at any point,
    what is there is a part of a log: nobody may see it before this has returned.
    """
    accounts, count = _Entries(backup, store, told).put()
    erased = accounts.erased(count.size_signed)
    rest = _Rows(backup, store, keyring, erased)
    # Keys first: whose disclosures nobody can read any more is told by those that are there.
    subjects = rest.put_subjects()
    disclosures, unreadable = rest.put_disclosures()
    return Refilled(
        origin=backup.origin,
        made=backup.log.manifest.made,
        keys_made=backup.keys.manifest.made,
        size=backup.standing.size,
        root=backup.standing.root,
        checkpoints=count.checkpoints,
        subjects=subjects,
        disclosures=disclosures,
        attachments=rest.put_attachments(),
        state=rest.put_state(),
        erased=rest.erased,
        unreadable=unreadable,
    )


class _Signed(NamedTuple):
    """How many checkpoints there are, and how far the newest goes."""

    checkpoints: int
    size_signed: int


class _Entries:
    """Entries and the checkpoints over them."""

    def __init__(
        self, backup: Opened, store: Store, told: Callable[[int, int], None] | None
    ) -> None:
        self._backup = backup
        self._store = store
        self._told = told
        own = signers(backup.origin, backup.secrets)
        self._key = own.log.key
        self._cosigner = own.cosigner.key
        self._accounts = Accounts()
        self._waiting = self._checkpoints()
        self._next: SignedNote | None = next(self._waiting, None)
        self._signed = _Signed(0, 0)

    def put(self) -> tuple[Accounts, _Signed]:
        size = self._backup.standing.size
        with self._store.reading() as reader:
            there = reader.tree().size
        if there:
            raise Conflict(
                f"restore: expected an empty trail, found {counted(there, 'entry')}; nothing was "
                "changed"
            )
        self._put_some([])
        for name in self._backup.log.names("log"):
            # Held by nobody when the next ones are read.
            self._put_some(decode_bundle(self._backup.log.read(name)))
            if self._told is not None:
                self._told(self._size(), size)
        with self._store.reading() as reader:
            tree = reader.tree()
        if (tree.size, tree.frontier.root().hex()) != (size, self._backup.standing.root):
            raise self._tampered(f"its entries don't give the root that it had at size {size}")
        if tree.logged != self._backup.standing.logged:
            raise self._tampered("its last entry was logged at another time")
        if self._next is not None:
            raise self._tampered(f"a checkpoint of size {self._next.size} goes further than it")
        return self._accounts, self._signed

    def _size(self) -> int:
        with self._store.reading() as reader:
            return reader.tree().size

    def _checkpoints(self) -> Iterator[SignedNote]:
        for rows in self._backup.log.rows("checkpoints", SignedNote):
            yield from rows

    def _put_some(self, entries: list[bytes]) -> None:
        """One commit: entries from a full bundle on, and the checkpoints that end among them."""
        leaves = leaf_hashes(entries)
        with self._store.writing() as writer:
            tree = writer.tree()
            if entries and tree.size % WIDTH:
                raise self._tampered(f"entries behind {tree.size}, where no bundle ends")
            if entries:
                standing = self._standing(tree, entries)
                deliveries = _deliveries(tree.size, entries)
                read_tile = tile_reader(writer, tree.size)
                writer.add(
                    plan.place_again(standing, entries, leaves, deliveries, read_tile=read_tile)
                )
            self._put_checkpoints(writer, tree.frontier, leaves)
        self._accounts.gather(tree.size, entries)

    def _standing(self, tree: Tree, entries: Sequence[bytes]) -> Tree:
        """What the tree's row says beside its frontier, with these entries."""
        said = self._backup.standing
        return tree._replace(
            logged=microseconds(datetime.fromisoformat(entry.logged_of(entries[-1]))),
            epoch=said.epoch,
            clock=said.clock,
            uptime=Uptime(said.boot, said.uptime),
            is_behind=said.is_behind,
        )

    def _put_checkpoints(self, writer: Writer, start: Frontier, leaves: Sequence[bytes]) -> None:
        until, frontier = start.size + len(leaves), start
        while self._next is not None and self._next.size <= until:
            signed = self._next
            some = leaves[frontier.size - start.size : signed.size - start.size]
            frontier = frontier.append(some).frontier
            self._verify(signed, frontier)
            known = self._signed.size_signed if self._signed.checkpoints else None
            new = Checkpoint(signed.size, signed.note, frontier)
            if not writer.replace_checkpoint(known, new):
                raise Conflict("restore: expected to be alone with a new trail, found another")
            for line in signed.lines:
                key_id = notes.decode_signature(line.decode("utf-8", "replace")).key_id
                writer.put_cosignature(signed.size, key_id, line)
            self._signed = _Signed(self._signed.checkpoints + 1, signed.size)
            self._next = next(self._waiting, None)

    def _verify(self, signed: SignedNote, frontier: Frontier) -> None:
        """Raise Tampered unless the log's own key signed exactly this."""
        whole = notes.decode(signed.note + b"".join(signed.lines))
        said, by = checkpoints.verified(whole, [self._key, self._cosigner])
        what = (said.origin, said.size, said.root)
        if what != (self._backup.origin, frontier.size, frontier.root()):
            raise self._tampered(f"its entries don't give the checkpoint of size {signed.size}")
        if all(one.key != self._key for one in by):
            raise self._tampered(f"its own key did not sign the checkpoint of size {signed.size}")

    def _tampered(self, what: str) -> Tampered:
        return Tampered(
            f"{self._backup.log.path}: the log in it is not what was logged and signed: {what}. "
            "Nothing was restored; take another backup"
        )


class _Rows:
    """What stands beside the log: keys, the vault, state. `erased` are rows that stay away."""

    def __init__(self, backup: Opened, store: Store, keyring: Keyring, erased: set[str]) -> None:
        self._backup = backup
        self._store = store
        self._keyring = keyring
        self._gone = erased
        self.erased = 0

    def put_subjects(self) -> int:
        count = 0
        for rows in self._backup.keys.rows("subjects", SubjectRow):
            kept = [row for row in rows if not self._is_gone(row.id)]
            self._keyring.put_subject_rows(kept)
            count += self._counted(rows, kept)
        return count

    def put_disclosures(self) -> tuple[int, int]:
        """How many there are, and of how many subjects nobody can read them."""
        count = unreadable = 0
        last = b""
        for rows in self._backup.log.rows("vault/disclosures", VaultRow):
            kept = [row for row in rows if not self._is_gone(row.key[:SUBJECT_BYTES])]
            with self._store.writing() as writer:
                writer.add(plan.beside(writer.tree(), vault=kept))
            for subject, _ in groupby(row.key[:SUBJECT_BYTES] for row in kept):
                unreadable += subject != last and not self._is_readable(subject)
                last = subject
            count += self._counted(rows, kept)
        return count, unreadable

    def put_attachments(self) -> int:
        count = 0
        for rows in self._backup.log.rows("vault/attachments", AttachmentRow):
            kept = [row for row in rows if not any(map(self._is_gone, _owners(row.subjects)))]
            with self._store.writing() as writer:
                writer.add(plan.beside(writer.tree(), attachments=kept))
            count += self._counted(rows, kept)
        return count

    def put_state(self) -> int:
        count = 0
        for rows in self._backup.log.rows("state", StateRow):
            with self._store.writing() as writer:
                writer.put_state(rows)
            count += len(rows)
        return count

    def _is_gone(self, subject: bytes) -> bool:
        return base64url(subject) in self._gone

    def _is_readable(self, subject: bytes) -> bool:
        try:
            return self._keyring.subject(subject) is not None
        except Tampered:
            # Whoever verifies the trail says so, and everything else in it is good.
            return False

    def _counted(self, rows: Sequence[object], kept: Sequence[object]) -> int:
        self.erased += len(rows) - len(kept)
        return len(kept)


def _owners(subjects: bytes) -> Iterable[bytes]:
    """Of an attachment: 16 bytes each, one behind the other."""
    return (subjects[at : at + SUBJECT_BYTES] for at in range(0, len(subjects), SUBJECT_BYTES))


def _deliveries(first: int, entries: Sequence[bytes]) -> list[Delivery]:
    """By what each is known again, as when it was first appended."""
    found = []
    for index, octets in enumerate(entries, first):
        fields = entry.fields(octets)
        body = entry.unbase64url(fields["source"]["body"])
        found.append(Delivery(entry.key_of(fields), index, body))
    return found
