"""Figures of a running server in the text format of Prometheus; nothing that a user wrote is in it.

https://prometheus.io/docs/instrumenting/exposition_formats/ (version 0.0.4). Labels are names of
routes, followers and declared connections of ours and numbers of statuses, so their number is
bounded.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from math import inf
from typing import Final

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
COUNTS: Final = (1, 2, 5, 10, 50, 100, 500, 1_000, 5_000, 10_000)

_Labels = tuple[tuple[str, str], ...]
Value = float | Mapping[str, float]
"""One, or one by the name of each follower."""


class Counter:
    """Only ever rises."""

    type: Final = "counter"

    def __init__(self) -> None:
        self._values: dict[_Labels, float] = {}

    def add(self, count: float = 1, **labels: str) -> None:
        key = tuple(labels.items())
        self._values[key] = self._values.get(key, 0) + count

    def lines(self, name: str) -> Iterator[str]:
        for labels, value in sorted(self._values.items()):
            yield f"{name}{_braced(labels)} {value:g}"


class Histogram:
    """How often a value lay where."""

    type: Final = "histogram"

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts: dict[_Labels, list[int]] = {}
        self._sums: dict[_Labels, float] = {}

    def observe(self, value: float, **labels: str) -> None:
        key = tuple(labels.items())
        counts = self._counts.setdefault(key, [0] * (len(self._bounds) + 1))
        counts[bisect_left(self._bounds, value)] += 1
        self._sums[key] = self._sums.get(key, 0.0) + value

    def lines(self, name: str) -> Iterator[str]:
        for labels, counts in sorted(self._counts.items()):
            total = 0
            for bound, count in zip((*self._bounds, "+Inf"), counts, strict=True):
                total += count
                yield f"{name}_bucket{_braced((*labels, ('le', str(bound))))} {total}"
            yield f"{name}_sum{_braced(labels)} {self._sums[labels]:g}"
            yield f"{name}_count{_braced(labels)} {total}"


class Metrics:
    """All figures of one server. The event loop and the writer's thread write, each its own."""

    def __init__(self) -> None:
        self.requests = Counter()
        self.request_seconds = Histogram(SECONDS)
        self.received_bytes = Counter()
        self.commit_events = Histogram(COUNTS)
        self.deliveries = Counter()
        self._told: Final[dict[str, tuple[str, str, Counter | Histogram]]] = {
            "requests_total": ("requests", "by route and status", self.requests),
            "request_seconds": ("seconds to answer", "by route", self.request_seconds),
            "received_bytes_total": ("bytes of bodies", "unpacked", self.received_bytes),
            "commit_events": ("events", "by commit", self.commit_events),
            "deliveries_total": ("deliveries", "by connection and outcome", self.deliveries),
        }

    def text(self, gauges: Mapping[str, tuple[str, Value]]) -> str:
        """Everything; `gauges` are as of now, each with what it is."""
        lines = []
        for name, (what, how, metric) in self._told.items():
            full = f"deploytrail_{name}"
            lines += [f"# HELP {full} {what} {how}", f"# TYPE {full} {metric.type}"]
            lines += metric.lines(full)
        for name, (what, value) in gauges.items():
            full = f"deploytrail_{name}"
            lines += [f"# HELP {full} {what}", f"# TYPE {full} gauge"]
            if isinstance(value, Mapping):
                pairs = sorted(value.items())
                lines += [f"{full}{_braced((('follower', of),))} {_text(one)}" for of, one in pairs]
            else:
                lines.append(f"{full} {_text(value)}")
        return "\n".join(lines) + "\n"


def _text(value: float) -> str:
    return "+Inf" if value == inf else f"{value:g}"


def _braced(labels: _Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels) + "}"
