"""What several events together say and none of them alone: an actor that appends it.

A merge past its protection, and a protection that was relaxed for a merge and restored behind it.
Only what stands clear in entries is looked at: who it was, the events that are named say.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec

from deploytrail.actions import OWN_TOOL
from deploytrail.clock import Clock
from deploytrail.event import Actor, Event, EventId, Links, Reason, Source, Target
from deploytrail.follow.actor import Consequence, Seen
from deploytrail.log.reading import entries_from
from deploytrail.log.store import Reader, Reading
from deploytrail.trail import LOCAL_INSTANCE

NAME: Final = "inferring"
VERSION: Final = 1
OVERRIDE: Final = timedelta(minutes=5)
"""So far apart at most are a merge and the note that its protection was overridden."""
RELAXED: Final = timedelta(hours=1)
"""So long at most is a protection relaxed for a merge that is inferred from it."""
WINDOW_MAX: Final = 2_000
"""Of the events that may be looked back at."""
_LOOKED_BACK_MAX: Final = 20_000
_MERGES_MAX: Final = 16

_MERGED: Final = frozenset({"code.change.merged", "code.pushed", "code.push.forced"})
_LOOSENED: Final = frozenset(
    {
        "code.protection.updated",
        "code.protection.deleted",
        "code.ruleset.updated",
        "code.ruleset.deleted",
    }
)
_RESTORED: Final = frozenset(
    {
        "code.protection.created",
        "code.protection.updated",
        "code.ruleset.created",
        "code.ruleset.updated",
    }
)
_OVERRIDDEN: Final = "code.protection.bypassed"
_WANTED: Final = _MERGED | _LOOSENED | _RESTORED | {_OVERRIDDEN}


class _Clear(NamedTuple):
    """What of an event is looked at."""

    id: str
    action: str
    time: datetime
    repository: str
    change: str | None
    targets: frozenset[str]


class Inferring:
    """`follow.actor.Actor`. After a start it looks back for what it needs, so nothing is missed."""

    version = VERSION
    name = NAME

    def __init__(self, reading: Reading[Reader], clock: Clock, close: Callable[[], None]) -> None:
        self._reading = reading
        self._clock = clock
        self._close = close
        self._window: deque[_Clear] = deque(maxlen=WINDOW_MAX)
        self._next: int | None = None
        """What it is shown next, where nothing comes between."""

    def begins(self, size: int) -> int:
        """History is left alone."""
        return size

    def act(self, seen: Sequence[Seen]) -> Sequence[Consequence]:
        if seen and seen[0].entry_index != self._next:
            # The first, or again, or another node went on meanwhile.
            self._window = deque(self._before(seen[0].entry_index), WINDOW_MAX)
        drawn = []
        for entry_index, _, fields in seen:
            self._next = entry_index + 1
            found = _clear(fields)
            if found is not None:
                drawn += [Consequence(entry_index, one) for one in self._consequences(found)]
                self._window.append(found)
        return drawn

    def close(self) -> None:
        self._close()

    def _before(self, index: int) -> Iterator[_Clear]:
        with self._reading() as reader:
            for _, octets in entries_from(reader, max(0, index - _LOOKED_BACK_MAX), index):
                if b'"action":"code.' in octets:
                    found = _clear(msgspec.json.decode(octets))
                    if found is not None:
                        yield found

    def _consequences(self, new: _Clear) -> Iterator[Event]:
        near = [one for one in self._window if one.repository == new.repository]
        if new.action == _OVERRIDDEN or new.action in _MERGED:
            yield from self._overridden(new, near)
        if new.action in _RESTORED:
            yield from self._restored(new, near)

    def _overridden(self, new: _Clear, near: Sequence[_Clear]) -> Iterator[Event]:
        """A merge, and the word of its tool that somebody overrode a protection then.

        An override is drawn upon once: a merge is told beside its push, and others may follow.
        """
        close = [one for one in near if abs(one.time - new.time) <= OVERRIDE]
        merges = [one for one in close if one.action in _MERGED]
        if new.action == _OVERRIDDEN:
            named = [one for one in merges if one.change is not None] or merges
            if named:
                merge = min(named, key=lambda one: abs(one.time - new.time))
                yield self._bypassed(merge, merge, new)
            return
        for override in (one for one in close if one.action == _OVERRIDDEN):
            if not any(abs(one.time - override.time) <= OVERRIDE for one in merges):
                yield self._bypassed(new, override, new)
                return

    def _bypassed(self, merge: _Clear, *causes: _Clear) -> Event:
        text = "its tool told of an overridden protection at the same time"
        return self._event("code.merge.bypassed", merge, causes, text)

    def _restored(self, new: _Clear, near: Sequence[_Clear]) -> Iterator[Event]:
        """A protection that is as it was, merges before, and before them its loosening."""
        since = new.time - RELAXED
        loosened = [
            one
            for one in near
            if one.action in _LOOSENED and one.targets & new.targets and since <= one.time
        ]
        if not loosened:
            return
        first = loosened[-1]
        merges = [
            one for one in near if one.action in _MERGED and first.time <= one.time <= new.time
        ][:_MERGES_MAX]
        if merges:
            minutes = round((new.time - first.time).total_seconds() / 60)
            text = f"its protection was changed before it and again {minutes} minutes later"
            yield self._event("code.protection.bypassed", merges[0], [first, *merges, new], text)

    def _event(self, action: str, merge: _Clear, causes: Sequence[_Clear], text: str) -> Event:
        target = merge.change or merge.repository
        return Event(
            id=self._clock.event_id(),
            action=action,
            outcome="success",
            time=merge.time,
            actor=Actor(type="system", id="deploytrail:inferring"),
            source=Source(tool=OWN_TOOL, instance=LOCAL_INSTANCE),
            targets=(Target(type="change_request" if merge.change else "repository", id=target),),
            links=Links(
                repository=merge.repository,
                change_request=merge.change,
                caused_by=tuple(dict.fromkeys(EventId(one.id) for one in causes)),
            ),
            reason=Reason(from_="none", text=f"inferred: {text}"),
        )


def _clear(fields: Mapping[str, object]) -> _Clear | None:
    """What an entry says, None where it is of no matter here."""
    action = fields.get("action")
    links: Any = fields.get("links")
    if action not in _WANTED or not isinstance(links, dict) or not links.get("repository"):
        return None
    source: Any = fields.get("source")
    if not isinstance(source, dict) or source.get("tool") == OWN_TOOL:
        return None
    targets: Any = fields.get("targets") or ()
    ids = frozenset(str(one["id"]) for one in targets if isinstance(one, dict) and "id" in one)
    return _Clear(
        str(fields["id"]),
        str(action),
        datetime.fromisoformat(str(fields["time"])),
        str(links["repository"]),
        links.get("change_request"),
        ids,
    )
