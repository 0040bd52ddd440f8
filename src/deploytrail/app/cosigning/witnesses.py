"""The witnesses of a trail: named, taken off, listed, with an event for each decision."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from msgspec import Struct, structs

from deploytrail.actions import OWN_TOOL
from deploytrail.app.access import vouching
from deploytrail.app.cosigning import policies
from deploytrail.app.events.recording import Recorder, submission
from deploytrail.clock import Clock, at_microseconds, rfc3339
from deploytrail.event import Actor, Change, Event, Reason, Source, Target
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import note as notes
from deploytrail.log import policy as policy_format
from deploytrail.log.commit import StateChange
from deploytrail.log.policy import Policy, Witness
from deploytrail.log.reading import whole_note
from deploytrail.log.store import Reader, StateRow, Store
from deploytrail.trail import LOCAL_INSTANCE


class Listed(Struct, frozen=True, kw_only=True):
    """A witness of the trail, and the newest checkpoint that it cosigned, if it did."""

    name: str
    vkey: str
    url: str | None
    size: int | None
    time: str | None


class Witnesses:
    """Those of one store. Belongs to the thread of its recorder; `own` is the log's own policy."""

    def __init__(self, store: Store, recorder: Recorder, clock: Clock, own: Policy) -> None:
        self._store = store
        self._recorder = recorder
        self._clock = clock
        self._own = own

    def policy(self) -> Policy:
        """The policy in force."""
        return self._current().policy

    def add(
        self, vkey: str, url: str, *, name: str | None = None, quorum: str | None, by: Actor
    ) -> Policy:
        """The policy with a witness more, durable together with its event.

        Raises Malformed and Conflict for what can't be, and where the policy was changed meanwhile.
        """
        new = policies.witness(vkey, url)
        label = new.key.name if name is None else name
        was = self._current()
        after = policies.added(was.policy, _octets(label), new)
        event = self._event("audit.witness.added", by, _change(label, new=new), name=label)
        return self._set(was, _with_quorum(after, quorum), event)

    def remove(self, name: str, *, quorum: str | None, by: Actor, reason: str | None) -> Policy:
        """The policy without a witness; raises NotFound where there is none of that name."""
        was = self._current()
        after = policies.removed(was.policy, _octets(name))
        change = _change(name, old=was.policy.witnesses[_octets(name)])
        event = self._event("audit.witness.removed", by, change, name=name, reason=reason)
        return self._set(was, _with_quorum(after, quorum), event)

    def set_quorum(self, quorum: str, *, by: Actor, reason: str | None) -> Policy:
        """The policy with another quorum."""
        was = self._current()
        event = self._event("audit.policy.updated", by, reason=reason)
        return self._set(was, _with_quorum(was.policy, quorum), event)

    def listed(self) -> list[Listed]:
        """Those of the policy in force, in its order."""
        with self._store.reading() as reader:
            there = policies.outside(policies.in_force(reader, self._own))
            seen = _cosigned(reader, there)
        return [
            Listed(
                name=name.decode("utf-8", "backslashreplace"),
                vkey=notes.encode_vkey(one.key),
                url=None if one.url is None else one.url.decode("utf-8", "backslashreplace"),
                size=seen.get(name, (None, None))[0],
                time=seen.get(name, (None, None))[1],
            )
            for name, one in there.items()
        ]

    def _event(
        self,
        action: str,
        by: Actor,
        *changes: Change,
        name: str | None = None,
        reason: str | None = None,
    ) -> Event:
        return Event(
            id=self._clock.event_id(),
            action=action,
            outcome="success",
            time=self._clock.now(),
            actor=by,
            source=Source(tool=OWN_TOOL, instance=LOCAL_INSTANCE),
            targets=() if name is None else (Target(type="witness", id=name),),
            changes=changes,
            reason=Reason(from_="stated", text=reason) if reason else Reason(from_="none"),
        )

    def _set(self, was: _Stated, after: Policy, event: Event) -> Policy:
        """Set it with the event, which also says how the quorum changed; nothing changed, nothing
        set.
        """
        old, new = (str(policies.threshold(one)) for one in (was.policy, after))
        if old != new:
            quorum = Change(path="quorum", op="update", old=old, new=new)
            event = structs.replace(event, changes=(*event.changes, quorum))
        if not event.changes:
            return was.policy
        value = policy_format.encode(after)
        row = vouching.target(policies.KIND, policies.ID, value)
        event = structs.replace(event, targets=(*event.targets, row))
        state = StateChange(
            StateRow(policies.KIND, policies.ID, was.octets),
            StateRow(policies.KIND, policies.ID, value),
        )
        self._recorder.record_with([submission(event)], [state])
        return after

    def _current(self) -> _Stated:
        with self._store.reading() as reader:
            octets = reader.state(policies.KIND).get(policies.ID)
            return _Stated(octets, policies.in_force(reader, self._own))


class _Stated(NamedTuple):
    """What is stored, None for nothing, and what that means."""

    octets: bytes | None
    policy: Policy


def _octets(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _with_quorum(policy: Policy, quorum: str | None) -> Policy:
    return policy if quorum is None else policies.with_quorum(policy, quorum)


def _change(name: str, *, old: Witness | None = None, new: Witness | None = None) -> Change:
    return Change(
        path=f"witnesses.{name}",
        op="remove" if new is None else "add",
        old=None if old is None else _described(old),
        new=None if new is None else _described(new),
    )


def _described(one: Witness) -> str:
    """What is kept of a witness in its event, as JSON."""
    url = None if one.url is None else one.url.decode("utf-8", "backslashreplace")
    return msgspec.json.encode({"vkey": notes.encode_vkey(one.key), "url": url}).decode()


def _cosigned(reader: Reader, there: dict[bytes, Witness]) -> dict[bytes, tuple[int, str | None]]:
    """The newest size that each witness cosigned and when, among the newest checkpoints."""
    newest = reader.checkpoint()
    found: dict[bytes, tuple[int, str | None]] = {}
    if newest is None or not there:
        return found
    names = {one.key: name for name, one in there.items()}
    for size, octets in policies.newest_first(reader, newest.size):
        note = notes.decode(whole_note(reader, size, octets))
        for one in checkpoints.verified(note, names)[1]:
            found.setdefault(names[one.key], (size, _time(one.timestamp)))
        if len(found) == len(there):
            break
    return found


def _time(seconds: int | None) -> str | None:
    try:
        return None if seconds is None else rfc3339(at_microseconds(seconds * 1_000_000))
    except OverflowError:
        return None
