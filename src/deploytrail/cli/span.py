"""A span of time as people type it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_span = re.compile(r"([0-9]{1,6})([smhdw])").fullmatch


def span(text: str) -> timedelta | None:
    """`90s`, `30m`, `2h`, `7d` or `2w`; None for anything else."""
    found = _span(text)
    return None if found is None else timedelta(**{_UNITS[found[2]]: int(found[1])})
