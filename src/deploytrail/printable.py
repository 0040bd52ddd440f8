"""Foreign text on a terminal: what would move the cursor or turn the reading order is shown.

Pure. Every table, sentence and message of the CLI passes through this; JSON in escapes of its own.
"""

from __future__ import annotations

import re
from typing import Final

# C0 and C1 controls (ANSI escapes begin with one of them), the marks that embed, override or
# isolate a direction (UAX #9), what is invisible or ends a line elsewhere, lone surrogates, tags.
_unprintable: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e0fff]"
)
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\e"}


def printable(text: str, *, keep: str = "") -> str:
    """The text in one line, its control characters, escapes and invisible marks spelled out.

    `keep` names characters that stay as they are, such as a line feed in a block of output. A
    backslash that was there stays single: this is for reading, not for decoding.
    """
    return _unprintable.sub(lambda found: _spelled(found[0], keep), text)


def printable_json(text: str) -> str:
    """JSON that says the same, with such characters as escapes: they only stand in its strings."""
    return _unprintable.sub(lambda found: _escaped(found[0]), text)


def _escaped(character: str) -> str:
    if character in "\n\t\r":
        # Between values, where JSON allows them.
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _spelled(character: str, keep: str) -> str:
    if character in keep:
        return character
    code = ord(character)
    wide = f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
    return _SHORT.get(character) or (f"\\x{code:02x}" if code <= 0xFF else wide)
