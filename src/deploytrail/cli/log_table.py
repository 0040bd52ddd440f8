"""What happened, as a table for people and as columns for `cut` and `awk`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, Final

from deploytrail.cli.columns import GAP, clipped, padded, widths, wrapped
from deploytrail.cli.finding import SHORT
from deploytrail.cli.shown_event import CLAIMED, what, where, who
from deploytrail.cli.terminal import styled, width
from deploytrail.trail import Shown

_MEASURED: Final = 200
"""As many rows decide about the columns; the rest is set as it comes."""
_MARKS: Final = {
    "success": ("✓", "green"),
    "failure": ("✗", "red"),
    "denied": ("✗", "red"),
    "pending": ("…", "yellow"),
    "partial": ("!", "yellow"),
}
_UNKNOWN: Final = ("?", "dim")
_WHAT: Final = 3
"""The column that takes what the others leave."""
_WIDE: Final = 100
_LINES_MAX: Final = 3


def columns(shown: Shown) -> str:
    """Time, outcome, who, what, where and id, with tabs between them."""
    event = shown.event
    return "\t".join(
        (
            str(event.get("time")),
            str(event.get("outcome")),
            who(event),
            what(event),
            where(event),
            str(event["id"]),
        )
    )


def table(events: Iterable[Shown]) -> Iterator[str]:
    """Lines for a terminal as wide as ours, with a heading for every day, in UTC."""
    rest = iter(events)
    first = list(islice(rest, _MEASURED))
    total = width()
    is_wide = total >= _WIDE
    limits = (8, 1, 28 if is_wide else 19, total, 36 if is_wide else 10, SHORT)
    rows = [_row(each.event, is_wide=is_wide) for each in first]
    taken = widths(rows, limits=limits, flexible=_WHAT, total=total)
    today = ""
    for shown in chain(first, rest):
        day = str(shown.event.get("time"))[:10]
        if day != today:
            yield ("" if not today else "\n") + styled(f"{day} UTC", "bold")
            today = day
        yield from _lines(_row(shown.event, is_wide=is_wide), taken, _mark(shown.event)[1])


def _row(event: Mapping[str, Any], *, is_wide: bool) -> Sequence[str]:
    """The texts of one event by column. Narrow terminals get the environment alone as its place.

    Most sentences name the unit anyway.
    """
    return (
        str(event.get("time"))[11:19],
        _mark(event)[0],
        who(event),
        what(event),
        where(event, is_short=not is_wide),
        str(event["id"])[-SHORT:],
    )


def _mark(event: Mapping[str, Any]) -> tuple[str, str]:
    return _MARKS.get(str(event.get("outcome")), _UNKNOWN)


def _lines(row: Sequence[str], taken: Sequence[int], colour: str) -> Iterator[str]:
    styles = ("dim", colour, "cyan", "", "", "dim")
    texts = wrapped(row[_WHAT], taken[_WHAT], lines_max=_LINES_MAX)
    parts = []
    for at, limit in enumerate(taken):
        if limit:
            text = texts[0] if at == _WHAT else _fitting(row[at], limit)
            parts.append(styled(padded(text, limit), styles[at]))
    yield (" " * GAP).join(parts).rstrip()
    indent = sum(limit + GAP for limit in taken[:_WHAT] if limit)
    for text in texts[1:]:
        yield " " * indent + text


def _fitting(text: str, limit: int) -> str:
    """Clipped, but for the mark behind a claimed name: without it, it would look proven."""
    if not text.endswith(CLAIMED):
        return clipped(text, limit)
    return clipped(text.removesuffix(CLAIMED), limit - len(CLAIMED)) + CLAIMED
