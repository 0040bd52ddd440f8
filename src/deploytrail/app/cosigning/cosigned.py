"""What a witness of ours has cosigned of each log, and which of them it caught."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from msgspec import Struct

from deploytrail.app.cosigning.own_witness import WitnessHome
from deploytrail.clock import at_microseconds, rfc3339
from deploytrail.errors import DeploytrailError, Malformed, Tampered
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import note as notes
from deploytrail.log.known_logs import Logs
from deploytrail.log.note import Signer, VerifierKey
from deploytrail.stores.cosigned import CosignedFiles


class Fork(Struct, frozen=True, kw_only=True):
    """Two checkpoints of one size with different roots, both signed by the log."""

    size: int
    roots: tuple[str, str]
    file: str


class Cosigned(Struct, frozen=True, kw_only=True):
    """A log as the witness saw it last: `size`, `root` and `time` are None before that.

    `fault` says why what is stored can't be believed, empty where it can.
    """

    origin: str
    size: int | None = None
    root: str | None = None
    time: str | None = None
    fork: Fork | None = None
    fault: str = ""


def cosigned(home: WitnessHome, own: Signer, logs: Logs) -> list[Cosigned]:
    """Each known log, then those that were cosigned before. Raises Misconfigured without files."""
    files = CosignedFiles(home.directory)
    origins = dict.fromkeys([*logs, *(_origin(octets) for octets in files.all())])
    return [_of_log(files, own, origin, logs.get(origin, ())) for origin in origins]


def _origin(octets: bytes) -> str:
    try:
        return checkpoints.decode(notes.decode(octets).text).origin
    except DeploytrailError:
        # Which log it was of is told by its name alone, and that can't be read back.
        return "a log"


def _of_log(
    files: CosignedFiles, own: Signer, origin: str, keys: Sequence[VerifierKey]
) -> Cosigned:
    try:
        fork = _fork(files, origin, keys)
        octets = files.load(origin)
        if octets is None:
            return Cosigned(origin=origin, fork=fork)
        found, by = checkpoints.verified(notes.decode(octets), [own.key])
        if found.origin != origin or not by:
            raise Tampered("what is stored of it was not cosigned by this witness")
    except DeploytrailError as error:
        return Cosigned(origin=origin, fault=str(error))
    seconds = max(one.timestamp or 0 for one in by)
    time = None
    with suppress(OverflowError):
        time = rfc3339(at_microseconds(seconds * 1_000_000))
    return Cosigned(origin=origin, size=found.size, root=found.root.hex(), time=time, fork=fork)


def _fork(files: CosignedFiles, origin: str, keys: Sequence[VerifierKey]) -> Fork | None:
    """The proof that a log signed two histories, checked; raises Tampered for one that is none."""
    pair = files.fork(origin)
    if pair is None:
        return None
    if not keys:
        raise Malformed("two histories of it are stored, but its key is not known: give --log VKEY")
    before, now = (_signed(octets, keys) for octets in pair)
    if not before.origin == now.origin == origin or before.size != now.size:
        raise Malformed("what is stored as its two histories are not two of one log and size")
    if before.root == now.root:
        raise Malformed("what is stored as its two histories is one")
    where = str(files.fork_file(origin))
    return Fork(size=now.size, roots=(before.root.hex(), now.root.hex()), file=where)


def _signed(octets: bytes, keys: Sequence[VerifierKey]) -> checkpoints.Checkpoint:
    return checkpoints.verify(notes.decode(octets), keys)[0]
