"""An event by its id, or by as much of it as a person types.

Ids begin with their time and end at random, so `log` shows their ends on a terminal.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from deploytrail.errors import Malformed, NotFound
from deploytrail.event import EventId

if TYPE_CHECKING:
    from deploytrail.trail import Shown, TrailReader

SHORT: Final = 8
"""How many characters of an id's end `log` shows."""
_LOOKED_AT_MAX: Final = 10_000
_whole = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_part = re.compile(r"[0-9a-f-]{4,}").fullmatch


def asked(id: str | None, index: int | None) -> str | int:
    """The one of the two that was given; raises Malformed where it isn't one."""
    if index is not None and id is None:
        return index
    if id is not None and index is None:
        return id
    raise Malformed(
        f"ID: expected an event's id, or --index instead, found {'both' if id else 'neither'}; "
        "'deploytrail log' lists events"
    )


def find(trail: TrailReader, wanted: str | int) -> Shown:
    """The event of that id or index, or the only one of the newest whose id begins or ends so.

    Raises Malformed for what is no part of an id or of several, NotFound where there is none.
    """
    return trail.show(wanted) if isinstance(wanted, int) else _named(trail, wanted)


def _named(trail: TrailReader, text: str) -> Shown:
    wanted = text.strip().lower()
    if _whole(wanted):
        return trail.show(EventId(wanted))
    if not _part(wanted):
        raise Malformed(
            f"id: expected an event's id, or at least 4 characters of its beginning or end, found "
            f"{text[:60]!r}; 'deploytrail log' lists them"
        )
    newest = (str(shown.event["id"]) for shown in trail.newest(count=_LOOKED_AT_MAX))
    # Several entries may say one id: which of them it names is the trail's to say.
    found = list(dict.fromkeys(id for id in newest if id.startswith(wanted) or id.endswith(wanted)))
    if not found:
        raise NotFound(
            f"id {wanted}: no id of the newest {_LOOKED_AT_MAX} entries begins or ends so; "
            "'deploytrail log' lists them, and a whole id is found in any log"
        )
    if len(found) > 1:
        ids = ", ".join(found[:3])
        raise Malformed(
            f"id {wanted}: expected one event, found {len(found)} ({ids}"
            f"{', …' if len(found) > 3 else ''}); give more of it"
        )
    return trail.show(EventId(found[0]))
