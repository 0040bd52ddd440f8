"""The newest checkpoint that a policy accepts, where that is not the newest of all.

While a log grows, its newest checkpoint is one that witnesses are being asked for. An earlier one
will do, but only for a moment, by the clock of whoever judges: a log could say any time of itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, NamedTuple

from deploytrail.app.proofs.trust import quorum_since
from deploytrail.clock import Clock, at_microseconds, microseconds, rfc3339
from deploytrail.errors import DeploytrailError
from deploytrail.log import note as notes
from deploytrail.log.policy import NO_QUORUM, Evaluation, Policy

SECONDS_MAX: Final = 120
"""How long ago its quorum may have cosigned it. Witnesses that run are asked about every second,
and that a quorum owes its cosignatures is told after a minute."""
_CHECKPOINTS_MAX: Final = 1024


class Accepted(NamedTuple):
    """What a policy made of a checkpoint, and since when (POSIX seconds) its quorum stands."""

    evaluation: Evaluation
    since: int

    def is_fresh(self, clock: Clock) -> bool:
        return microseconds(clock.now()) // 1_000_000 - self.since <= SECONDS_MAX

    @property
    def time(self) -> str:
        """`since` in words."""
        try:
            return rfc3339(at_microseconds(self.since * 1_000_000))
        except OverflowError:
            return "a time that can't be"


def newest_accepted(
    published: Iterable[tuple[str, bytes]], policy: Policy, origin: str
) -> Accepted | None:
    """The last published checkpoint that others than the log itself have cosigned as asked.

    None where there is none among the last ones, or the policy asks for nobody.
    """
    if policy.quorum == NO_QUORUM:
        return None
    last: deque[bytes] = deque(maxlen=_CHECKPOINTS_MAX)
    # Where they can't be read to the end, that is told by whoever walks them.
    with suppress(DeploytrailError):
        last.extend(octets for _, octets in published)
    for octets in reversed(last):
        with suppress(DeploytrailError):
            found = policy.evaluate(notes.decode(octets))
            since = quorum_since(found, policy, origin)
            return None if since is None else Accepted(found, since)
    return None
