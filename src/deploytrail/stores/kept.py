"""The highest checkpoint that this user has seen of a log, kept outside the log.

A log that was set back to an older copy can't be found out from inside. One small file per origin
in the user's state directory, replaced atomically.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from deploytrail.errors import Malformed, Misconfigured
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import note, policy
from deploytrail.log.checkpoint import Checkpoint
from deploytrail.log.policy import Policy
from deploytrail.stores.files import make_directory, replace_file

_BETWEEN = b"\n---\n"


class Kept(NamedTuple):
    """A checkpoint that was accepted, verbatim, and the policy under which it was."""

    checkpoint: Checkpoint
    note: bytes
    policy: Policy


def state_directory(environment: Mapping[str, str]) -> Path:
    """`$XDG_STATE_HOME/deploytrail`, by default below `~/.local/state`."""
    home = environment.get("XDG_STATE_HOME") or ""
    base = Path(home) if home.startswith("/") else Path.home() / ".local" / "state"
    return base / "deploytrail"


def load(directory: Path, origin: str) -> Kept | None:
    """What was kept of an origin, or None.

    Raises Malformed for a file that we did not write, Misconfigured where it can't be read: nobody
    may believe then that nothing was seen.
    """
    path = _path(directory, origin)
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
    """Keep it, durably. Whoever calls has verified that it is consistent with what was kept.

    Raises Misconfigured where the file can't be written.
    """
    head = policy.encode(kept.policy).removesuffix(b"\n")
    try:
        if not directory.exists():
            make_directory(directory)
        replace_file(_path(directory, kept.checkpoint.origin), head + _BETWEEN + kept.note)
    except OSError as error:
        raise Misconfigured(
            f"{directory}: expected to keep the newest checkpoint there, but {error.strerror}; the "
            "log itself has it. Set XDG_STATE_HOME to a directory that can be written"
        ) from None


def _path(directory: Path, origin: str) -> Path:
    return directory / hashlib.sha256(origin.encode("utf-8")).hexdigest()
