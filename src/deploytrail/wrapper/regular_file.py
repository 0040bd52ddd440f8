"""The text of files that belong to others: bounded, and never waited for."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def text(path: Path, *, bytes_max: int) -> str | None:
    """At most the first `bytes_max` bytes of a regular file; None where there is none to read."""
    found = octets(path, bytes_max=bytes_max)
    return None if found is None else found.decode("utf-8", "replace")


def octets(path: Path, *, bytes_max: int) -> bytes | None:
    """As `text`, undecoded.

    A named pipe would hold us for ever, and whoever waits for its content would miss it.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        # Not to wait even if it became a pipe meanwhile.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:  # noqa: PTH123 (a descriptor, not a path)
            return file.read(bytes_max)
    except (OSError, ValueError):
        return None
