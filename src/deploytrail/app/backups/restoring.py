"""A backup made into a trail's directory again: whole under its name, or not there at all.

It is made in a folder within, which nobody takes for a trail; the log gets its name last. Stopped
at any point, the same call can be repeated.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from deploytrail.app import home as homes
from deploytrail.app.backups.backing_up import keys_beside
from deploytrail.app.backups.refilling import Opened, Refilled, open_keys, open_log, opened, refill
from deploytrail.app.home import Home
from deploytrail.app.trails.directory import open_directory
from deploytrail.app.verifying import verify
from deploytrail.clock import Clock, SystemClock
from deploytrail.errors import Conflict, EvidenceError, NotFound
from deploytrail.report import Report
from deploytrail.stores.files import make_directory, replace_file
from deploytrail.stores.sqlite.database import Guard
from deploytrail.stores.sqlite.keys import SqliteKeyring
from deploytrail.stores.sqlite.locks import FileLock
from deploytrail.stores.sqlite.log import SqliteLog
from deploytrail.stores.sqlite.place import MOUNTS, refuse_network, sync_directory
from deploytrail.trail import PATIENT, Patience

Told = Callable[[int, int], None]


class Restored(Struct, frozen=True, kw_only=True):
    """What was put back, and what verifying it said.

    `home` is the directory, or the database's URL without what is secret in it. `older` is why
    nobody may go on with it, where a newer state of it was seen here; else empty.
    """

    home: str
    refilled: Refilled
    report: Report
    older: str


def restore(
    file: Path,
    directory: Path | None = None,
    *,
    keys_file: Path | None = None,
    key: Path | None = None,
    environment: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    patience: Patience = PATIENT,
    mounts: Path = MOUNTS,
    told: Told | None = None,
    verifying: Told | None = None,
) -> Restored:
    """Make a trail of a backup; its keys are in `keys_file`, by default the one beside it.

    `key` is a copy of the trail's key, which is put into the directory; without it, it is looked
    for as for any trail. `told` and `verifying` hear of entries. Raises Conflict where there is a
    trail, NotFound without keys or key, and what `refilling` raises for files that are not sound.
    """
    environment = os.environ if environment is None else environment
    clock = SystemClock() if clock is None else clock
    home = homes.find(directory, environment)
    _refuse_trail(home)
    given = Given(file, keys_file, key)
    with ExitStack() as stack:
        backup, wrapping = stack.enter_context(sound(given, home, environment, patience))
        make_directory(home.directory)
        refuse_network(home.directory, mounts=mounts)
        lock = FileLock(home.directory / "log.lock")
        stack.callback(lock.close)
        stack.enter_context(lock.held(seconds_max=patience.writer))
        _clear(home)
        refilled = _made(home, backup, wrapping, clock, told)
        _named(home, backup.policy, own_key(given, environment, wrapping))
    report = verify(
        home.directory, disclosures=True, environment=environment, clock=clock, told=verifying
    )
    older = why_older(
        lambda: open_directory(
            home.directory, create=False, clock=clock, environment=environment
        ).close()
    )
    return Restored(home=str(home.directory), refilled=refilled, report=report, older=older)


class Given(NamedTuple):
    """A backup, its keys, and the copy of the trail's key, as far as they were named."""

    file: Path
    keys_file: Path | None
    key: Path | None


@contextmanager
def sound(
    given: Given, home: Home, environment: Mapping[str, str], patience: Patience
) -> Iterator[tuple[Opened, bytes]]:
    """A backup whose seals are good, and the key that wraps its keys."""
    with open_log(given.file) as log:
        secret = keys_beside(given.file) if given.keys_file is None else given.keys_file
        if not secret.exists():
            raise _without_keys(secret)
        wrapping = _wrapping_key(home, given.key, environment, patience)
        with open_keys(secret) as keys:
            yield opened(log, keys, wrapping), wrapping


def own_key(given: Given, environment: Mapping[str, str], wrapping: bytes) -> bytes | None:
    """The key, where the trail is to have it in a file of its own from now on."""
    return None if given.key is None or environment.get("DEPLOYTRAIL_KEY") else wrapping


def _wrapping_key(
    home: Home, key: Path | None, environment: Mapping[str, str], patience: Patience
) -> bytes:
    if key is not None:
        given = {**environment, "DEPLOYTRAIL_KEY": f"file:{key}"}
        found = homes.wrapping_key(home, given, patience=patience)
        if home.key.exists() and homes.wrapping_key(home, {}, patience=patience) != found:
            raise Conflict(
                f"{home.key}: expected the key of {key} or none, found another; it may be the only "
                "copy, so move it away first"
            )
        return found
    if not environment.get("DEPLOYTRAIL_KEY") and not home.key.exists():
        raise NotFound(
            f"{home.key}: expected the trail's key there, found none; no backup has it. Name "
            "your copy of it with --key FILE, or say where it is with DEPLOYTRAIL_KEY"
        )
    return homes.wrapping_key(home, environment, patience=patience)


def _without_keys(secret: Path) -> NotFound:
    return NotFound(
        f"{secret}: expected the keys of the backup, found none; name them with --keys FILE. "
        "Without any, nobody could read names and reasons, or go on with the log; to verify it, "
        "an export is enough"
    )


def _refuse_trail(home: Home) -> None:
    if home.exists:
        raise Conflict(
            f"{home.directory}: expected no trail, found one; name an empty directory with --home"
        )
    if home.has_lost_its_log:
        raise Conflict(
            f"{home.directory}: expected no trail, found the keys of one whose log.db was removed; "
            "move the directory away, and name its key with --key FILE"
        )
    homes.refuse_stray_logs(home)


def _clear(home: Home) -> None:
    """Take away what an earlier call left that was stopped; it has promised nothing yet."""
    _refuse_trail(home)
    # In this order: keys that stand alone are those of a trail that lost its log.
    home.keys.unlink(missing_ok=True)
    for leftover in home.directory.glob("*.db.new*"):
        leftover.unlink()
    if home.restoring.directory.exists():
        shutil.rmtree(home.restoring.directory)


def _made(home: Home, backup: Opened, wrapping: bytes, clock: Clock, told: Told | None) -> Refilled:
    """The two databases in a folder of their own, complete and durable."""
    folder = home.restoring
    make_directory(folder.directory)
    try:
        SqliteKeyring.create(folder.keys, backup.secrets, clock, wrapping_key=wrapping)
        SqliteLog.create(folder.log, backup.origin)
        with _stores(folder, wrapping, clock) as (store, keyring):
            refilled = refill(backup, store, keyring, told=told)
            # What is left in a write-ahead log would not come along when its file is renamed.
            store.sync_all()
            keyring.sync_all()
    except BaseException:
        shutil.rmtree(folder.directory, ignore_errors=True)
        raise
    return refilled


@contextmanager
def _stores(
    folder: Home, wrapping: bytes, clock: Clock
) -> Iterator[tuple[SqliteLog, SqliteKeyring]]:
    with ExitStack() as stack:
        guard = Guard(folder.directory)
        stack.callback(guard.close)
        store = SqliteLog(folder.log, guard, clock)
        stack.callback(store.close)
        keyring = SqliteKeyring(folder.keys, guard, clock, wrapping_key=wrapping)
        stack.callback(keyring.close)
        guard.settle()
        yield store, keyring


def _named(home: Home, policy: bytes, key: bytes | None) -> None:
    """Give everything its name; the log is last, since a directory with one has a trail."""
    folder = home.restoring
    if key is not None:
        put_key(home, key)
    replace_file(home.policy, policy)
    folder.log.rename(home.new_log)
    # Stopped before the next line, the log is a leftover; behind it, both files are whole, and
    # whoever comes next gives the log its name, as after `init`.
    folder.keys.rename(home.keys)
    home.new_log.rename(home.log)
    sync_directory(home.directory)
    shutil.rmtree(folder.directory)


def put_key(home: Home, key: bytes) -> None:
    replace_file(home.key, key.hex().encode() + b"\n")


def why_older(open_once: Callable[[], None]) -> str:
    """Why this trail can't be opened, if a newer state of it was seen here before."""
    try:
        open_once()
    except EvidenceError as error:
        return str(error)
    return ""
