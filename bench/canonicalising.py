"""Canonical JSON beside the pure-Python `rfc8785`, on typical events, with the same result."""

from __future__ import annotations

import msgspec
import rfc8785

from bench import typical
from bench.figure import Figure, interleaved, seconds
from deploytrail import canonical

_EVENTS = 2_000
_ROUNDS = 7


def ratio() -> Figure:
    """With every check of what foreign JSON may hold: `encode`, not `encode_checked`."""
    values = [msgspec.json.decode(event) for event in typical.events(_EVENTS)]
    assert all(canonical.encode(value) == rfc8785.dumps(value) for value in values)
    ours, theirs = interleaved(
        [
            lambda: seconds(lambda: [canonical.encode(value) for value in values]),
            lambda: seconds(lambda: [rfc8785.dumps(value) for value in values]),
        ],
        rounds=_ROUNDS,
    )
    return Figure(
        name="canonical.ratio",
        value=round(theirs / ours, 1),
        unit="times as fast",
        n=_EVENTS,
        peers={"rfc8785": 1.0},
    )
