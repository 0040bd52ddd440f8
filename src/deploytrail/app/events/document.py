"""An entry as programs are given it, on the command line and over HTTP alike.

Pure.
"""

from __future__ import annotations

from typing import Any

from deploytrail.actions import summary
from deploytrail.event import EventId
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
