"""On which line of a TOML text something stands, which the parser does not tell.

Pure.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any, Final

Path = tuple[str | int, ...]
"""Names of tables and values, and positions in lists, from the top."""
_PARSED_MAX: Final = 64


def line_at(text: str, path: Path) -> int | None:
    """The line, from 1, with which the statement begins that first says a path; None where it says
    none, or where that can't be told in reasonable time.

    What stands before a statement is TOML by itself, and says less: so the place is halved again
    and again until one statement is left.
    """
    lines = text.split("\n")
    if not _says(_parsed(lines), path):
        return None
    low, high, left = 0, len(lines), [_PARSED_MAX]
    while high - low > 1:
        middle = _standing(lines, (low + high) // 2, high, left)
        if middle is None:
            # Nothing that begins in the upper half ends before its end.
            middle = _standing_below(lines, (low + high) // 2, low, left)
            if middle is None or middle == low:
                break
        if _says(_parsed(lines[:middle]), path):
            high = middle
        else:
            low = middle
    return low + 1 if left[0] > 0 else None


def _standing(lines: Sequence[str], begin: int, end: int, left: list[int]) -> int | None:
    """The first number of lines from `begin` on, below `end`, that is TOML by itself."""
    return _first(lines, range(begin, end), left)


def _standing_below(lines: Sequence[str], begin: int, low: int, left: list[int]) -> int | None:
    return _first(lines, range(begin - 1, low, -1), left)


def _first(lines: Sequence[str], counts: Sequence[int], left: list[int]) -> int | None:
    for count in counts:
        left[0] -= 1
        if left[0] <= 0:
            return None
        if _parsed(lines[:count]) is not None:
            return count
    return None


def _parsed(lines: Sequence[str]) -> Any:
    try:
        return tomllib.loads("\n".join(lines))
    except (ValueError, RecursionError):
        return None


def _says(value: Any, path: Path) -> bool:
    for step in path:
        is_there = step in value if isinstance(value, dict) else _has(value, step)
        if not is_there:
            return False
        value = value[step]
    return True


def _has(value: Any, step: str | int) -> bool:
    return isinstance(value, list) and isinstance(step, int) and step < len(value)
