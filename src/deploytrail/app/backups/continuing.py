"""Go on after a log that was lost or set back: a successor, whose first entry says after what.

The successor's origin is the old one's with the last number raised, so that nobody takes one for
the other.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from deploytrail import actions
from deploytrail.actions import OWN_TOOL
from deploytrail.app import home as homes
from deploytrail.app.events.recording import submission
from deploytrail.app.home import Home
from deploytrail.app.trails.directory import DirectoryTrail, open_directory
from deploytrail.clock import Clock, SystemClock
from deploytrail.errors import Conflict, Incomplete, Malformed, NotFound, SenderError, Tampered
from deploytrail.event import Actor, Event, Reason, Source, Target
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import note
from deploytrail.stores import kept
from deploytrail.trail import LOCAL_INSTANCE, Receipt
from deploytrail.xdg import state_directory

_ID_CHARACTERS_MAX: Final = 1024
"""What a target's id may have (event.py)."""


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

    It may be the file in which this user has kept the newest one seen. The first entry carries the
    old checkpoint with the log's own signatures: what of the old log
    lies behind it is lost, and whoever holds a receipt from there can show that. Before anything
    is made, raises NotFound or Malformed where the note can't be read or entered; where this user
    has seen the old log, Tampered or PolicyUnmet for a note that is not that log's, and Incomplete
    for one that is not the newest. Raises Conflict where the directory has a trail.

    Stopped before the entry, the next call goes on.
    """
    environment = os.environ if environment is None else environment
    clock = SystemClock() if clock is None else clock
    try:
        octets = old_note.read_bytes()
    except OSError as error:
        raise NotFound(
            f"{old_note}: expected a checkpoint, found none that can be read ({error.strerror}); "
            "name the file that holds it"
        ) from None
    found = note.decode(kept.note_in(octets))
    old = checkpoints.decode(found.text)
    _hold_against_seen(found, old, environment)
    new_origin = successor(old.origin) if origin is None else origin
    homes.refuse_origin(new_origin)
    event = _checked(_event(found, old, actor, reason, clock), clock)
    home = homes.find(directory, environment)
    with ExitStack() as opened:
        trail = opened.enter_context(_made(home, new_origin, clock, environment))
        (answer,) = trail.record([event])
        if isinstance(answer, SenderError):
            raise answer
        trail.publish()
        opened.pop_all()
    return trail, answer


def _made(home: Home, origin: str, clock: Clock, environment: Mapping[str, str]) -> DirectoryTrail:
    """The successor, open: new, or as an earlier call left it that was stopped before its entry."""
    try:
        homes.create(home, clock=clock, environment=environment, origin=origin)
    except Conflict:
        if not home.exists:
            raise
    trail = open_directory(home.directory, create=False, clock=clock, environment=environment)
    if trail.origin != origin or trail.size() > 0:
        trail.close()
        raise Conflict(f"{home.directory}: expected no trail, found one; name another directory")
    return trail


def _hold_against_seen(
    found: note.Note, old: checkpoints.Checkpoint, environment: Mapping[str, str]
) -> None:
    """What this user has kept of the old log is all that can tell whether a note is its."""
    if not any(one.name == old.origin for one in found.signatures):
        raise Malformed(f"note: expected a signature by {old.origin[:80]!r}, found others' alone")
    seen = kept.load(state_directory(environment), old.origin)
    if seen is None:
        return
    checkpoints.verify(found, [log.key for log in seen.policy.logs])
    if seen.checkpoint.size > old.size:
        raise Incomplete(
            f"note: expected the newest checkpoint of {old.origin}, which was seen here at size "
            f"{seen.checkpoint.size}, found one of size {old.size}; continue after the newest that "
            "anybody holds"
        )
    if seen.checkpoint.size == old.size and seen.checkpoint.root != old.root:
        raise Tampered(f"note: size {old.size} had another root when it was last seen")


def _event(
    found: note.Note,
    old: checkpoints.Checkpoint,
    actor: Actor,
    reason: str | None,
    clock: Clock,
) -> Event:
    own = tuple(one for one in found.signatures if one.name == old.origin)
    whole = note.encode(found).decode("utf-8")
    if len(whole) > _ID_CHARACTERS_MAX:
        whole = note.encode(note.Note(found.text, own)).decode("utf-8")
    return Event(
        id=clock.event_id(),
        action="audit.trail.continued",
        outcome="success",
        time=clock.now(),
        actor=actor,
        source=Source(tool=OWN_TOOL, instance=LOCAL_INSTANCE),
        targets=(Target(type="checkpoint", id=whole, digest=f"sha256:{old.root.hex()}"),),
        reason=Reason(from_="stated", text=reason) if reason else Reason(from_="none"),
    )


def _checked(event: Event, clock: Clock) -> Event:
    """The event, if it can be recorded; raises what would refuse it."""
    made = submission(event)
    if isinstance(made, SenderError):
        raise made
    actions.check(event, clock.now())
    return event
