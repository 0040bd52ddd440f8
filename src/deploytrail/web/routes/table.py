"""All routes of the server, in the order of its document."""

from __future__ import annotations

from typing import Final

from deploytrail.web.route import Table
from deploytrail.web.routes import (
    events,
    exporting,
    fingerprinting,
    log,
    operating,
    recording,
    searching,
    tailing,
)

TABLE: Final = Table(
    (
        *recording.ROUTES,
        *searching.ROUTES,
        *events.ROUTES,
        *tailing.ROUTES,
        *exporting.ROUTES,
        *fingerprinting.ROUTES,
        *log.ROUTES,
        *operating.ROUTES,
    )
)
