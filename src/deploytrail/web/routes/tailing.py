"""`GET /v1/tail`: events as they are logged, without an end (server-sent events)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Annotated, Final

from msgspec import Meta, Struct
from starlette.responses import Response, StreamingResponse

from deploytrail.access.principal import Permission
from deploytrail.errors import Malformed, Overloaded
from deploytrail.trail import Shown
from deploytrail.web import sse
from deploytrail.web.answering import encoded, shown
from deploytrail.web.call import Call
from deploytrail.web.hub import CLIENTS_MAX, Client
from deploytrail.web.reading import ServedTrail
from deploytrail.web.route import Part, Reply, Route
from deploytrail.web.routes.searching import Query

HEARTBEAT_SECONDS: Final = 15
_AGAIN_SECONDS: Final = 0.05
_BEHIND_ENTRIES_MAX: Final = 256
_INDEX: Final = re.compile("0|[1-9][0-9]{0,15}")


class Tailing(Struct, frozen=True, kw_only=True):
    """What to listen for, and from where on."""

    q: Query = ""
    after: Annotated[
        int | None,
        Meta(ge=0, description="Begin behind the entry of this index, as `Last-Event-ID` does."),
    ] = None
    first: Annotated[
        int | None, Meta(ge=0, description="Begin at the entry of this index, once there is one.")
    ] = None


def sent(one: Shown, origin: str) -> bytes:
    """An event as it is sent to everybody."""
    return sse.event(one.index, encoded(shown(one, origin)))


async def tail(call: Call) -> Response:
    """A stream that ends when the client goes, or with the server; then it goes on behind
    `Last-Event-ID`.
    """
    wanted: Tailing = call.query
    if len(call.server.hub.clients) >= CLIENTS_MAX:
        raise Overloaded(
            f"tail: expected at most {CLIENTS_MAX} clients, found more; try again a little later"
        )
    matches = call.server.matching.of(wanted.q, call.principal.scope)
    at = _after(call)
    if at is None:
        at = await call.server.readers.ask(lambda served: served.trail.size())
    stream = _stream(call, Client(matches, at))
    return StreamingResponse(stream, media_type=sse.MEDIA_TYPE)


def _after(call: Call) -> int | None:
    """The index from which on is wanted; what a client saw last counts before what it asked."""
    wanted: Tailing = call.query
    last = call.request.headers.get("last-event-id")
    if last:
        if _INDEX.fullmatch(last) is None:
            raise Malformed(
                f"last-event-id: expected the index of an entry, found {last[:40]!a}; leave it out"
            )
        return int(last) + 1
    return wanted.first if wanted.after is None else wanted.after + 1


async def _stream(call: Call, client: Client) -> AsyncIterator[bytes]:
    yield sse.beginning()
    ending = call.server.ending
    while not ending.is_set():
        if not call.server.hub.join(client):
            yield await _behind(call, client)
            continue
        try:
            while not (client.is_lagging or ending.is_set()):
                has_news = await client.news(seconds_max=HEARTBEAT_SECONDS)
                yield b"".join(client.taken()) if has_news else sse.heartbeat(client.at)
        finally:
            call.server.hub.leave(client)
        yield b"".join(client.taken())
        client.is_lagging = False


async def _behind(call: Call, client: Client) -> bytes:
    """The next run from the log itself; nothing where the log ends, a moment later."""
    first, matches, origin = client.at, client.matches, call.server.origin

    def read(served: ServedTrail) -> tuple[int, bytes]:
        until = min(served.trail.size(), first + _BEHIND_ENTRIES_MAX)
        found = served.trail.entries(first=first, until=until)
        wanted = [one for one in found if matches({**one.event, "index": one.index})]
        return until, b"".join(sent(one, origin) for one in wanted)

    until, octets = await call.server.readers.ask(read)
    if until <= first:
        await asyncio.sleep(_AGAIN_SECONDS)
        return b""
    client.at = until
    return octets


ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/tail",
        name="tailEvents",
        what="Events as they are logged, as server-sent events whose id is the index in the log.",
        answer=tail,
        permission=Permission.READ,
        query=Tailing,
        headers=(Part("Last-Event-ID", "The id of the last event that was seen.", _INDEX.pattern),),
        replies=(Reply(200, "A stream without an end.", sse.MEDIA_TYPE),),
        problems=(Malformed, Overloaded),
    ),
)
