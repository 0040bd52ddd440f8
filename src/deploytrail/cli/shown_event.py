"""An entry as `log` and `show` print it: the parts of its event.

Pure. Foreign text is made printable here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from deploytrail.actions import summary
from deploytrail.printable import printable
from deploytrail.sentence import actor

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
