"""What was asked of `deploytrail run`: the command, and what its user says about it.

Values only. Names of places keep to the sizes of `deploytrail.event`.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

Mode = Literal["async", "guarded", "strict"]
"""What a start needs: `async` a durable line in the spool, and whatever goes wrong it starts all
the same; `guarded` an entry of the trail; `strict` also that no earlier run still waits for one.
"""
MODES: Final[tuple[Mode, ...]] = ("async", "guarded", "strict")


class Request(Struct, frozen=True, kw_only=True):
    """One run. `command` is not empty; all else is absent unless stated."""

    command: tuple[str, ...]
    project: str | None = None
    unit: str | None = None
    environment: str | None = None
    reason: str | None = None
    tickets: tuple[str, ...] = ()
    deployment: str | None = None
    mode: Mode | None = None
    """None is what is declared for the environment, else `async`."""
    break_glass: str | None = None
    is_output_kept: bool = False
    is_verbose: bool = False
