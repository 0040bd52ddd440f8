"""What the index counted, as those who asked are told.

Pure.
"""

from __future__ import annotations

from deploytrail.clock import at_microseconds, rfc3339
from deploytrail.index.contract import Bins, Tally
from deploytrail.query.fields import Field
from deploytrail.trail import Bar, Counted, Facet, Histogram


def facet(field: Field, tally: Tally, limit: int) -> Facet:
    counts = [Counted(value=value, count=count) for value, count in tally.counts]
    if tally.absent:
        counts.append(Counted(value=None, count=tally.absent))
        counts.sort(key=lambda one: -one.count)
    return Facet(field=field.name, counts=tuple(counts[:limit]), is_exact=tally.is_exact)


def histogram(bins: Bins) -> Histogram:
    times = [rfc3339(at_microseconds(edge)) for edge in bins.edges]
    found = zip(times, times[1:], bins.counts, bins.outcomes, strict=False)
    return Histogram(
        bars=tuple(
            Bar(since=since, until=until, count=count, outcomes=outcomes)
            for since, until, count, outcomes in found
        ),
        is_exact=bins.is_exact,
    )
