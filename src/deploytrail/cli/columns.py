"""Text set in columns of a terminal: measured, wrapped, clipped.

Pure. A Chinese character takes two columns and a combining mark none (UAX #11). What comes in has
been made printable.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

GAP: Final = 2


def cells(text: str) -> int:
    """How many columns the text takes."""
    return len(text) if text.isascii() else sum(map(_cells_of, text))


def _cells_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def clipped(text: str, width: int) -> str:
    """The beginning of the text, with an ellipsis where something is missing."""
    if cells(text) <= width:
        return text
    return f"{_beginning(text, width - 1)}…"


def _beginning(text: str, width: int) -> str:
    taken = 0
    for at, character in enumerate(text):
        taken += _cells_of(character)
        if taken > width:
            return text[:at]
    return text


def padded(text: str, width: int) -> str:
    return text + " " * (width - cells(text))


def wrapped(text: str, width: int, *, lines_max: int) -> list[str]:
    """The text in lines of at most `width` columns, broken at blanks where there are any.

    Never empty; the last of `lines_max` lines ends in an ellipsis where there is more.
    """
    lines: list[str] = []
    rest = text
    while cells(rest) > width and len(lines) < lines_max - 1:
        head = _beginning(rest, width)
        blank = rest.rfind(" ", 0, len(head) + 1)
        word = rest[blank + 1 :].partition(" ")[0]
        # A word that would not fit on a line of its own is broken rather than moved.
        cut = blank if blank > 0 and cells(word) <= width else len(head)
        lines.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return [*lines, clipped(rest, width)]


def widths(
    rows: Sequence[Sequence[str]], *, limits: Sequence[int], flexible: int, total: int
) -> list[int]:
    """The width of each column: what its texts need, up to its limit; 0 where all are empty.

    The flexible column gets what the others and the gaps leave of `total`, and at least 16.
    """
    needed = [
        min(max((cells(row[at]) for row in rows), default=0), limit)
        for at, limit in enumerate(limits)
    ]
    others = sum(need + GAP for at, need in enumerate(needed) if at != flexible and need)
    needed[flexible] = max(total - others, 16)
    return needed
