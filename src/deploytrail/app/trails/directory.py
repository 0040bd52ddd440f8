"""A trail in a directory: opened, and made where there is none.

The composition of SQLite stores and keyring. A directory has one face; who opens it while nobody
else has it open first makes durable what a crash may have left.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deploytrail.app import home as homes
from deploytrail.app.home import Home
from deploytrail.app.trails.stored import StoredTrail, Stores
from deploytrail.clock import Clock, SystemClock
from deploytrail.errors import Conflict, NotFound
from deploytrail.stores.files import replace_file
from deploytrail.stores.sqlite.database import Guard
from deploytrail.stores.sqlite.keys import SqliteKeyring
from deploytrail.stores.sqlite.locks import FileLock
from deploytrail.stores.sqlite.log import SqliteLog
from deploytrail.stores.sqlite.place import refuse_fenced
from deploytrail.trail import PATIENT, Patience
from deploytrail.xdg import state_directory

if TYPE_CHECKING:
    from deploytrail.app.questions.indexes import IndexStore
    from deploytrail.follow.actor import Bookmarks
    from deploytrail.follow.lease import Lease

INDEX: Final = "index"
STANDINGS: Final = "followers.json"
BOOKMARKS: Final = "actors"
"""Of a directory: where its index stands, how its followers do, and where its actors are."""


def open_directory(
    directory: Path | None = None,
    *,
    create: bool = True,
    clock: Clock | None = None,
    environment: Mapping[str, str] | None = None,
    patience: Patience = PATIENT,
) -> DirectoryTrail:
    """The trail of a directory, made first where there is none and `create` allows it.

    Raises NotFound where there is none, Incomplete where a newer state of this log was seen
    before (it went back in time), and what keys and stores raise.
    """
    environment = os.environ if environment is None else environment
    clock = SystemClock() if clock is None else clock
    home = homes.find(directory, environment)
    if not home.exists:
        if home.has_lost_its_log:
            raise homes.lost_log(home)
        if not create:
            raise NotFound(
                f"{home.directory}: expected a trail, found none; 'deploytrail init' makes one, "
                "and --home or DEPLOYTRAIL_HOME says where"
            )
        try:
            homes.create(home, clock=clock, environment=environment, patience=patience)
        except Conflict:
            # Another process may have made it meanwhile; then it is as good as ours.
            if not home.exists:
                raise
    return DirectoryTrail(home, clock, environment, patience)


class DirectoryTrail(StoredTrail):
    """`trail.Trail` over the files of one directory."""

    store: SqliteLog
    keyring: SqliteKeyring

    def __init__(
        self, home: Home, clock: Clock, environment: Mapping[str, str], patience: Patience
    ) -> None:
        self.home = home
        self._patience = patience
        wrapping = homes.wrapping_key(home, environment, patience=patience)
        self._guard = Guard(home.directory, wait_seconds_max=patience.writer)
        # Until it is open, what was opened goes again where the next step fails: a lock left
        # behind would keep this very process from trying once more.
        with ExitStack() as opened:
            opened.callback(self._guard.close)
            store = SqliteLog(home.log, self._guard, clock)
            opened.callback(store.close)
            keyring = SqliteKeyring(home.keys, self._guard, clock, wrapping_key=wrapping)
            opened.callback(keyring.close)
            self._guard.settle(store, keyring)
            states = state_directory(environment)
            super().__init__(
                Stores(store, keyring, self._publishing, states, self._put_policy), clock
            )
            opened.pop_all()

    def index(self) -> IndexStore:
        # A wrapped command waits for each import, and asks nothing.
        from deploytrail.index.sqlite.store import SqliteIndexStore

        return SqliteIndexStore(self.home.directory / INDEX, self.origin)

    def lease(self, follower: str) -> Lease:
        from deploytrail.app.followers.leases import FileLease

        return FileLease(self.home.directory, follower)

    def bookmarks(self) -> Bookmarks:
        from deploytrail.stores.bookmarks import FileBookmarks

        return FileBookmarks(self.home.directory / BOOKMARKS)

    def refuse_fenced(self) -> None:
        refuse_fenced(self.home.fence)

    def standings(self) -> Path:
        return self.home.directory / STANDINGS

    def close(self) -> None:
        super().close()
        self._guard.close()

    def _put_policy(self, octets: bytes) -> None:
        replace_file(self.home.policy, octets)

    @contextmanager
    def _publishing(self) -> Iterator[None]:
        lease = FileLock(self.home.publish_lock)
        try:
            with lease.held(seconds_max=self._patience.publisher):
                yield
        finally:
            lease.close()
