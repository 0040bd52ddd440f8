"""Terms of a query that are taken back, told from the options of a command line."""

from __future__ import annotations

import re
from typing import Final

_MARK: Final = "\x1f"
"""Begins no word that anybody types."""
_taken_back = re.compile(
    r'-(?!n[0-9]*\Z)[^-\W0-9][^=]*[:*].*|-["(].*|-(?!n[0-9]*\Z)\w{2,}'
).fullmatch


def taken_back(word: str) -> str:
    """A word such as -action:build.*, so marked that it is no option; any other as it is."""
    return f"{_MARK}{word}" if _taken_back(word) else word


def as_typed(word: str) -> str:
    """The reverse."""
    return word.removeprefix(_MARK)
