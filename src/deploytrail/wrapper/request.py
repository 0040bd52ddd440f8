"""What was asked of `deploytrail run`: the command, and what its user says about it.

Values only. Names of places keep to the sizes of `deploytrail.event`.
"""

from __future__ import annotations

from msgspec import Struct


class Request(Struct, frozen=True, kw_only=True):
    """One run. `command` is not empty; all else is absent unless stated."""

    command: tuple[str, ...]
    project: str | None = None
    unit: str | None = None
    environment: str | None = None
    reason: str | None = None
    tickets: tuple[str, ...] = ()
    deployment: str | None = None
    is_output_kept: bool = False
    is_verbose: bool = False
