"""Lines out of chunks: a tool's output as it comes through a pipe or a terminal.

Pure, and bounded: a line that never ends is cut, and the rest of it passed over.
"""

from __future__ import annotations

import re
from typing import Final

LINE_BYTES_MAX: Final = 1_048_576
"""No word that we read stands behind this many bytes of one line."""

_ESCAPE: Final = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])", re.ASCII
)


class Lines:
    """Whole lines from chunks of any size; `rest` gives the last one, which has no end."""

    __slots__ = ("_is_passing", "_open")

    def __init__(self) -> None:
        self._open = bytearray()
        self._is_passing = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that end in this chunk, without their ends."""
        if b"\n" not in chunk:
            self._take(chunk)
            return []
        first, *lines = chunk.split(b"\n")
        rest = lines.pop()
        self._take(first)
        first = bytes(self._open).removesuffix(b"\r")
        self._open.clear()
        self._is_passing = False
        self._take(rest)
        if len(chunk) > LINE_BYTES_MAX:
            lines = [line[:LINE_BYTES_MAX] for line in lines]
        if b"\r" in chunk:
            lines = [line.removesuffix(b"\r") for line in lines]
        return [first, *lines]

    def rest(self) -> list[bytes]:
        """What came after the last line's end, if anything."""
        rest = bytes(self._open).removesuffix(b"\r")
        self._open.clear()
        return [rest] if rest else []

    def _take(self, piece: bytes) -> None:
        if self._is_passing:
            return
        self._open += piece
        if len(self._open) > LINE_BYTES_MAX:
            del self._open[LINE_BYTES_MAX:]
            self._is_passing = True


def plain(line: bytes) -> str:
    """A line as text: without colours and other escapes, what isn't UTF-8 replaced."""
    text = line.decode("utf-8", errors="replace")
    return _ESCAPE.sub("", text).rstrip() if "\x1b" in text else text.rstrip()
