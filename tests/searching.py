"""How long property tests search: shortly in the suite, forty times as long by `make fuzz`."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings

_TIMES: Final = 40 if os.environ.get("DEPLOYTRAIL_FUZZ") == "long" else 1

# No deadlines: how fast something is, is measured by `make bench`, never by a test.
USUAL: Final = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    max_examples=100 * _TIMES,
)


def examples(count: int) -> settings:
    """So many examples in the suite, for a test that a hundred of them would make too slow."""
    return settings(USUAL, max_examples=count * _TIMES)
