"""How long the fault tests search: `make test` runs the short form, `make crash` the long one."""

from __future__ import annotations

import os
from typing import Final

IS_LONG: Final = os.environ.get("DEPLOYTRAIL_CRASH") == "long"
SEED: Final = 20261122
"""Of everything that is drawn at random, so that a failure comes back."""


def chosen(short: int, long: int) -> int:
    """The value for the form that runs."""
    return long if IS_LONG else short
