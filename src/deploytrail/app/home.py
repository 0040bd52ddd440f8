"""The trail's directory: where it is, what lies in it, and how it is made.

`log.db keys.db key policy log.lock open.lock publish.lock fence`, all for the owner alone. The
log's file appears last and by a rename: a directory has a trail if and only if it has `log.db`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from deploytrail.clock import Clock
from deploytrail.errors import Conflict, Incomplete, Malformed, Misconfigured, NotFound
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import policy
from deploytrail.log.checkpoint import ORIGIN_BYTES_MAX, Checkpoint
from deploytrail.log.merkle import EMPTY_ROOT
from deploytrail.log.note import COSIGNATURE_V1, ED25519, Signer, VerifierKey
from deploytrail.log.policy import NO_QUORUM, Log, Policy, Witness
from deploytrail.log.publish import Signers
from deploytrail.stores.files import make_directory, replace_file
from deploytrail.stores.sqlite.keys import SqliteKeyring
from deploytrail.stores.sqlite.locks import FileLock
from deploytrail.stores.sqlite.log import SqliteLog
from deploytrail.stores.sqlite.place import MOUNTS, refuse_network, sync_directory
from deploytrail.trail import PATIENT, Patience
from deploytrail.vault import keys
from deploytrail.vault.keys import Secrets
from deploytrail.xdg import data_directory

OWN_WITNESS: Final = b"self"
"""How a policy calls the log's own cosigner, which no quorum counts."""


class Home(NamedTuple):
    """The paths of one trail."""

    directory: Path

    @property
    def log(self) -> Path:
        return self.directory / "log.db"

    @property
    def keys(self) -> Path:
        return self.directory / "keys.db"

    @property
    def key(self) -> Path:
        return self.directory / "key"

    @property
    def policy(self) -> Path:
        return self.directory / "policy"

    @property
    def publish_lock(self) -> Path:
        return self.directory / "publish.lock"

    @property
    def fence(self) -> Path:
        return self.directory / "fence"

    @property
    def exists(self) -> bool:
        return self.log.exists()

    @property
    def has_lost_its_log(self) -> bool:
        """Whether there was a trail: its keys are made before the log, and get their name first."""
        # In this order, whoever is making one at this moment is not mistaken for that.
        return self.keys.exists() and not (self.new_log.exists() or self.exists)

    @property
    def new_log(self) -> Path:
        """The log while it is made."""
        return self.directory / "log.db.new"

    @property
    def restoring(self) -> Home:
        """The trail while a backup is made into it."""
        return Home(self.directory / "restoring")


def find(given: Path | None, environment: Mapping[str, str]) -> Home:
    """The directory that was named, else DEPLOYTRAIL_HOME, else the user's data directory."""
    if given is not None:
        return Home(given)
    named = environment.get("DEPLOYTRAIL_HOME")
    if named:
        return Home(Path(named))
    return Home(data_directory(environment))


def new_origin(clock: Clock) -> str:
    """A name that no other log has: not made of host or path, which come back after a removal."""
    return f"deploytrail.local/{clock.random(8).hex()}/1"


def create(
    home: Home,
    *,
    clock: Clock,
    environment: Mapping[str, str],
    origin: str | None = None,
    mounts: Path = MOUNTS,
    patience: Patience = PATIENT,
) -> str:
    """Make a trail; returns its origin. Raises Conflict where there is one, Incomplete where only
    its log is gone, Malformed for an origin that can't be one.

    Stopped at any point, the next call goes on: the key stays, and what has no final name yet is
    made anew.
    """
    if origin is not None:
        refuse_origin(origin)
    make_directory(home.directory)
    refuse_network(home.directory, mounts=mounts)
    lock = FileLock(home.directory / "log.lock")
    try:
        with lock.held(seconds_max=patience.writer):
            if home.exists:
                raise Conflict(f"{home.directory}: expected no trail, found one; use it")
            refuse_stray_logs(home)
            return _create(home, clock, environment, origin, patience)
    finally:
        lock.close()


def _create(
    home: Home,
    clock: Clock,
    environment: Mapping[str, str],
    origin: str | None,
    patience: Patience,
) -> str:
    new_keys, new_log = home.directory / "keys.db.new", home.new_log
    if home.has_lost_its_log:
        raise lost_log(home)
    if home.keys.exists():
        # Stopped between the two renames: both files are whole, and nothing was logged yet.
        made = policy.decode(home.policy.read_bytes()).logs[0].key.name
        if origin not in {None, made}:
            raise Conflict(
                f"{home.directory}: expected to make {origin}, found {made}, whose making was "
                "stopped half-way; make that one, or move the directory away"
            )
        new_log.rename(home.log)
        sync_directory(home.directory)
        return made
    origin = new_origin(clock) if origin is None else origin
    if not _has_outside_key(environment) and not home.key.exists():
        replace_file(home.key, clock.random(32).hex().encode() + b"\n")
    wrapping = wrapping_key(home, environment, patience=patience)
    secrets = keys.new_secrets(clock.random(32 * len(Secrets._fields)))
    for leftover in home.directory.glob("*.db.new*"):
        leftover.unlink()
    SqliteKeyring.create(new_keys, secrets, clock, wrapping_key=wrapping)
    SqliteLog.create(new_log, origin)
    replace_file(home.policy, policy.encode(own_policy(origin, secrets)))
    # Stopped between the two, the next call renames the log, as above.
    new_keys.rename(home.keys)
    new_log.rename(home.log)
    # Without this a power loss could give log.db its old name back, and with it what was
    # acknowledged meanwhile.
    sync_directory(home.directory)
    return origin


def refuse_origin(origin: str) -> None:
    """Raise Malformed for a name under which no checkpoint could ever be published."""
    try:
        checkpoints.encode(Checkpoint(origin, 0, EMPTY_ROOT))
        policy.encode(Policy((Log(VerifierKey(origin, ED25519, bytes(32))),), {}, {}, NO_QUORUM))
    except Malformed as error:
        raise Malformed(
            f"origin: expected a name such as example.org/team/1, without blanks and +, of at most "
            f"{ORIGIN_BYTES_MAX} bytes, found {origin[:80]!a} ({error}); name another"
        ) from None


def lost_log(home: Home) -> Incomplete:
    """What is to be raised where `has_lost_its_log`."""
    return Incomplete(
        f"{home.directory}: expected log.db beside keys.db, found none: the log was removed. "
        "Restore it from a backup, or move the directory away to begin anew"
    )


def refuse_stray_logs(home: Home) -> None:
    """Raise Incomplete for a write-ahead log that was left behind by a database.

    SQLite would play it into whichever database gets that name next.
    """
    for database in (home.log, home.keys):
        stray = database.with_name(f"{database.name}-wal")
        if not database.exists() and stray.exists() and stray.stat().st_size:
            raise Incomplete(
                f"{stray}: expected {database.name} beside it, found none: it was removed, and the "
                "newest of what it held may be in here. Move the directory away to begin anew, or "
                "to restore a backup"
            )


def _has_outside_key(environment: Mapping[str, str]) -> bool:
    return bool(environment.get("DEPLOYTRAIL_KEY"))


def wrapping_key(
    home: Home, environment: Mapping[str, str], *, patience: Patience = PATIENT
) -> bytes:
    """The 32 bytes that wrap `keys.db`.

    DEPLOYTRAIL_KEY is `file:PATH`, `env:NAME` or `command:COMMAND LINE`; without it, the file
    `key` in the directory. Raises NotFound or Misconfigured, never showing what it read.
    """
    given = environment.get("DEPLOYTRAIL_KEY") or f"file:{home.key}"
    kind, _, value = given.partition(":")
    if kind == "file":
        try:
            return keys.wrapping_key(Path(value).read_bytes(), whence=value)
        except OSError as error:
            raise NotFound(
                f"{value}: expected the trail's key there, found none that can be read "
                f"({error.strerror}); restore it, or "
                "say where it is with DEPLOYTRAIL_KEY=file:PATH, env:NAME or command:COMMAND"
            ) from None
    if kind == "env":
        octets = environment.get(value, "").encode("utf-8", "surrogateescape")
        return keys.wrapping_key(octets, whence=f"variable {value}")
    if kind == "command":
        return keys.wrapping_key(
            _output_of(value, patience.key), whence=f"command {value.split(' ')[0]}"
        )
    raise Misconfigured(
        f"DEPLOYTRAIL_KEY: expected file:PATH, env:NAME or command:COMMAND, found {kind[:20]!r}"
    )


def _output_of(command: str, seconds_max: float) -> bytes:
    # Few keys come from a command, and a wrapped command waits for each import.
    import subprocess

    try:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            check=True,
            timeout=seconds_max,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Misconfigured(
            f"DEPLOYTRAIL_KEY: expected its command to print the key, but it failed: "
            f"{type(error).__name__}"
        ) from None
    return done.stdout


def signers(origin: str, secrets: Secrets) -> Signers:
    """The two keys with which a log speaks, both under its origin's name."""
    return Signers(
        Signer(origin, secrets.checkpoint),
        Signer(origin, secrets.cosignature, COSIGNATURE_V1),
    )


def own_policy(origin: str, secrets: Secrets) -> Policy:
    """Who vouches for a log on its own: nobody else, hence no quorum."""
    own = signers(origin, secrets)
    return Policy((Log(own.log.key),), {OWN_WITNESS: Witness(own.cosigner.key)}, {}, NO_QUORUM)
