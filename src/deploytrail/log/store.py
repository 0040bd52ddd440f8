"""What the log asks of a store: the contract of every engine.

Prose and values only. `tests/contract/test_store.py` holds every engine against it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Final, NamedTuple, Protocol, TypeVar

from deploytrail.clock import Uptime
from deploytrail.log.merkle import Frontier


class Tree(NamedTuple):
    """The log's one row: how far it goes and what the next commit needs to know."""

    origin: str
    frontier: Frontier
    logged: int
    """`logged` of the last entry, in microseconds since 1970; 0 for an empty log."""
    epoch: int
    """Rises with each erasure."""
    clock: int
    """What the clock said where it stood highest above the uptime in this boot, in microseconds
    since 1970."""
    uptime: Uptime
    """What the uptime said at that commit."""
    is_behind: bool
    """Whether the clock stood behind the log at the last commit; told once, not each time."""

    @property
    def size(self) -> int:
        return self.frontier.size


class VaultRow(NamedTuple):
    """A disclosure as the log sees it: bytes to keep in the same transaction.

    `key` begins with the 16 bytes of the subject; everything else in it is the vault's.
    """

    key: bytes
    sealed: bytes


class AttachmentRow(NamedTuple):
    """An attachment as the log sees it. `subjects` are 16 bytes each, concatenated."""

    id: bytes
    subjects: bytes
    wrapped_key: bytes
    sealed: bytes


class Delivery(NamedTuple):
    """A known delivery: where its entry stands, and the keyed hash of its bytes."""

    key: bytes
    entry_index: int
    body: bytes


class Addition(NamedTuple):
    """Everything that one commit writes. Made by `plan`, carried out by a store."""

    tree: Tree
    size_before: int
    deliveries: Sequence[Delivery]
    vault: Sequence[VaultRow]
    attachments: Sequence[AttachmentRow]
    bundles: Sequence[tuple[int, bytes]]
    """Bundles that became full: number, and their 256 entries in bundle framing."""
    tail: bytes
    """In bundle framing: the new entries, or all after the last full bundle if one became full."""
    tail_first: int
    """The index of the tail's first entry."""
    tail_count: int
    tiles: Sequence[tuple[int, int, bytes]]
    """Tiles that became full: level, number, 8,192 bytes."""


BEHIND_ALL: Final = (2**63 - 1, b"")
"""A place behind each cosignature of each checkpoint."""


class Checkpoint(NamedTuple):
    """A published checkpoint with the frontier that it was computed from."""

    size: int
    note: bytes
    frontier: Frontier


class StateRow(NamedTuple):
    """Something that people set, as the log sees it: bytes to keep in the commit of its event.

    `value` is None for what is taken away, or was never set.
    """

    kind: str
    id: str
    value: bytes | None


class Inventory(NamedTuple):
    """Counts of stored rows; `entries` are those after the last full bundle."""

    bundles: int
    entries: int
    tiles: int
    deliveries: int
    disclosures: int


class Extent(Protocol):
    """How far a log, or a part of it, goes."""

    @property
    def size(self) -> int: ...


class Note(Extent, Protocol):
    """A published checkpoint: its bytes, and how far they say that it goes."""

    @property
    def note(self) -> bytes: ...


class LogReader(Protocol):
    """What a log's entries and hashes are read from: a store's moment, or a copy of a log."""

    def tree(self) -> Extent: ...
    def bundle(self, number: int) -> bytes | None:
        """A full bundle in bundle framing, or None where it is not stored. Raises Tampered."""
        ...

    def tail(self) -> list[tuple[int, int, bytes]]:
        """Entries after the last full bundle: (first index, count, bundle framing), ascending."""
        ...

    def tile(self, level: int, number: int) -> bytes | None:
        """A tile, full or as wide as it is in a tree of that size, or None."""
        ...

    def checkpoint(self) -> Note | None:
        """The newest published one."""
        ...


_Reads = TypeVar("_Reads", bound=LogReader)
Reading = Callable[[], AbstractContextManager[_Reads]]
"""Begins a moment to read in, which ends with its block."""
BUNDLES_A_MOMENT: Final = 32
"""As many at most are read within one moment, which is to be short."""


class Reader(LogReader, Protocol):
    """Reads of one moment: everything read between `reading()` and its end belongs together.

    A moment is short: a store may end one after a second (raising Busy at the next read). All of
    its tiles are full.
    """

    def tree(self) -> Tree: ...
    def deliveries(self, keys: Iterable[bytes]) -> dict[bytes, Delivery]:
        """Those of `keys` that are known."""
        ...

    def disclosures(self, keys: Iterable[bytes]) -> dict[bytes, VaultRow]:
        """Those of `keys` that the vault still has."""
        ...

    def attachment(self, id: bytes) -> AttachmentRow | None: ...
    def checkpoint(self) -> Checkpoint | None: ...
    def notes(self, *, after: int = -1, count: int) -> list[tuple[int, bytes]]:
        """The next `count` published checkpoints above a size, ascending.

        As (size, note without cosignatures). There may be as many as there are entries.
        """
        ...

    def inventory(self) -> Inventory:
        """How many rows of each kind are stored; for whoever looks for rows too many."""
        ...

    def cosignatures(self, size: int) -> list[bytes]:
        """Cosignature lines, with their newline, of the checkpoint of that size."""
        ...

    def cosigners(
        self, *, before: tuple[int, bytes] = BEHIND_ALL, count: int
    ) -> list[tuple[int, bytes]]:
        """Whose cosignatures are stored: the next `count` below one, as (size, key id), descending.

        From the newest checkpoint on where no `before` is given.
        """
        ...

    def state(self, kind: str) -> dict[str, bytes]:
        """What is set of a kind, by id."""
        ...

    def vault_rows(self, *, after: bytes = b"", count: int) -> list[VaultRow]:
        """The next `count` disclosures whose key is above `after`, ascending by its bytes."""
        ...

    def attachment_rows(self, *, after: bytes = b"", count: int) -> list[AttachmentRow]:
        """As `vault_rows`, by id. One may have 64 MiB: ask for few."""
        ...

    def state_rows(self, *, after: tuple[str, str] = ("", ""), count: int) -> list[StateRow]:
        """The next `count` of all that is set above a kind and id, ascending by their UTF-8."""
        ...


class Writer(Reader, Protocol):
    """Reads and writes under the writer's lock, in one transaction.

    Its `tree` raises Fenced where the log is smaller than this store has seen it.
    """

    def clock(self) -> int:
        """Microseconds since 1970 by the store's clock, read under the lock."""
        ...

    def uptime(self) -> Uptime: ...
    def accept_clock(self) -> None:
        """Take the clock and the uptime as they stand now for right."""
        ...

    def add(self, addition: Addition) -> None:
        """Write an addition; of vault rows that are known already, those stay.

        It may have no entries, and rows of the vault alone. Raises Fenced if the stored size is not
        `size_before`.
        """
        ...

    def erase(self, subject: bytes) -> int:
        """Delete a subject's disclosures and attachments, raise the epoch; how many rows went.

        The bytes are overwritten on the disk once `Store.scrub` has returned.
        """
        ...

    def put_state(self, rows: Iterable[StateRow]) -> None:
        """Set, replace or take away; durable with everything else that this block writes."""
        ...

    def touch(self) -> None:
        """Write something, so that the commit syncs what is visible and not yet durable."""
        ...

    def replace_checkpoint(self, expected_size: int | None, new: Checkpoint) -> bool:
        """Store `new` if the newest checkpoint still has `expected_size`; whether it did."""
        ...

    def put_cosignature(self, size: int, key_id: bytes, line: bytes) -> None:
        """Keep the newest line of that key for that size."""
        ...


class Store(Protocol):
    """One log, its deliveries and its vault rows, durable.

    `writing` takes the one writer's lock, and commits where its block ends without an exception:
    on return everything written survives a crash of the machine. Where the block raises, nothing
    is stored. It raises Busy (the lock was held for longer than the time allowed), DiskFull,
    CommitUnknown (the commit itself failed; whether it is durable, only a look-up tells), or
    Fenced. After a failed sync, an I/O error, corruption, or files that are not those that were
    opened, the store is fenced: for this process and every other, until `doctor` has examined
    it; never is a failed sync tried again on the same descriptor.

    Several processes may hold one store; each object belongs to one thread.
    """

    def writing(self) -> AbstractContextManager[Writer]: ...
    def reading(self) -> AbstractContextManager[Reader]: ...
    def scrub(self) -> None:
        """Remove erased bytes from every file of the store."""
        ...

    def fence(self, reason: str) -> None:
        """Refuse all writers from now on, durably, and say why."""
        ...

    def close(self) -> None: ...
