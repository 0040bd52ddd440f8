"""What happened, as a table for people and as columns for `cut` and `awk`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, Final

from deploytrail.cli.columns import GAP, clipped, padded, widths, wrapped
from deploytrail.cli.finding import SHORT
from deploytrail.cli.shown_event import CLAIMED, sentence, what, where, who
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
_WHO: Final = 2
_WHAT: Final = 3
"""The column that takes what the others leave."""
_WHERE: Final = 4
_LIMITS: Final = (
    # Time, outcome, who, what, where, id.
    (100, (8, 1, 28, 160, 36, SHORT)),
    (72, (8, 1, 19, 160, 10, SHORT)),
    (60, (8, 1, 19, 160, 0, SHORT)),
    (0, (8, 1, 0, 160, 0, SHORT)),
)
"""How wide each column may be on a terminal of so many columns or more; 0 leaves it out."""
_WHOLE_PLACE: Final = 20
"""Columns in which environment, project and unit are worth to be told."""
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
    limits = next(limits for least, limits in _LIMITS if total >= least)
    rows = [_row(each.event, limits) for each in first]
    taken = widths(rows, limits=limits, flexible=_WHAT, total=total)
    today = ""
    for shown in chain(first, rest):
        day = str(shown.event.get("time"))[:10]
        if day != today:
            yield ("" if not today else "\n") + styled(f"{day} UTC", "bold")
            today = day
        yield from _lines(_row(shown.event, limits), taken, _mark(shown.event)[1])


def _row(event: Mapping[str, Any], limits: Sequence[int]) -> Sequence[str]:
    """The texts of one event by column.

    Narrow terminals get the environment alone as its place, since most sentences name the unit;
    where there is no column for who it was, the sentence says it.
    """
    has_who = limits[_WHO] > 0
    return (
        str(event.get("time"))[11:19],
        _mark(event)[0],
        who(event) if has_who else "",
        what(event) if has_who else sentence(event),
        where(event, is_short=limits[_WHERE] < _WHOLE_PLACE) if limits[_WHERE] else "",
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
