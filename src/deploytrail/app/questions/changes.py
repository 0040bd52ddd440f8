"""Which actions change something that deployments touch: what is asked for at 03:00.

Pure. Outcomes don't matter: what failed half-way changed something, too.
"""

from __future__ import annotations

from typing import Final

from deploytrail.actions import CATALOGUE
from deploytrail.query.fields import BY_NAME
from deploytrail.query.tree import Is, Or

FAMILIES: Final = frozenset(
    {
        "deployment", "resource", "state", "config", "secret", "environment", "access",
        "breakglass", "runtime",
    }
)  # fmt: skip
OVERRIDES: Final = frozenset({"bypassed", "overridden", "waived", "relaxed"})
"""Verbs that go past a rule, in whatever family."""
_LOOKS: Final = frozenset(
    {
        "read", "listed", "refreshed", "exported", "validated", "tested", "reviewed", "deferred",
        "requested", "scheduled", "queued", "denied", "skipped", "verified", "contested",
        "overdue", "noticed", "exceeded",
    }
)  # fmt: skip
"""Verbs of what only looked, asked or was turned away."""
_LOOKING: Final = frozenset(
    {
        "deployment.verification.failed", "runtime.health.degraded", "runtime.health.recovered",
        "runtime.health.unknown", "runtime.image.pulled", "secret.leak.found",
        "secret.leak.dismissed", "state.lock.refused",
    }
)  # fmt: skip
_ELSEWHERE: Final = frozenset(
    {"drift.out_of_band.noticed", "drift.phantom.noticed", "drift.accepted"}
)


def changes_something(action: str) -> bool:
    """Whether an action of the catalogue changed something, or went past a rule."""
    family, _, rest = action.partition(".")
    verb = rest.rpartition(".")[2]
    if verb in OVERRIDES or action in _ELSEWHERE:
        return True
    return family in FAMILIES and verb not in _LOOKS and action not in _LOOKING


CHANGES: Final = Or(
    tuple(Is(BY_NAME["action"], action) for action in CATALOGUE if changes_something(action))
)
