"""All routes of the server, in the order of its document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from deploytrail.web.route import Route, Table, by_body
from deploytrail.web.routes import (
    backing,
    events,
    exporting,
    fingerprinting,
    log,
    operating,
    recording,
    searching,
    spooling,
    tailing,
    taking,
)


def _routes(*routes: Route) -> Iterator[Route]:
    """What is asked by a query may be asked by a long one."""
    for route in routes:
        yield route
        if "q" in route.query.__struct_fields__:
            yield by_body(route)


TABLE: Final = Table(
    _routes(
        *recording.ROUTES,
        *taking.ROUTES,
        *searching.ROUTES,
        *events.ROUTES,
        *tailing.ROUTES,
        *exporting.ROUTES,
        *backing.ROUTES,
        *fingerprinting.ROUTES,
        *spooling.ROUTES,
        *log.ROUTES,
        *operating.ROUTES,
    )
)
