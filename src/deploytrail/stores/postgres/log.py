"""The log's store on PostgreSQL: `log.store.Store` over one schema, `deploytrail_log`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from deploytrail.clock import Clock, Uptime
from deploytrail.errors import Fenced, Malformed, Tampered
from deploytrail.log.merkle import Frontier
from deploytrail.log.reading import entry_at
from deploytrail.log.store import (
    BEHIND_ALL,
    Addition,
    AttachmentRow,
    Checkpoint,
    Delivery,
    Inventory,
    Reader,
    StateRow,
    Tree,
    VaultRow,
    Writer,
)
from deploytrail.log.tiles import WIDTH, decode_bundle
from deploytrail.sentence import counted
from deploytrail.stores.packing import packed, unpacked
from deploytrail.stores.postgres import log_sql as sql
from deploytrail.stores.postgres.address import Address
from deploytrail.stores.postgres.database import Database, Rows, Writing
from deploytrail.stores.postgres.fence import REASONS, Fence
from deploytrail.stores.postgres.link import Link, Waits
from deploytrail.stores.postgres.rewriting import rewrite
from deploytrail.stores.postgres.shape import Shape
from deploytrail.stores.tree_row import Highest, TreeRow, decode, encode

Now = Callable[[Writing], int]
"""The clock of the log, in microseconds since 1970, within a transaction that writes."""
NO_TREE: Final = "tree: expected its one row, found none"


def server_clock(writing: Writing) -> int:
    """The server's own, read once the lock was ours."""
    return writing.clock


class PostgresLog:
    """The store of a database; see `log.store.Store` for what it promises.

    Its clock is the server's. `Uptime` is of the machine that commits: what a server tells of its
    own running time comes from the very clock that is to be held against it.
    """

    def __init__(
        self,
        address: Address,
        fence: Fence,
        clock: Clock,
        waits: Waits,
        now: Now = server_clock,
        *,
        shape: Shape = sql.SHAPE,
    ) -> None:
        self._address = address
        self._fence = fence
        self._waits = waits
        self._clock = clock
        self._now = now
        self._database = Database(address, shape, fence, lock=sql.LOCK_TREE, waits=waits)
        self._highest = Highest()
        self._memory = _Memory()

    @classmethod
    def create(cls, link: Link, origin: str, policy: bytes) -> None:
        """Make an empty log of that origin within the transaction of `creating`."""
        sql.SHAPE.create(link)
        new = Tree(origin, Frontier.empty(), 0, 0, 0, Uptime("", 0), False)
        link.execute(sql.NEW_TREE, encode(new))
        link.execute(sql.PUT_POLICY, (policy,))

    def put_policy(self, octets: bytes) -> None:
        """Replace the policy that whoever has no key verifies by, durably on return."""
        with self._database.writing() as writing:
            writing.link.execute(sql.PUT_POLICY, (octets,))

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        with self._database.writing() as writing:
            writer = _Writer(
                writing, self._clock, self._now, self.fence, self._memory, self._highest.size
            )
            writing.told.append(writer.is_stored)
            yield writer
        # Only now it is stored, and nobody may find less of it.
        self._highest.raise_to(writer.size)
        writer.remember()

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        with self._database.reading() as link:
            yield PostgresReader(link, self._highest)

    def scrub(self) -> None:
        with self._database.writing():
            # Whoever wrote before us is done, and the fence does not stand.
            pass
        rewrite(self._address, self._waits, sql.ERASABLE)

    def fence(self, reason: str) -> None:
        self._fence.raise_fence(reason)

    def refuse_fenced(self) -> None:
        """Raise Fenced while any node's fence stands."""
        with self._database.reading() as link:
            reasons = link.execute(REASONS).fetchall()
        self._database.fence.refuse(reasons)

    def close(self) -> None:
        self._database.close()


class PostgresReader:
    """Reads within the transaction of its connection."""

    def __init__(self, link: Link, highest: Highest | None = None) -> None:
        self._link = link
        self._highest = Highest() if highest is None else highest

    def tree(self) -> Tree:
        rows = self._rows(sql.TREE)
        if not rows:
            raise Tampered(NO_TREE)
        tree = decode(rows[0])
        self._highest.raise_to(tree.size)
        return tree

    def bundle(self, number: int) -> bytes | None:
        rows = self._rows(sql.BUNDLE, (number,))
        return unpacked(rows[0][1], number) if rows else None

    def tail(self) -> list[tuple[int, int, bytes]]:
        return [(first, count, data) for first, count, data in self._rows(sql.SEGMENTS)]

    def tile(self, level: int, number: int) -> bytes | None:
        rows = self._rows(sql.TILE, (level, number))
        return rows[0][0] if rows else None

    def deliveries(self, keys: Iterable[bytes]) -> dict[bytes, Delivery]:
        return {row[0]: Delivery(*row) for row in self._of_keys(sql.DELIVERIES, keys)}

    def disclosures(self, keys: Iterable[bytes]) -> dict[bytes, VaultRow]:
        return {row[0]: VaultRow(*row) for row in self._of_keys(sql.DISCLOSURES, keys)}

    def attachment(self, id: bytes) -> AttachmentRow | None:
        rows = self._rows(sql.ATTACHMENT, (id,))
        return AttachmentRow(*rows[0]) if rows else None

    def checkpoint(self) -> Checkpoint | None:
        rows = self._rows(sql.CHECKPOINT)
        if not rows:
            return None
        size, note, frontier = rows[0]
        if frontier is None:
            raise Tampered(f"published: expected the frontier of size {size}, found none")
        try:
            return Checkpoint(size, note, Frontier.decode(frontier))
        except Malformed as error:
            raise Tampered(f"published: {error}") from None

    def notes(self, *, after: int = -1, count: int) -> list[tuple[int, bytes]]:
        return [(size, note) for size, note in self._rows(sql.NOTES, (after, count))]

    def inventory(self) -> Inventory:
        return Inventory(*self._rows(sql.INVENTORY)[0])

    def cosignatures(self, size: int) -> list[bytes]:
        return [row[0] for row in self._rows(sql.COSIGNATURES, (size,))]

    def cosigners(
        self, *, before: tuple[int, bytes] = BEHIND_ALL, count: int
    ) -> list[tuple[int, bytes]]:
        return [(size, key_id) for size, key_id in self._rows(sql.COSIGNERS, (*before, count))]

    def state(self, kind: str) -> dict[str, bytes]:
        return {id: value for id, value in self._rows(sql.STATE, (kind,))}  # noqa: C416 (typed)

    def vault_rows(self, *, after: bytes = b"", count: int) -> list[VaultRow]:
        return [VaultRow(*row) for row in self._rows(sql.VAULT_ROWS, (after, count))]

    def attachment_rows(self, *, after: bytes = b"", count: int) -> list[AttachmentRow]:
        return [AttachmentRow(*row) for row in self._rows(sql.ATTACHMENT_ROWS, (after, count))]

    def state_rows(self, *, after: tuple[str, str] = ("", ""), count: int) -> list[StateRow]:
        return [StateRow(*row) for row in self._rows(sql.STATE_ROWS, (*after, count))]

    def _of_keys(self, statement: str, keys: Iterable[bytes]) -> Rows:
        wanted = list(keys)
        return self._rows(statement, (wanted,)) if wanted else []

    def _rows(self, statement: str, values: Sequence[Any] = ()) -> Rows:
        return self._link.execute(statement, values, binary=True).fetchall()


class _Memory:
    """What this process knows of its own last commit."""

    def __init__(self) -> None:
        self.row: TreeRow = ()
        self.tree: Tree | None = None


class _Writer(PostgresReader):
    def __init__(
        self,
        writing: Writing,
        clock: Clock,
        now: Now,
        fence: Callable[[str], None],
        memory: _Memory,
        size_least: int,
    ) -> None:
        super().__init__(writing.link)
        self.size = size_least
        self._writing = writing
        self._locked = writing.locked
        self._clock = clock
        self._now = now
        self._fence = fence
        self._memory = memory
        self._tree: Tree | None = None
        self._written: TreeRow = ()
        self._last_entry = b""

    def tree(self) -> Tree:
        # Nobody else writes while we hold the lock, and before it was ours the log only grew.
        if self._tree is None:
            tree = self._locked_tree()
            if tree.size < self.size:
                raise self._fenced(
                    f"tree: expected at least {counted(self.size, 'entry')}, which the log had "
                    f"before, found {tree.size}; the log went back in time"
                )
            self._tree, self.size = tree, tree.size
        return self._tree

    def _locked_tree(self) -> Tree:
        if not self._locked:
            raise Tampered(NO_TREE)
        (row,) = self._locked
        known = self._memory.tree
        if known is None:
            return decode(row)
        # Mostly the next commit is ours as well, and finds what this one wrote.
        tree = known if row == self._memory.row else decode(row)
        if tree.uptime.boot == known.uptime.boot:
            return tree
        # Another machine came between. What we saw ourselves still tells whether the server's clock
        # runs ahead: else several that write in turn would never notice it.
        return tree._replace(clock=max(tree.clock, known.clock), uptime=known.uptime)

    def clock(self) -> int:
        return self._now(self._writing)

    def uptime(self) -> Uptime:
        return self._clock.uptime()

    def accept_clock(self) -> None:
        tree = self.tree()
        self._set_tree(tree._replace(clock=self.clock(), uptime=self.uptime()), tree.size)

    def add(self, addition: Addition) -> None:
        if addition.bundles or addition.attachments:
            self._add_rare(addition)
        self._last_entry = _last_entry(addition)
        count = addition.tail_count
        tail = [(addition.tail_first, count, addition.tail)] if count else []
        # What every commit writes is one statement, so one round trip under the lock.
        self._set_tree(
            addition.tree,
            addition.size_before,
            statement=sql.ADD,
            values=(
                *_columns(tail, 3),
                *_columns(addition.deliveries, 3),
                *_columns(addition.vault, 2),
            ),
        )

    def _add_rare(self, addition: Addition) -> None:
        link = self._link
        # Nothing but a pipeline: behind one the server forgets its limit on how long we may stand
        # still, until the next statement.
        with link.pipeline():
            if addition.bundles:
                rows = [(number, packed(data)) for number, data in addition.bundles]
                link.execute(sql.DROP_SEGMENTS)
                link.execute(sql.PUT_BUNDLES, _columns(rows, 2))
                link.execute(sql.PUT_TILES, _columns(addition.tiles, 3))
            for attached in addition.attachments:
                link.execute(sql.PUT_ATTACHMENT, attached)

    def _set_tree(
        self,
        tree: Tree,
        size_before: int,
        *,
        statement: str = sql.SET_TREE,
        values: Sequence[Any] = (),
    ) -> None:
        row = encode(tree)
        if self._link.execute(statement, (*values, *row[1:], size_before)).rowcount != 1:
            raise self._fenced(f"tree: expected size {size_before} under the lock, found another")
        self._tree, self.size, self._written = tree, tree.size, row

    def is_stored(self, link: Link, locked: Rows) -> bool | None:
        """Whether what stands there shows that this block was committed; see `IsStored`."""
        if not self._written or not locked:
            return None
        if locked[0] in {self._written, self._locked[0]}:
            return locked[0] == self._written
        if not self._last_entry:
            return None
        # Others wrote since, or the server is another: the log has our last entry, which nobody
        # else can make, where we put it, or none of ours.
        reader = PostgresReader(link)
        at = self.size - 1
        return reader.tree().size > at and entry_at(reader, at) == self._last_entry

    def remember(self) -> None:
        """This block was committed."""
        if self._written:
            self._memory.row, self._memory.tree = self._written, self._tree

    def _fenced(self, reason: str) -> Fenced:
        self._fence(reason)
        return Fenced(f"the log is fenced: {reason}")

    def erase(self, subject: bytes) -> int:
        values = {"first": subject, "last": subject + b"\xff" * 32}
        gone = sum(
            self._link.execute(statement, values).rowcount
            for statement in (sql.ERASE_DISCLOSURES, sql.ERASE_ATTACHMENTS)
        )
        tree = self.tree()
        self._set_tree(tree._replace(epoch=tree.epoch + 1), tree.size)
        return gone

    def put_state(self, rows: Iterable[StateRow]) -> None:
        for kind, id, value in rows:
            if value is None:
                self._link.execute(sql.DROP_STATE, (kind, id))
            else:
                self._link.execute(sql.PUT_STATE, (kind, id, value))

    def touch(self) -> None:
        """Nothing: what is visible on PostgreSQL was synced before, and our lock on the tree's row
        is written, so that this commit waits for the same.
        """

    def replace_checkpoint(self, expected_size: int | None, new: Checkpoint) -> bool:
        known = self.checkpoint()
        if (None if known is None else known.size) != expected_size:
            return False
        self._link.execute(sql.PUT_CHECKPOINT, (new.size, new.note))
        self._link.execute(sql.PUT_PUBLISHED, (new.size, new.frontier.encode()))
        return True

    def put_cosignature(self, size: int, key_id: bytes, line: bytes) -> None:
        self._link.execute(sql.PUT_COSIGNATURE, (size, key_id, line))


def _columns(rows: Iterable[Sequence[Any]], count: int) -> list[list[Any]]:
    """The same values by so many columns, for `unnest`."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(count)]


def _last_entry(addition: Addition) -> bytes:
    """Empty where it adds none."""
    if addition.tail_count:
        return decode_bundle(addition.tail, width=addition.tail_count)[-1]
    return decode_bundle(addition.bundles[-1][1], width=WIDTH)[-1] if addition.bundles else b""
