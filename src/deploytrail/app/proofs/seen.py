"""The checkpoint that a server hands out, held against what was seen of its log here before.

It says that the log was not set back and is still being signed; not that its entries are what was
signed, which is for `verify`.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final, Literal, NamedTuple

from msgspec import structs

from deploytrail.app.proofs.trust import aged
from deploytrail.errors import (
    EXIT_INCOMPLETE,
    EXIT_OK,
    EXIT_TAMPERED,
    EXIT_USAGE,
    Malformed,
    PolicyUnmet,
    Tampered,
)
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import note as notes
from deploytrail.log.checkpoint import Checkpoint
from deploytrail.log.note import Note
from deploytrail.log.policy import NO_QUORUM
from deploytrail.sentence import counted
from deploytrail.stores import kept
from deploytrail.stores.kept import Kept

_AGE_SECONDS_MAX: Final = 300
"""Who publishes signs at least every minute, also where nothing comes in."""


class Looked(NamedTuple):
    """What is to be said of a checkpoint; `exit_code` as `verify` would end."""

    state: Literal["ok", "note", "bad"]
    found: str
    advice: str = ""
    exit_code: int = EXIT_OK


def looked_at(octets: bytes, *, states: Path, now: datetime) -> Looked:
    """Raises Misconfigured where what was kept can't be read, and nothing else."""
    try:
        note = notes.decode(octets)
        found = checkpoints.decode(note.text)
        known = kept.load(states, found.origin)
    except Malformed as error:
        return Looked(
            "bad", str(error), "see whether something between changes what it sends", EXIT_USAGE
        )
    size = counted(found.size, "entry")
    if known is None:
        return Looked(
            "note",
            f"of {size}; nothing of this log was seen here before, so its key is not known",
            "'deploytrail verify' checks all of it, with --policy against the key that you were "
            "given, and keeps what it saw",
        )
    return _against(known, note, found, now)


def _against(known: Kept, note: Note, found: Checkpoint, now: datetime) -> Looked:
    advice = "keep what you have, and compare: 'deploytrail verify' of this server says more"
    try:
        signed = structs.replace(known.policy, quorum=NO_QUORUM).evaluate(note)
    except (PolicyUnmet, Tampered) as error:
        return Looked(
            "bad", f"not signed by the key that was seen before: {error}", advice, EXIT_TAMPERED
        )
    before = known.checkpoint
    if found.size < before.size:
        why = f"of {found.size} entries; it had {before.size} when it was last seen here"
        return Looked("bad", why, f"it was set back, or lost some; {advice}", EXIT_INCOMPLETE)
    if found.size == before.size and found.root != before.root:
        return Looked(
            "bad", "of as many entries as were seen here, but others", advice, EXIT_TAMPERED
        )
    times = [when for when in signed.witnesses.values() if when is not None]
    age = aged(max(times, default=None), _AGE_SECONDS_MAX, now)
    if age.exit_code:
        return Looked("bad", age.why, "see whether its follow process runs", age.exit_code)
    size = counted(found.size, "entry")
    if not known.policy.is_met(signed.witnesses):
        return Looked(
            "note",
            f"of {size}, by the key that was seen before, but not yet by a quorum of its witnesses",
            "ask again in a minute; by then an event, audit.witness.delayed, says who is late",
        )
    return Looked("ok", f"of {size}, by the key that was seen before, and no older than what was")
