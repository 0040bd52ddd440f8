"""The border between our faults and the user's command: nothing of ours gets past it.

What went wrong is told, on standard error, and the rest goes on without it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
Tell = Callable[[str], None]


def guarded(action: Callable[[], T], what: str, tell: Tell) -> T | None:
    """What the action gives, or None after telling what went wrong; never raises.

    Even what isn't an Exception is caught: extensions written in Rust panic with less. Signals
    are blocked meanwhile, so no interrupt of the user's is swallowed.
    """
    try:
        return action()
    except BaseException as error:  # noqa: BLE001 (our fault must not become the user's)
        tell(f"{what}: {str(error) or type(error).__name__}")
        return None
