"""A trail in a PostgreSQL database: opened, made where there is none, examined.

The composition of its stores and keyring. What wraps the keys comes from outside, by the same rules
as for a directory, and never stands in the database.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deploytrail.app import home as homes
from deploytrail.app.events.reading import StoredVault, Vault, attached
from deploytrail.app.home import Home
from deploytrail.app.proofs.evidence import StoredEvidence
from deploytrail.app.proofs.examined_trail import open_handed
from deploytrail.app.proofs.examining import Examination, deep_of_log
from deploytrail.app.proofs.handed_over import CONCEALED, sealed_attachment
from deploytrail.app.trails.stored import StoredTrail, Stores
from deploytrail.clock import Clock, SystemClock
from deploytrail.errors import Busy, Conflict, NotFound, NotPermitted, Unreachable
from deploytrail.log import policy
from deploytrail.log.reading import whole_note
from deploytrail.stores.files import make_directory, replace_file
from deploytrail.stores.postgres.address import Address
from deploytrail.stores.postgres.creating import NewTrail, create_trail, has_trail, may_write
from deploytrail.stores.postgres.examined import ExaminedKeys, ExaminedLog
from deploytrail.stores.postgres.fence import Fence
from deploytrail.stores.postgres.keys import SHAPE as KEYS
from deploytrail.stores.postgres.keys import PostgresKeyring
from deploytrail.stores.postgres.lease import Lease
from deploytrail.stores.postgres.link import Waits
from deploytrail.stores.postgres.log import Now, PostgresLog, server_clock
from deploytrail.stores.postgres.log_sql import SHAPE as LOG
from deploytrail.trail import PATIENT, Patience, TrailReader
from deploytrail.vault import keys
from deploytrail.vault.keys import Secrets
from deploytrail.xdg import state_directory

if TYPE_CHECKING:
    from deploytrail.app.questions.indexes import IndexStore
    from deploytrail.follow.actor import Bookmarks
    from deploytrail.follow.lease import Lease as FollowerLease

_PUBLISH: Final = "publish"
_LOOKED_SECONDS: Final = 1.0
"""How often it is asked whether somebody fenced the log."""


def open_database(
    url: str,
    *,
    create: bool = True,
    clock: Clock | None = None,
    environment: Mapping[str, str] | None = None,
    patience: Patience = PATIENT,
    now: Now = server_clock,
) -> DatabaseTrail:
    """The trail of a database, made first where there is none and `create` allows it.

    The database itself must be there. Raises NotFound where there is no trail, Incomplete where a
    newer state of this log was seen before (it went back in time), and what keys and stores raise.
    """
    environment = os.environ if environment is None else environment
    clock = SystemClock() if clock is None else clock
    address = Address(url)
    try:
        return DatabaseTrail(address, clock, environment, patience, now)
    except NotFound:
        if not create or has_trail(address, _waits(patience)):
            raise
    # Another process may have made it meanwhile; then it is as good as ours.
    with suppress(Conflict):
        create_database(url, clock=clock, environment=environment, patience=patience)
    return DatabaseTrail(address, clock, environment, patience, now)


def open_to_read(url: str, environment: Mapping[str, str]) -> tuple[TrailReader, Sequence[str]]:
    """A trail to be read, and what whoever reads has to know of it.

    As its owner reads it where its key is at hand and the role may write; else as somebody who may
    only look. Raises NotFound where there is no trail.
    """
    address = Address(url)
    if may_write(address, _waits(PATIENT)):
        try:
            return open_database(url, create=False, environment=environment), ()
        except NotFound:
            # Where there is a log, what is not there is its key.
            if not has_trail(address, _waits(PATIENT)):
                raise
    trail = open_handed(HandedDatabase(address, environment), environment)
    return trail, trail.told


class HandedDatabase:
    """`HandedOver` of a database: no lock is taken, nothing of it changed."""

    is_live = True

    def __init__(self, address: Address, environment: Mapping[str, str]) -> None:
        with ExitStack() as stack:
            self._log = ExaminedLog(address)
            stack.callback(self._log.close)
            self.origin = self._log.tree().origin
            self.policy = self._log.policy()
            self._keys, self.unseen = _keys(address, environment, stack)
            self._opened = stack.pop_all()
        subject_of = None if self._keys is None else self._keys.subject
        self.vault: Vault[ExaminedLog] = StoredVault(subject_of, self.origin)

    @contextmanager
    def reading(self) -> Iterator[ExaminedLog]:
        self._log.renew()
        yield self._log

    def note(self, reader: ExaminedLog) -> bytes:
        newest = reader.checkpoint()
        return b"" if newest is None else whole_note(reader, newest.size, newest.note)

    def attachment(self, reader: ExaminedLog, index: int, octets: bytes, evidence: str) -> bytes:
        if self._keys is None:
            raise sealed_attachment(evidence)
        return attached(reader, index, octets, evidence, self._keys.secrets.attachment)

    def close(self) -> None:
        self._opened.close()


def _keys(
    address: Address, environment: Mapping[str, str], stack: ExitStack
) -> tuple[ExaminedKeys | None, str]:
    """The keyring; where it or its key can't be had, what that keeps from being shown."""
    try:
        wrapping = homes.wrapping_key(key_home(environment), environment)
        opened = ExaminedKeys(address, wrapping)
    except (NotFound, NotPermitted) as error:
        return None, f"{address}: {CONCEALED} can't be shown: {error}"
    stack.callback(opened.close)
    return opened, ""


def create_database(
    url: str,
    *,
    clock: Clock,
    environment: Mapping[str, str],
    origin: str | None = None,
    patience: Patience = PATIENT,
) -> str:
    """Make a trail; returns its origin. Raises Conflict where there is one, Malformed for an origin
    that can't be one.

    Stopped at any point, the next call goes on: the key stays, the rest is one transaction.
    """
    if origin is not None:
        homes.refuse_origin(origin)
    origin = homes.new_origin(clock) if origin is None else origin
    address = Address(url)
    home = key_home(environment)
    if not environment.get("DEPLOYTRAIL_KEY") and not home.key.exists():
        make_directory(home.directory)
        replace_file(home.key, clock.random(32).hex().encode() + b"\n")
    wrapping = homes.wrapping_key(home, environment, patience=patience)
    secrets = keys.new_secrets(clock.random(32 * len(Secrets._fields)))
    own = policy.encode(homes.own_policy(origin, secrets))
    create_trail(address, _waits(patience), NewTrail(origin, own, secrets), clock, wrapping)
    return origin


def shown(url: str) -> str:
    """A database's URL without what is secret in it."""
    return str(Address(url))


def key_home(environment: Mapping[str, str]) -> Home:
    """Where the wrapping key lies that DEPLOYTRAIL_KEY does not name: as for a directory."""
    if environment.get("DEPLOYTRAIL_KEY"):
        return Home(Path())
    return homes.find(None, environment)


def _waits(patience: Patience) -> Waits:
    return Waits(lock=patience.writer)


class DatabaseTrail(StoredTrail):
    """`trail.Trail` over the schemas of one database."""

    store: PostgresLog
    keyring: PostgresKeyring

    def __init__(
        self,
        address: Address,
        clock: Clock,
        environment: Mapping[str, str],
        patience: Patience,
        now: Now,
    ) -> None:
        self.address = address
        self.fence = Fence(address, _waits(patience))
        self._patience = patience
        self._looked = clock.monotonic() - _LOOKED_SECONDS
        waits = _waits(patience)
        with ExitStack() as opened:
            store = PostgresLog(address, self.fence, clock, waits, now)
            opened.callback(store.close)
            # Not before: whoever is told that there is no trail needs no key for it.
            wrapping = homes.wrapping_key(key_home(environment), environment, patience=patience)
            keyring = PostgresKeyring(address, self.fence, clock, waits, wrapping_key=wrapping)
            opened.callback(keyring.close)
            states = state_directory(environment)
            super().__init__(
                Stores(store, keyring, self._publishing, states, store.put_policy), clock
            )
            opened.pop_all()

    def index(self) -> IndexStore:
        # Whoever records asks nothing.
        from deploytrail.index.postgres.store import PostgresIndexStore

        return PostgresIndexStore(self.address.conninfo, self.origin)

    def lease(self, follower: str) -> FollowerLease:
        from deploytrail.app.followers.leases import DatabaseLease

        return DatabaseLease(Lease(self.address, f"follow-{follower}"))

    def bookmarks(self) -> Bookmarks:
        from deploytrail.stores.postgres.bookmarks import DatabaseBookmarks

        return DatabaseBookmarks(self.address)

    def refuse_fenced(self) -> None:
        now = self._clock.monotonic()
        if now < self._looked + _LOOKED_SECONDS:
            return
        self._looked = now
        # Whoever can't ask it now can't write there either, and looks again.
        with suppress(Unreachable, Busy):
            self.store.refuse_fenced()

    @contextmanager
    def _publishing(self) -> Iterator[None]:
        lease = Lease(self.address, _PUBLISH)
        try:
            with lease.held(seconds_max=self._patience.publisher):
                yield
        finally:
            lease.close()


def examine_database(stack: ExitStack, url: str, environment: Mapping[str, str]) -> Examination:
    """A database's log as evidence, until the stack is closed; its keys only where they must be."""
    address = Address(url)
    log = ExaminedLog(address)
    stack.callback(log.close)
    stored = StoredEvidence(log)

    def examined_keys() -> ExaminedKeys:
        wrapping = homes.wrapping_key(key_home(environment), environment)
        opened = ExaminedKeys(address, wrapping)
        stack.callback(opened.close)
        return opened

    deep = deep_of_log(log, examined_keys, log_name=LOG.schema, keys_name=KEYS.schema)
    return Examination(stored, log.policy(), stored.origin, deep)
