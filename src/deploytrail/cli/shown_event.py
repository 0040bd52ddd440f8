"""An entry as `log` and `show` print it: the parts of its event, and its JSON.

Pure. Foreign text is made printable here; JSON is left as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from deploytrail.actions import summary
from deploytrail.event import EventId
from deploytrail.printable import printable
from deploytrail.sentence import actor
from deploytrail.trail import Receipt, Shown


def document(shown: Shown, origin: str) -> dict[str, Any]:
    """What `--json` says of an entry; names only ever get more."""
    return {
        "id": shown.event["id"],
        "index": shown.index,
        "leaf": shown.leaf,
        "summary": summary(shown.event),
        "event": shown.event,
        "withheld": shown.withheld,
        "receipt": receipt_of(shown, origin),
    }


def receipt_of(shown: Shown, origin: str) -> Receipt:
    """The receipt of an entry that stands in the log: the one that its sender got."""
    return Receipt(
        origin=origin,
        id=EventId(str(shown.event["id"])),
        index=shown.index,
        leaf=shown.leaf,
        size=shown.index + 1,
        logged=str(shown.event["logged"]),
    )


CLAIMED: Final = " (claimed)"
"""Stands behind an actor whose identity nobody proved."""


def who(event: Mapping[str, Any]) -> str:
    return printable(actor(event, mark=CLAIMED))


def sentence(event: Mapping[str, Any]) -> str:
    """What happened, and by whom where the sentence begins with that."""
    said = summary(event)
    rest = said.removeprefix(actor(event))
    return printable(said) if rest == said else who(event) + printable(rest)


def what(event: Mapping[str, Any]) -> str:
    """The sentence, without who did it where it begins with that."""
    return printable(summary(event).removeprefix(f"{actor(event)} "))


def where(event: Mapping[str, Any], *, is_short: bool = False) -> str:
    """`environment project/unit`, as far as it is known; the first of the two if it is short."""
    place = event.get("where")
    if not isinstance(place, Mapping):
        return ""
    unit = "/".join(str(place[name]) for name in ("project", "unit") if place.get(name))
    parts = [part for part in (str(place.get("environment") or ""), unit) if part]
    return printable(" ".join(parts[:1] if is_short else parts))
