"""`POST /in/{connection}`: deliveries come in from tools, over connections."""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import partial
from typing import Final

from msgspec import Struct, structs
from starlette.responses import Response

from deploytrail.access.principal import Permission
from deploytrail.app.connections.importing import UNREAD
from deploytrail.app.connections.taking import Connected, Taken, taken
from deploytrail.errors import (
    Busy,
    ClockSuspect,
    CommitUnknown,
    DeploytrailError,
    DiskFull,
    Fenced,
    Malformed,
    Misconfigured,
    NotFound,
    Overloaded,
    SenderError,
    TooLarge,
    Unreachable,
)
from deploytrail.kit.credential import Unproven
from deploytrail.kit.delivery import Delivery, heard
from deploytrail.kit.door import Became
from deploytrail.query.tree import EVERYTHING
from deploytrail.web import body
from deploytrail.web.answering import json
from deploytrail.web.body import Share
from deploytrail.web.call import Call
from deploytrail.web.problem import (
    MEDIA_TYPE,
    InOtherWords,
    TooSlowSending,
    WrongType,
    headers_of,
    problem,
)
from deploytrail.web.route import Body, Part, Reply, Route
from deploytrail.web.routes.recording import written
from deploytrail.web.writer import Answers

_TAKE_AT_ONCE_BYTES_MAX: Final = 64 * 1024


class Delivered(Struct, frozen=True, kw_only=True):
    """What became of a delivery. All of it is durable: nothing is to be sent again."""

    events: int
    """That are new in the log."""
    known: int = 0
    """That came before, and stand where they stood."""
    conflicts: int = 0
    """That came before under the same id with other bytes; the log tells of them."""
    unread: int = 0
    """Of the new ones, those that say that something was not understood."""


async def take(call: Call) -> Response:
    """A delivery, proven, translated and durable; what it says of itself is no error of ours."""
    over = await call.server.connections.connected(call.parts["connection"])
    try:
        delivery, answers = await _logged(call, over)
    except DeploytrailError as error:
        found = problem(error)
        refused = Became(status=found.status, why=found.detail)
        said = _said(call, over, _heard(call, b""), refused)
        if said is None:
            raise
        said.headers.update(headers_of(error))
        raise InOtherWords(error, said) from error
    became = _became(answers)
    call.server.metrics.deliveries.add(connection=over.name, outcome="taken")
    return _said(call, over, delivery, became) or json(
        Delivered(
            events=became.events,
            known=became.known,
            conflicts=became.conflicts,
            unread=became.unread,
        )
    )


async def _logged(call: Call, over: Connected) -> tuple[Delivery, Answers]:
    with Share(call.server.budget) as share:
        raw = await body.read(call.request, share)
        call.server.metrics.received_bytes.add(len(raw))
        delivery = _heard(call, raw)
        found = await _taken(call, delivery, over)
        return delivery, await written(call, found.submissions, len(raw))


def _heard(call: Call, raw: bytes) -> Delivery:
    url = call.request.url
    headers = call.request.headers.raw
    return heard(raw, headers, call.server.clock.now(), path=url.path, query=url.query)


def _became(answers: Answers) -> Became:
    new = [each for each in answers if not isinstance(each, SenderError) and each.is_first]
    unread = sum(each.said is not None and each.said.event.action in UNREAD for each in new)
    conflicts = sum(isinstance(each, SenderError) for each in answers)
    return Became(len(new), len(answers) - len(new) - conflicts, conflicts, unread)


def _said(call: Call, over: Connected, delivery: Delivery, became: Became) -> Response | None:
    """What a sender reads that has words of its own; None where it has none.

    Whoever says that it reads problems, as `connection test` does, reads our words.
    """
    if over.source.answer is None or MEDIA_TYPE in call.request.headers.get("accept", ""):
        return None
    answered = over.source.answer(delivery, became, call.server.clock.now())
    if answered is None:
        return None
    return Response(answered.body, answered.status, media_type=answered.media)


async def _taken(call: Call, delivery: Delivery, over: Connected) -> Taken:
    server = call.server
    try:
        try:
            found = await _proven(call, delivery, over)
        except Unproven:
            # Its secret may have been changed a moment ago.
            renewed = await server.connections.renewed(over.name)
            if renewed.secrets == over.secrets:
                raise
            found = await _proven(call, delivery, renewed)
    except Unproven as error:
        server.connections.refused(over.name, error, delivery.received)
        server.metrics.deliveries.add(connection=over.name, outcome="unproven")
        raise
    server.connections.proven(over.name, found.proof, delivery.received)
    return found


async def _proven(call: Call, delivery: Delivery, over: Connected) -> Taken:
    server = call.server
    take_it = partial(taken, delivery, over, server.connections.keys, server.clock)
    if len(delivery.body) <= _TAKE_AT_ONCE_BYTES_MAX:
        return take_it()
    # Others are not kept waiting by a long one.
    return await asyncio.get_running_loop().run_in_executor(None, take_it)


class ConnectionHeard(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What this server has heard over one connection since it started."""

    name: str
    taken: int = 0
    refused: int = 0
    last_taken: datetime | None = None
    last_refused: datetime | None = None
    refused_why: str | None = None
    """In a word."""
    secret: int | None = None
    """Which of its secrets proved the last delivery, from 0."""


class AllConnectionsHeard(Struct, frozen=True, kw_only=True):
    """By name; those over which nothing came are not among them."""

    items: tuple[ConnectionHeard, ...]
    next: None = None


async def connections(call: Call) -> Response:
    """How connections do."""
    heard = call.server.connections.heard
    if call.principal.scope != EVERYTHING:
        # Their names say what there is outside.
        heard = {}
    found = (
        ConnectionHeard(name=name, **structs.asdict(one)) for name, one in sorted(heard.items())
    )
    return json(AllConnectionsHeard(items=tuple(found)))


ROUTES: Final = (
    Route(
        method="POST",
        path="/in/{connection}",
        name="takeDelivery",
        what="Deliver what a tool sends over a connection. Proven by the connection's own "
        "credential, over the bytes as they came; durable when the answer comes. A tool that has "
        "a protocol of its own (Amazon Data Firehose, OTLP) is answered, and refused, in its form.",
        answer=take,
        permission=None,
        parts=(Part("connection", "The connection's name.", "[a-z0-9][a-z0-9-]{0,62}"),),
        body=Body({"*/*": None}, "The delivery, as the tool sends it."),
        replies=(
            Reply(200, "What became of it.", type=Delivered),
            Reply(200, "Of OTLP in protobuf, its own answer.", media="application/x-protobuf"),
        ),
        problems=(
            Malformed, Unproven, NotFound, TooLarge, Overloaded, WrongType, TooSlowSending,
            Misconfigured, Busy, ClockSuspect, CommitUnknown, Fenced, Unreachable, DiskFull,
        ),
    ),
    Route(
        method="GET",
        path="/v1/connections",
        name="listConnections",
        what="What this server has heard over its connections since it started.",
        answer=connections,
        permission=Permission.OPERATE,
        replies=(Reply(200, "Those over which something came.", type=AllConnectionsHeard),),
    ),
)  # fmt: skip
