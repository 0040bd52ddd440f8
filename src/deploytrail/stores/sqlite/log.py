"""The log's store on SQLite: `log.store.Store` over one file, `log.db`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from deploytrail.clock import Clock, Uptime, microseconds
from deploytrail.errors import Fenced, Malformed, Tampered
from deploytrail.log.merkle import Frontier
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
from deploytrail.sentence import counted
from deploytrail.stores.sqlite import log_sql as sql
from deploytrail.stores.sqlite.database import Database, Guard
from deploytrail.stores.sqlite.shape import Shape
from deploytrail.stores.tree_row import Highest, TreeRow, decode, encode

SHAPE: Final = Shape(sql.APPLICATION_ID, sql.VERSION, sql.SCHEMA, sql.STEPS)


_Seen = dict[TreeRow, Tree]
"""The tree's row as it was last written here, byte for byte, and what it says."""


class SqliteLog:
    """The store of a directory; see `log.store.Store` for what it promises."""

    def __init__(self, path: Path, guard: Guard, clock: Clock, *, vfs: str | None = None) -> None:
        self._database = Database(path, guard, SHAPE, vfs=vfs)
        self._clock = clock
        self._seen: _Seen = {}
        self._highest = Highest()

    @classmethod
    def create(cls, path: Path, origin: str, *, vfs: str | None = None) -> None:
        """Make an empty log of that origin. See `Database.create` for what is then durable."""
        new = Tree(origin, Frontier.empty(), 0, 0, 0, Uptime("", 0), False)
        rows = [(sql.NEW_TREE, encode(new))]
        Database.create(path, SHAPE, rows, vfs=vfs)

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        with self._database.writing() as connection:
            writer = _Writer(connection, self._clock, self.fence, self._seen, self._highest.size)
            yield writer
        # Only now it is stored, and nobody may find less of it.
        self._highest.raise_to(writer.size)

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        with self._database.reading() as connection:
            yield SqliteReader(connection, highest=self._highest)

    def settle(self) -> None:
        """See `Database.settle`."""
        self._database.settle()

    def sync_all(self) -> None:
        """See `Database.sync_all`."""
        self._database.sync_all()

    def scrub(self) -> None:
        self._database.scrub()

    def fence(self, reason: str) -> None:
        self._database.guard.raise_fence(reason)

    def close(self) -> None:
        self._database.close()


class SqliteReader:
    """Reads within the transaction of its connection."""

    def __init__(
        self,
        connection: apsw.Connection,
        seen: _Seen | None = None,
        highest: Highest | None = None,
    ) -> None:
        self._connection = connection
        self._seen: _Seen = {} if seen is None else seen
        self._highest = Highest() if highest is None else highest

    def tree(self) -> Tree:
        tree = self._stored_tree()
        self._highest.raise_to(tree.size)
        return tree

    def _stored_tree(self) -> Tree:
        row = self._connection.execute(sql.TREE).fetchone()
        if row is None:
            raise Tampered("tree: expected its one row, found none")
        known = self._seen.get(row)
        if known is not None:
            return known
        return decode(row)

    def bundle(self, number: int) -> bytes | None:
        row = self._connection.execute(sql.BUNDLE, (number,)).fetchone()
        if row is None:
            return None
        from deploytrail.stores.packing import unpacked

        return unpacked(row[1], number)

    def tail(self) -> list[tuple[int, int, bytes]]:
        return list(self._connection.execute(sql.SEGMENTS))

    def tile(self, level: int, number: int) -> bytes | None:
        row = self._connection.execute(sql.TILE, (level, number)).fetchone()
        return None if row is None else row[0]

    def deliveries(self, keys: Iterable[bytes]) -> dict[bytes, Delivery]:
        rows = self._connection.executemany(sql.DELIVERY, ((key,) for key in keys))
        return {row[0]: Delivery(*row) for row in rows}

    def disclosures(self, keys: Iterable[bytes]) -> dict[bytes, VaultRow]:
        rows = self._connection.executemany(sql.DISCLOSURE, ((key,) for key in keys))
        return {row[0]: VaultRow(*row) for row in rows}

    def attachment(self, id: bytes) -> AttachmentRow | None:
        row = self._connection.execute(sql.ATTACHMENT, (id,)).fetchone()
        return None if row is None else AttachmentRow(*row)

    def checkpoint(self) -> Checkpoint | None:
        row = self._connection.execute(sql.CHECKPOINT).fetchone()
        if row is None:
            return None
        size, note, frontier = row
        if frontier is None:
            raise Tampered(f"published: expected the frontier of size {size}, found none")
        try:
            return Checkpoint(size, note, Frontier.decode(frontier))
        except Malformed as error:
            raise Tampered(f"published: {error}") from None

    def notes(self, *, after: int = -1, count: int) -> list[tuple[int, bytes]]:
        return list(self._connection.execute(sql.NOTES, (after, count)))

    def inventory(self) -> Inventory:
        (row,) = self._connection.execute(sql.INVENTORY)
        return Inventory(*row)

    def cosignatures(self, size: int) -> list[bytes]:
        return [row[0] for row in self._connection.execute(sql.COSIGNATURES, (size,))]

    def cosigners(
        self, *, before: tuple[int, bytes] = BEHIND_ALL, count: int
    ) -> list[tuple[int, bytes]]:
        return list(self._connection.execute(sql.COSIGNERS, (*before, count)))

    def state(self, kind: str) -> dict[str, bytes]:
        return dict(self._connection.execute(sql.STATE, (kind,)))

    def vault_rows(self, *, after: bytes = b"", count: int) -> list[VaultRow]:
        return [VaultRow(*row) for row in self._connection.execute(sql.VAULT_ROWS, (after, count))]

    def attachment_rows(self, *, after: bytes = b"", count: int) -> list[AttachmentRow]:
        rows = self._connection.execute(sql.ATTACHMENT_ROWS, (after, count))
        return [AttachmentRow(*row) for row in rows]

    def state_rows(self, *, after: tuple[str, str] = ("", ""), count: int) -> list[StateRow]:
        rows = self._connection.execute(sql.STATE_ROWS, (*after, count))
        return [StateRow(*row) for row in rows]


class _Writer(SqliteReader):
    def __init__(
        self,
        connection: apsw.Connection,
        clock: Clock,
        fence: Callable[[str], None],
        seen: _Seen,
        size_least: int,
    ) -> None:
        super().__init__(connection, seen)
        self.size = size_least
        self._clock = clock
        self._fence = fence
        self._tree: Tree | None = None

    def tree(self) -> Tree:
        # Nobody else writes while we hold the lock, and before it was ours the log only grew.
        if self._tree is None:
            tree = self._stored_tree()
            if tree.size < self.size:
                raise self._fenced(
                    f"log.db: expected at least {counted(self.size, 'entry')}, which it had "
                    f"before, found {tree.size}; the log went back in time"
                )
            self._tree, self.size = tree, tree.size
        return self._tree

    def clock(self) -> int:
        return microseconds(self._clock.now())

    def uptime(self) -> Uptime:
        return self._clock.uptime()

    def accept_clock(self) -> None:
        tree = self.tree()
        self._set_tree(tree._replace(clock=self.clock(), uptime=self.uptime()), tree.size)

    def add(self, addition: Addition) -> None:
        connection, tree = self._connection, addition.tree
        if addition.bundles:
            # Few commits fill a bundle, and a wrapped command waits for each import.
            from deploytrail.stores.packing import packed

            connection.execute(sql.DROP_SEGMENTS)
            rows = ((number, packed(data)) for number, data in addition.bundles)
            connection.executemany(sql.PUT_BUNDLE, rows)
            connection.executemany(sql.PUT_TILE, addition.tiles)
        if addition.tail_count:
            row = (addition.tail_first, addition.tail_count, addition.tail)
            connection.execute(sql.PUT_SEGMENT, row)
        connection.executemany(sql.PUT_DELIVERY, addition.deliveries)
        connection.executemany(sql.PUT_DISCLOSURE, addition.vault)
        connection.executemany(sql.PUT_ATTACHMENT, addition.attachments)
        self._set_tree(tree, addition.size_before)

    def _set_tree(self, tree: Tree, size_before: int) -> None:
        self._tree, self.size = None, tree.size
        row = encode(tree)
        self._connection.execute(sql.SET_TREE, (*row[1:], size_before))
        if self._connection.changes() != 1:
            raise self._fenced(f"log.db: expected size {size_before} under the lock, found another")
        # Mostly the next commit is ours as well, and finds what this one wrote.
        self._seen.clear()
        self._seen[row] = tree

    def _fenced(self, reason: str) -> Fenced:
        self._fence(reason)
        return Fenced(f"the log is fenced: {reason}")

    def erase(self, subject: bytes) -> int:
        connection = self._connection
        connection.execute(sql.SECURE_DELETE)
        before = connection.total_changes()
        connection.execute(sql.ERASE_DISCLOSURES, (subject, subject + b"\xff" * 32))
        connection.execute(sql.ERASE_ATTACHMENTS, (subject,))
        gone = connection.total_changes() - before
        tree = self.tree()
        self._set_tree(tree._replace(epoch=tree.epoch + 1), tree.size)
        return gone

    def put_state(self, rows: Iterable[StateRow]) -> None:
        for kind, id, value in rows:
            if value is None:
                self._connection.execute(sql.DROP_STATE, (kind, id))
            else:
                self._connection.execute(sql.PUT_STATE, (kind, id, value))

    def touch(self) -> None:
        for _ in range(2):
            self._connection.execute(sql.TOUCH)

    def replace_checkpoint(self, expected_size: int | None, new: Checkpoint) -> bool:
        known = self.checkpoint()
        if (None if known is None else known.size) != expected_size:
            return False
        self._connection.execute(sql.PUT_CHECKPOINT, (new.size, new.note))
        self._connection.execute(sql.PUT_PUBLISHED, (new.size, new.frontier.encode()))
        return True

    def put_cosignature(self, size: int, key_id: bytes, line: bytes) -> None:
        self._connection.execute(sql.PUT_COSIGNATURE, (size, key_id, line))
