"""The trail's schemas in one PostgreSQL database as a durable thing; nothing is pretended.

The rules are those of LOG.md, "PostgreSQL"; each stands at its line. Knows no table of ours.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

import psycopg
from psycopg.pq import TransactionStatus

from deploytrail.errors import CommitUnknown, DeploytrailError, Misconfigured, Unreachable
from deploytrail.stores.postgres.address import Address
from deploytrail.stores.postgres.failures import own_error, shakes_trust
from deploytrail.stores.postgres.fence import REASONS, Fence
from deploytrail.stores.postgres.link import Link, Waits, connect
from deploytrail.stores.postgres.shape import Shape, refuse_foreign, step_forward

# READ COMMITTED on purpose: what is read behind the lock is what stands there once it is ours.
_BEGIN_WRITING: Final = "BEGIN ISOLATION LEVEL READ COMMITTED"
BEGIN_READING: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_STANDING: Final = (
    "SELECT number, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM {schema}.version"
)
_IS_STANDBY: Final = "SELECT pg_is_in_recovery()"
_PAUSE_SECONDS: Final = 0.1
Rows = list[tuple[Any, ...]]
IsStored = Callable[[Link, Rows], bool | None]
"""Whether what stands there, under the lock, shows that a block was committed; None where it
doesn't tell. What the server knows of a transaction's id would not do: after a crash it gives the
id of one that never reached the disk to another, which commits.
"""


class Writing(NamedTuple):
    """A transaction that holds the writer's lock: what stood there when it became ours.

    `locked` are the rows that were locked, `clock` the server's, in microseconds since 1970.
    `told` are asked where the connection breaks in COMMIT.
    """

    link: Link
    locked: Rows
    clock: int
    told: list[IsStored]


class _Session:
    """A connection, and what its server warned of."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.warnings: list[str] = []
        link.add_notice_handler(self._note)

    def _note(self, told: psycopg.errors.Diagnostic) -> None:
        self.warnings.append(told.message_primary or "a warning")

    @property
    def is_lost(self) -> bool:
        return self.link.closed


class Database:
    """A session that writes and one that reads, each made when it is first needed.

    `lock` is the statement that takes the writer's lock. Belongs to one thread, but for the
    sessions: one thread may read while another writes.
    """

    def __init__(
        self, address: Address, shape: Shape, fence: Fence, *, lock: str, waits: Waits
    ) -> None:
        """Raises what `refuse_foreign` does. An older version steps forward."""
        self.address = address
        self.fence = fence
        self._shape = shape
        self._lock = lock
        self._waits = waits
        self._writer: _Session | None = None
        self._reader: _Session | None = None
        try:
            self._set_up()
        except BaseException:
            self.close()
            raise

    def _set_up(self) -> None:
        self._reader = self._connected()
        with self._own_errors(self._reader):
            link = self._reader.link
            version = refuse_foreign(link, self._shape, str(self.address))
            # What is behind a fence is for `doctor`, as it is.
            if version < self._shape.version and not link.execute(REASONS).fetchall():
                step_forward(link, self._shape, str(self.address))

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """One transaction under the writer's lock; committed, durably, where the block ends."""
        session, writing = self._begun()
        try:
            with self._own_errors(session):
                yield writing
        except BaseException:
            self._roll_back(session)
            raise
        self._commit(session, writing)

    def _begun(self) -> tuple[_Session, Writing]:
        """A transaction that holds the lock."""
        is_new = self._writer is None or self._writer.is_lost
        try:
            return self._begin()
        except Unreachable:
            # A connection that was lost since it was last used says so only now; nothing was done
            # through it yet.
            if is_new:
                raise
        return self._begin()

    def _begin(self) -> tuple[_Session, Writing]:
        if self._writer is None or self._writer.is_lost:
            self._writer = self._connected()
        session = self._writer
        try:
            with self._own_errors(session):
                locked, standing, reasons = self._locked(session.link)
                self.fence.refuse(reasons)
                version, clock = standing[0]
                self._refuse_newer(version)
                return session, Writing(session.link, locked, clock, [])
        except BaseException:
            self._roll_back(session)
            raise

    def _locked(self, link: Link) -> list[Rows]:
        """Begin and take the lock: what stands there once it is ours.

        In one round trip, but not as a pipeline: psycopg ends one with a flush, and behind that the
        server forgets for how long it lets a client stand still in a transaction.
        """
        standing = _STANDING.format(schema=self._shape.schema)
        done = link.execute("; ".join([_BEGIN_WRITING, self._lock, standing, REASONS]))
        found: list[Rows] = []
        while done.nextset():
            found.append(done.fetchall())
        return found

    def _refuse_newer(self, version: int) -> None:
        if version != self._shape.version:
            raise Misconfigured(
                f"{self.address}: expected version {self._shape.version} of {self._shape.schema}, "
                f"found {version}: a newer Deploytrail uses it since; use that one here, too"
            )

    def _commit(self, session: _Session, writing: Writing) -> None:
        session.warnings.clear()
        try:
            with self._own_errors(session):
                done = session.link.execute("COMMIT").statusmessage
        except DeploytrailError as error:
            if not session.is_lost:
                self._roll_back(session)
                raise
            self._decide(writing, error)
            return
        except BaseException:
            self._roll_back(session)
            raise
        if done != "COMMIT":
            # A statement had failed, and somebody went on as if it had not.
            raise Unreachable(f"{self.address}: the server rolled back; nothing was stored")
        self._refuse_warned(session)

    def _refuse_warned(self, session: _Session) -> None:
        """A commit that no longer waits for its synchronous standby tells of it by a warning."""
        if session.warnings:
            raise CommitUnknown(
                f"{self.address}: the server committed, but warned: {session.warnings[0]}. Nothing "
                "was acknowledged; look at its standby, then send the same again"
            )

    def _decide(self, writing: Writing, error: DeploytrailError) -> None:
        """The connection broke in COMMIT: find out what became of it; return if it is durable.

        Raises that error where nothing was stored, CommitUnknown where that can't be found out.
        """
        try:
            is_committed = self._looked_up(writing)
        except DeploytrailError as unknown:
            raise CommitUnknown(
                f"{self.address}: the connection broke in the commit, and the server could not be "
                f"asked what became of it: {unknown}. Nothing was acknowledged; send the same again"
            ) from error
        if is_committed is None:
            raise CommitUnknown(
                f"{self.address}: the connection broke in the commit, and what stands there now "
                "doesn't tell what became of it. Nothing was acknowledged; send the same again"
            ) from error
        if not is_committed:
            # As it says itself: nothing was stored.
            raise error

    def _looked_up(self, writing: Writing) -> bool | None:
        session = self._returned()
        link = session.link
        try:
            with self._own_errors(session):
                # Behind the lock: the lost transaction holds it for as long as it lasts.
                locked, _, _ = self._locked(link)
                answers = {told(link, locked) for told in writing.told} - {None}
                is_committed = answers.pop() if len(answers) == 1 else None
                # Taking the lock is written, behind the other one in the write-ahead log: once ours
                # is durable, with a synchronous standby there as well, so is the other one.
                session.warnings.clear()
                link.execute("COMMIT")
            self._refuse_warned(session)
        except BaseException:
            self._roll_back(session)
            raise
        return is_committed

    def _returned(self) -> _Session:
        """A new session that writes, once the server is back; waits for it within bounds."""
        pause = threading.Event()
        for _ in range(max(1, int(self._waits.return_ / _PAUSE_SECONDS)) - 1):
            try:
                return self._primary()
            except (Unreachable, Misconfigured):
                pause.wait(_PAUSE_SECONDS)
        return self._primary()

    def _primary(self) -> _Session:
        """A new session that writes; raises Misconfigured where the server only reads, yet."""
        session = self._connected()
        with self._own_errors(session):
            (is_standby,) = session.link.execute(_IS_STANDBY).fetchall()[0]
        if is_standby:
            session.link.close()
            raise Misconfigured(f"{self.address}: expected the primary server, found a standby")
        self._writer = session
        return session

    @contextmanager
    def reading(self) -> Iterator[Link]:
        """One moment of the database. Keep it under a second: it holds back vacuum."""
        session = self._begun_reading()
        try:
            with self._own_errors(session):
                yield session.link
        finally:
            self._roll_back(session)

    def _begun_reading(self) -> _Session:
        is_new = self._reader is None or self._reader.is_lost
        try:
            return self._begin_reading()
        except Unreachable:
            if is_new:
                raise
        return self._begin_reading()

    def _begin_reading(self) -> _Session:
        if self._reader is None or self._reader.is_lost:
            self._reader = self._connected()
        with self._own_errors(self._reader):
            self._reader.link.execute(BEGIN_READING)
        return self._reader

    def close(self) -> None:
        for session in (self._reader, self._writer):
            if session is not None:
                session.link.close()

    def _connected(self) -> _Session:
        return _Session(connect(self.address, self._waits))

    def _roll_back(self, session: _Session) -> None:
        """If this fails too, the transaction ends with the connection."""
        link = session.link
        with suppress(psycopg.Error):
            if link.info.transaction_status != TransactionStatus.IDLE:
                link.execute("ROLLBACK")
        if link.info.transaction_status != TransactionStatus.IDLE:
            link.close()

    @contextmanager
    def _own_errors(self, session: _Session) -> Iterator[None]:
        """The server's errors as ours; whatever shakes the trust in its tables fences them."""
        try:
            yield
        except psycopg.Error as error:
            if shakes_trust(error):
                said = self.address.without_secrets(error.diag.message_primary or str(error))
                raise self.fence.raise_fence(f"{self.address}: {said}") from error
            own = own_error(error, self.address)
            if own is None:
                raise
            raise own from error
