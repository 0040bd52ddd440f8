"""The directory of a witness that we run: its key, the logs that it knows, what it cosigned.

`key logs lock cosigned/ forks/`, all for the owner alone. `logs` is a list in the form that
witnesses share (github.com/transparency-dev/witness-network, `logs/v0`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from deploytrail.clock import Clock
from deploytrail.errors import Busy, Conflict, Malformed, Misconfigured, NotFound
from deploytrail.log import known_logs, strict
from deploytrail.log import note as notes
from deploytrail.log.known_logs import Logs
from deploytrail.log.note import COSIGNATURE_V1, Signer
from deploytrail.stores.cosigned import CosignedFiles
from deploytrail.stores.files import make_directory, replace_file
from deploytrail.stores.sqlite.locks import FileLock
from deploytrail.stores.sqlite.place import MOUNTS, refuse_network
from deploytrail.xdg import data_directory

_PRIVATE: Final = "PRIVATE+KEY+"


class WitnessHome(NamedTuple):
    """The paths of one witness."""

    directory: Path

    @property
    def key(self) -> Path:
        return self.directory / "key"

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    @property
    def lock(self) -> Path:
        return self.directory / "lock"


def find(given: Path | None, environment: Mapping[str, str]) -> WitnessHome:
    """The directory that was named, else DEPLOYTRAIL_WITNESS_HOME, else beside the user's trail."""
    named = environment.get("DEPLOYTRAIL_WITNESS_HOME")
    if given is not None:
        return WitnessHome(given)
    if named:
        return WitnessHome(Path(named))
    trail = data_directory(environment)
    return WitnessHome(trail.with_name(f"{trail.name}-witness"))


def create(
    home: WitnessHome, *, clock: Clock, name: str | None = None, mounts: Path = MOUNTS
) -> Signer:
    """Make a witness, or finish one whose making was stopped; returns its key.

    Raises Conflict where there is one of another name, Malformed for a name that can't be one.
    """
    make_directory(home.directory)
    refuse_network(home.directory, mounts=mounts)
    if home.key.exists():
        made = signer(home)
        if name not in {None, made.name}:
            raise Conflict(
                f"{home.directory}: expected no witness or {name}, found {made.name}; use that "
                "one, or name another directory"
            )
        return made
    if name is None:
        name = f"deploytrail.local/witness/{clock.random(8).hex()}"
    made = Signer(name, clock.random(notes.SEED_BYTES), COSIGNATURE_V1)
    notes.encode_vkey(made.key)
    CosignedFiles.create(home.directory)
    # Last: a directory has a witness if and only if it has a key.
    replace_file(home.key, f"{_encoded(made)}\n".encode())
    return made


def signer(home: WitnessHome) -> Signer:
    """The key of the witness. Raises NotFound where there is none, never showing what it read."""
    try:
        text = home.key.read_text(encoding="ascii", errors="replace").rstrip("\n")
    except FileNotFoundError:
        raise NotFound(
            f"{home.directory}: expected a witness, found none; 'deploytrail witness init' makes "
            "one, and --home says where"
        ) from None
    fault = Misconfigured(
        f"{home.key}: expected the key of a witness, found something else; restore it"
    )
    parts = text.removeprefix(_PRIVATE).split("+", 2)
    if not text.startswith(_PRIVATE) or len(parts) != 3:
        raise fault
    try:
        material = strict.base64_bytes(parts[2], what="key")
        made = Signer(parts[0], material[1:], material[0] if material else 0)
    except Malformed:
        raise fault from None
    if made.algorithm != COSIGNATURE_V1 or parts[1] != made.key.id.hex():
        raise fault
    return made


def _encoded(own: Signer) -> str:
    """In the form of golang.org/x/mod/sumdb/note: an algorithm and a seed behind name and id."""
    material = strict.base64_text(bytes([own.algorithm]) + own.seed)
    return f"{_PRIVATE}{own.name}+{own.key.id.hex()}+{material}"


def logs_of(home: WitnessHome, vkeys: Iterable[str] = (), lists: Iterable[Path] = ()) -> Logs:
    """The logs of the home's own list, of other lists and of vkeys, together.

    Raises NotFound for a list that can't be read, Malformed for one that is none.
    """
    found = [known_logs.of_vkey(vkey) for vkey in vkeys]
    own = [home.logs] if home.logs.exists() else []
    for path in (*own, *lists):
        try:
            octets = path.read_bytes()
        except OSError as error:
            raise NotFound(
                f"{path}: expected a list of logs, found none that can be read ({error.strerror})"
            ) from None
        found += known_logs.decode(octets)
    return known_logs.by_origin(found)


def open_cosigned(home: WitnessHome, stack: ExitStack, *, mounts: Path = MOUNTS) -> CosignedFiles:
    """What the witness has cosigned, for this process alone until the stack ends.

    Raises Busy where another process has it.
    """
    refuse_network(home.directory, mounts=mounts)
    lock = FileLock(home.lock)
    stack.callback(lock.close)
    if not lock.try_exclusive():
        raise Busy(f"{home.directory}: this witness runs already, in another process; stop that")
    return CosignedFiles(home.directory)
