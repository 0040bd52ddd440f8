"""What an answer is given: the request, who asks, and the parts of the server that answer.

Values only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

from starlette.requests import Request

from deploytrail.access.principal import Principal
from deploytrail.clock import Clock
from deploytrail.web.backups import Backups
from deploytrail.web.body import Budget
from deploytrail.web.connecting import Connections
from deploytrail.web.hub import Hub
from deploytrail.web.knowing import Knowing
from deploytrail.web.matching import Matching
from deploytrail.web.metrics import Metrics
from deploytrail.web.readers import Readers
from deploytrail.web.readiness import Readiness
from deploytrail.web.reading import ServedTrail
from deploytrail.web.route import Table
from deploytrail.web.waiting import Waiting
from deploytrail.web.writer import Writer


class Server(NamedTuple):
    """The parts of a running server."""

    table: Table
    clock: Clock
    writer: Writer
    readers: Readers[ServedTrail]
    """Of what may take long: searches, exports, runs of the log."""
    lookups: Readers[ServedTrail]
    """Of what takes a moment, and does not wait for those: one event, a tile, how far it is."""
    readiness: Readiness
    waiting: Waiting
    """Who wants an answer that has taken an entry into account."""
    signed: Waiting
    """Who wants an entry to be under a checkpoint. They were let in as what they sent."""
    hub: Hub
    budget: Budget
    metrics: Metrics
    knowing: Knowing
    matching: Matching
    connections: Connections
    exporting: asyncio.Lock
    """Held while the log is written into a file: one at a time."""
    backups: Backups
    silent_seconds: float
    """So long whoever waits for a backup hears nothing."""
    origin: str
    ending: asyncio.Event
    """Set once the server is being stopped: what has no end ends then."""


class Call(NamedTuple):
    """One request. `query` is of the route's own type; `parts` stood in the path."""

    server: Server
    request: Request
    id: str
    principal: Principal
    query: Any
    parts: Mapping[str, str]
