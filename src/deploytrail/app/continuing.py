"""Go on after a log that was lost or set back: a successor, whose first entry says after what.

The successor's origin is the old one's with the last number raised, so that nobody takes one for
the other.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from deploytrail.actions import OWN_TOOL
from deploytrail.app import home as homes
from deploytrail.app.directory import DirectoryTrail, open_directory
from deploytrail.clock import Clock, SystemClock
from deploytrail.errors import Malformed, NotFound, SenderError
from deploytrail.event import Actor, Event, Reason, Source, Target
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import note
from deploytrail.trail import LOCAL_INSTANCE, Receipt


def successor(origin: str) -> str:
    """`…/1` to `…/2`; raises Malformed for an origin that does not end in its number."""
    head, slash, number = origin.rpartition("/")
    if not slash or not number.isascii() or not number.isdigit() or number != str(int(number)):
        raise Malformed(
            f"origin: expected one that ends in /<number>, found {origin[:80]!r}; "
            "give the new one with --origin"
        )
    return f"{head}/{int(number) + 1}"


def continue_after(
    old_note: Path,
    directory: Path | None,
    *,
    actor: Actor,
    reason: str | None,
    origin: str | None = None,
    clock: Clock | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[DirectoryTrail, Receipt]:
    """Make a trail that goes on after the checkpoint in `old_note`; the trail is open on return.

    The first entry carries the old checkpoint verbatim: what of the old log lies behind it is
    lost, and whoever holds a receipt from there can show that. Raises NotFound or Malformed where
    the note can't be read, Conflict where the directory has a trail.
    """
    environment = os.environ if environment is None else environment
    clock = SystemClock() if clock is None else clock
    try:
        octets = old_note.read_bytes()
    except OSError as error:
        raise NotFound(f"{old_note}: expected a checkpoint, but {error.strerror}") from None
    old = checkpoints.decode(note.decode(octets).text)
    home = homes.find(directory, environment)
    homes.create(home, clock=clock, environment=environment, origin=origin or successor(old.origin))
    trail = open_directory(home.directory, create=False, clock=clock, environment=environment)
    event = Event(
        id=clock.event_id(),
        action="audit.trail.continued",
        outcome="success",
        time=clock.now(),
        actor=actor,
        source=Source(tool=OWN_TOOL, instance=LOCAL_INSTANCE),
        targets=(
            Target(
                type="checkpoint",
                id=octets.decode("utf-8"),
                digest=f"sha256:{old.root.hex()}",
            ),
        ),
        reason=Reason(from_="stated", text=reason) if reason else Reason(from_="none"),
    )
    (answer,) = trail.record([event])
    if isinstance(answer, SenderError):
        trail.close()
        raise answer
    trail.publish()
    return trail, answer
