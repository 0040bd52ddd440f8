"""What is declared, as state of the trail: applied with the events that tell of it, or not at all.

The state is one row, set in the commit of its event, which names it by its digest: a row that
somebody wrote by another way declares nothing, and is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct, structs

from deploytrail.actions import OWN_TOOL
from deploytrail.app.access import vouching
from deploytrail.app.access.vouching import Row
from deploytrail.app.events.recording import Recorder, submission
from deploytrail.clock import Clock
from deploytrail.errors import Tampered
from deploytrail.event import Actor, Change, Event, Reason, Source, Target
from deploytrail.intake import declared
from deploytrail.intake.connections import Offers, Stanza
from deploytrail.intake.declared import KIND, NOTHING, Declared, changes
from deploytrail.intake.fitting import fitted
from deploytrail.log.commit import StateChange
from deploytrail.log.store import Reader, StateRow
from deploytrail.redacted_event import masked
from deploytrail.trail import LOCAL_INSTANCE, Receipt

ROW: Final = "declared"
Reading = Callable[[], AbstractContextManager[Reader]]


class _Kept(Struct, frozen=True, kw_only=True):
    """The row: which time it was set, when, and what is declared, as `declared.encode` has it."""

    edition: int
    made: datetime
    declared: msgspec.Raw


class Applied(NamedTuple):
    """What is declared, and the row that says so; None where nothing ever was."""

    declared: Declared
    row: bytes | None

    @property
    def edition(self) -> int:
        return 0 if self.row is None else _kept(self.row).edition


def applied(reading: Reading, offers: Offers) -> Applied:
    """What is in force. Raises Tampered where no event vouches for it, Misdeclared where a newer
    version of this program applied it.
    """
    with reading() as reader:
        row = reader.state(KIND).get(ROW)
        if row is None and vouching.is_unset(reader, KIND, ROW):
            return Applied(NOTHING, None)
    if row is None:
        raise Tampered(
            "config: expected what was applied, as the log tells, found no row of it: somebody "
            "took it away; restore a backup, and see what 'verify' says"
        )
    kept = _kept(row)
    if ROW not in vouching.vouched(reading, KIND, [Row(ROW, row, kept.edition, kept.made)]):
        raise Tampered(
            "config: expected what an event of the log vouches for, found a row that none does; "
            "restore a backup, and see what 'verify' says"
        )
    return Applied(declared.decode(bytes(kept.declared), offers), row)


def apply(
    recorder: Recorder,
    before: Applied,
    new: Declared,
    *,
    clock: Clock,
    by: Actor,
    reason: str | None = None,
) -> list[Receipt]:
    """The receipts of the events that tell of the difference, durable together with it; none where
    there is none. The first is that of the whole.

    Raises Conflict where somebody else applied something since `before` was read.
    """
    different = changes(before.declared, new)
    if not different and before.row is not None:
        return []
    kept = _Kept(
        edition=before.edition + 1, made=clock.now(), declared=msgspec.Raw(declared.encode(new))
    )
    value = msgspec.json.encode(kept)
    whole = _event(clock, by, "audit.config.applied", reason)
    whole = structs.replace(
        whole,
        source=vouching.source(KIND, ROW, kept.edition),
        targets=(vouching.target(KIND, ROW, value),),
        changes=different,
    )
    told = [whole, *_connections(before.declared, new, clock, by, reason)]
    row = StateChange(StateRow(KIND, ROW, before.row), StateRow(KIND, ROW, value))
    return recorder.record_with([submission(fitted(_masked(one))) for one in told], [row])


def _kept(row: bytes) -> _Kept:
    try:
        return msgspec.json.decode(row, type=_Kept)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Tampered(
            "config: expected what is declared, found a row that can't be read"
        ) from None


def _masked(event: Event) -> Event:
    # A command that prints a secret may itself name one.
    return masked(event, lambda _path, _value: "0" * 24)


def _connections(
    old: Declared, new: Declared, clock: Clock, by: Actor, reason: str | None
) -> Iterator[Event]:
    """An event for each connection that comes, goes, rests or is another than it was."""
    for name in sorted({*old.connections, *new.connections}):
        before, after = old.connections.get(name), new.connections.get(name)
        for action in _happened(before, after):
            event = _event(clock, by, action, reason)
            yield structs.replace(
                event,
                targets=(Target(type="connection", id=name),),
                changes=_of_connection(name, old, new),
            )


def _happened(before: Stanza | None, after: Stanza | None) -> Iterator[str]:
    if before is None or after is None:
        if before is not after:
            what = "created" if before is None else "removed"
            yield f"integration.connection.{what}"
        return
    if before.enabled != after.enabled:
        yield f"integration.connection.{'resumed' if after.enabled else 'paused'}"
    if before.secrets != after.secrets:
        yield "integration.credential.rotated"
    same = {"enabled": before.enabled, "secrets": before.secrets}
    if structs.replace(after, **same) != before:
        yield "integration.connection.updated"


def _of_connection(name: str, old: Declared, new: Declared) -> tuple[Change, ...]:
    some = [each._replace(places=NOTHING.places) for each in (old, new)]
    some = [
        each._replace(
            connections={one: kept for one, kept in each.connections.items() if one == name}
        )
        for each in some
    ]
    return changes(*some)


def _event(clock: Clock, by: Actor, action: str, reason: str | None) -> Event:
    return Event(
        id=clock.event_id(),
        action=action,
        outcome="success",
        time=clock.now(),
        actor=by,
        source=Source(tool=OWN_TOOL, instance=LOCAL_INSTANCE),
        reason=Reason(from_="stated", text=reason) if reason else None,
    )
