"""The open descriptors of this process, and which of them were meant for the command.

To be asked before we open any of our own that a child could inherit; Python opens none such.
"""

from __future__ import annotations

import os


def open_descriptors() -> list[int]:
    """All of them, ascending; empty where the system does not tell."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return sorted(int(name) for name in os.listdir(folder))  # noqa: PTH208 (only names)
        except OSError:
            continue
    return []


def inherited_descriptors() -> tuple[int, ...]:
    """Those beyond the standard three that whoever started us meant to hand on.

    `-var-file=<(…)` and make's job server come this way.
    """
    return tuple(number for number in open_descriptors() if number > 2 and _is_inheritable(number))


def _is_inheritable(descriptor: int) -> bool:
    try:
        return os.get_inheritable(descriptor)
    except OSError:
        # The listing's own descriptor is among those listed, and closed by now.
        return False
