"""The highest checkpoint that this user has seen of a log, kept outside the log.

A log that was set back to an older copy can't be found out from inside. One small file per origin
in the user's state directory, replaced atomically.
"""

from __future__ import annotations

import errno
import hashlib
import os
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from deploytrail.errors import Malformed, Misconfigured
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import note, policy
from deploytrail.log.checkpoint import Checkpoint
from deploytrail.log.policy import Policy
from deploytrail.stores.files import make_directory, replace_file
from deploytrail.stores.sqlite.locks import FileLock

_BETWEEN: Final = b"\n---\n"
_LOCK_SECONDS_MAX: Final = 10


class Kept(NamedTuple):
    """A checkpoint that was accepted, verbatim, and the policy under which it was."""

    checkpoint: Checkpoint
    note: bytes
    policy: Policy


def load(directory: Path, origin: str) -> Kept | None:
    """What was kept of an origin, or None.

    Raises Malformed for a file that we did not write, Misconfigured where it can't be read: nobody
    may believe then that nothing was seen.
    """
    path = kept_file(directory, origin)
    try:
        octets = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Misconfigured(
            f"{path}: expected what was seen of this log before, but {error.strerror}; mend its "
            "permissions, or set XDG_STATE_HOME to another directory"
        ) from None
    head, between, tail = octets.partition(_BETWEEN)
    if not between:
        raise Malformed(f"{path}: expected a policy and a checkpoint; remove it to start afresh")
    parsed = checkpoints.decode(note.decode(tail).text)
    return Kept(parsed, tail, policy.decode(head + b"\n"))


def replace(directory: Path, kept: Kept) -> None:
    """Keep it, durably, unless another process has kept a higher one meanwhile.

    Whoever calls has verified that it is consistent with what was kept. Raises Misconfigured where
    the file can't be written, Busy where another process takes too long to write it.
    """
    origin = kept.checkpoint.origin
    refuse_unwritable(directory)
    octets = policy.encode(kept.policy).removesuffix(b"\n") + _BETWEEN + kept.note
    try:
        one = FileLock(directory, is_directory=True)
        with closing(one), one.held(seconds_max=_LOCK_SECONDS_MAX):
            known = load(directory, origin)
            if known is None or known.checkpoint.size <= kept.checkpoint.size:
                replace_file(kept_file(directory, origin), octets)
    except OSError as error:
        raise _unwritable(directory, error) from None


def refuse_unwritable(directory: Path) -> None:
    """Raise Misconfigured where nothing can be kept; the directory is made where there is none.

    Whoever runs for long asks before: nothing that is signed later could be kept.
    """
    try:
        if not directory.exists():
            make_directory(directory)
        if not os.access(directory, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise _unwritable(directory, error) from None


def _unwritable(directory: Path, error: OSError) -> Misconfigured:
    return Misconfigured(
        f"{directory}: expected to keep the newest checkpoint there, but {error.strerror}; the "
        "log itself has it. Set XDG_STATE_HOME to a directory that can be written"
    )


def note_in(octets: bytes) -> bytes:
    """The checkpoint of a file that may be one of ours; any other is the checkpoint itself."""
    _, between, tail = octets.partition(_BETWEEN)
    return tail if between else octets


def kept_file(directory: Path, origin: str) -> Path:
    """Where it is kept what was seen of an origin."""
    return directory / hashlib.sha256(origin.encode("utf-8")).hexdigest()
