"""The end of what a command printed, masked, for `--keep-output`.

Bounded memory. More is held than is kept, so that a secret that was cut in two at the front is
masked, or cut off, before the rest is taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from deploytrail.redact import mask

KEPT_BYTES_MAX: Final = 256 * 1024
_HELD_BYTES_MAX: Final = KEPT_BYTES_MAX + 64 * 1024
_ESCAPES: Final = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])"


class OutputTail:
    """The last bytes that were fed, standard output and error as they came."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._is_cut = False

    def feed(self, data: bytes) -> None:
        self._held += data
        if len(self._held) > 2 * _HELD_BYTES_MAX:
            del self._held[:-_HELD_BYTES_MAX]
            self._is_cut = True

    def masked(self, covered: Callable[[str], str] = str) -> bytes:
        """At most `KEPT_BYTES_MAX` bytes of UTF-8, from the start of a line where cut.

        `covered` takes out what is known to be secret, before the masks look for the rest; colours
        and such are gone before, since a secret could stand behind one, or around it.
        """
        held = bytes(self._held)
        if self._is_cut:
            held = held[held.find(b"\n") + 1 :]
        text = re.sub(_ESCAPES, "", held.decode("utf-8", "replace"))
        kept = mask(covered(text)).encode("utf-8", "replace")
        if len(kept) <= KEPT_BYTES_MAX:
            return kept
        kept = kept[-KEPT_BYTES_MAX:]
        return kept[kept.find(b"\n") + 1 :].decode("utf-8", "ignore").encode("utf-8")
