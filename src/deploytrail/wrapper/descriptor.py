"""The open descriptors of this process."""

from __future__ import annotations

import os
from contextlib import suppress


def open_descriptors() -> list[int]:
    """All of them, ascending; empty where the system does not tell."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return sorted(int(name) for name in os.listdir(folder))  # noqa: PTH208 (only names)
        except OSError:
            continue
    return []


def fill_standard_descriptors() -> frozenset[int]:
    """Which of 0, 1 and 2 we were started without; from now on they lead nowhere.

    Else the next file that we open would be our standard output. The command gets none of them:
    like all that Python opens, they close when another program is executed.
    """
    absent: set[int] = set()
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest number that is free is the one that is given.
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)
            absent.add(descriptor)
    return frozenset(absent)
