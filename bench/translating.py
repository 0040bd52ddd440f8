"""How fast one core translates what a tool delivers into events, redacted and checked.

Samples of tests/sources, each forty times with other names. Nothing stands beside it: no other
tool makes events of an audit trail from these deliveries.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random

from bench.figure import Figure
from bench.samples import samples, varied
from deploytrail.app.connections.known_connections import placing
from deploytrail.app.connections.taking import Connected, Keys, imported
from deploytrail.clock import SystemClock
from deploytrail.intake.declared import NOTHING
from deploytrail.intake.known import known
from deploytrail.kit.delivery import Delivery
from deploytrail.kit.schemes import SCHEMES

_COPIES = 40
_ROUNDS = 5
_SECONDS = 1.0


def names() -> list[str]:
    return [f"source.translate.{name}" for name in known().sources if samples(name)]


def figure(name: str) -> Figure:
    """Events a second of the processor's own time: the median of five rounds."""
    source = name.removeprefix("source.translate.")
    deliveries = list(_deliveries(source))
    over = Connected(
        source, known().sources[source], SCHEMES["nothing"], [], placing(NOTHING.places)
    )
    keys, clock = Keys(b"k" * 32, lambda _: b"f" * 32), SystemClock()
    rates = []
    made = 0
    for _ in range(_ROUNDS):
        made, started = 0, time.process_time()
        while time.process_time() < started + _SECONDS / _ROUNDS:
            for delivery in deliveries:
                made += len(imported(delivery, over, keys, clock))
        rates.append(made / (time.process_time() - started))
    size = sum(len(one.body) for one in deliveries) / len(deliveries)
    note = f"{len(deliveries) // _COPIES} samples of {size:,.0f} bytes"
    return Figure(
        name=name, value=round(statistics.median(rates)), unit="events/s", n=made, note=note
    )


def _deliveries(source: str) -> Iterator[Delivery]:
    random = Random(7)
    now = datetime.now(UTC)
    for sample in samples(source):
        headers = tuple((name.lower(), value) for name, value in sample.headers.items())
        for _ in range(_COPIES):
            yield Delivery(varied(sample.octets(), random), headers, now)
