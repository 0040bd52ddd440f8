"""The command line: one file per verb. `run` alone is imported without a terminal framework."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """`app`, the program with all its verbs, is loaded when it is asked for."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from deploytrail.cli.program import app

    return app
