"""`GET /v1/tail`: events as they are logged, without an end (server-sent events)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from typing import Annotated, Final

from msgspec import Meta, Struct
from starlette.responses import Response, StreamingResponse

from deploytrail.access.principal import Permission
from deploytrail.app.events.asked_event import asked_event
from deploytrail.app.events.fresh import Fresh
from deploytrail.errors import Malformed, Overloaded
from deploytrail.web import sse
from deploytrail.web.answering import encoded, fresh_shown, shown
from deploytrail.web.call import Call, Server
from deploytrail.web.hub import CLIENTS_MAX, Client, New
from deploytrail.web.matching import Asked, Matches
from deploytrail.web.reading import ServedTrail
from deploytrail.web.route import Part, Reply, Route
from deploytrail.web.routes.searching import Query

HEARTBEAT_SECONDS: Final = 15
_AGAIN_SECONDS: Final = 0.05
_BEHIND_ENTRIES_MAX: Final = 256
_APART_ENTRIES_MAX: Final = 32
LONG_CHARACTERS: Final = 8_192
"""A longer query is not asked on the event loop, where everybody would wait for its answer."""
LONG_CLIENTS_MAX: Final = 8
ASKED_CHARACTERS_MAX: Final = 65_536
"""Of all others together, each counted once: so many characters cost each event up to a
millisecond.
"""
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


def sent(one: New, origin: str) -> bytes:
    """An event as it is sent to everybody."""
    written = fresh_shown(one) if isinstance(one, Fresh) else shown(one, origin)
    return sse.event(one.index, encoded(written))


async def tail(call: Call) -> Response:
    """A stream that ends when the client goes, or with the server; then it goes on behind
    `Last-Event-ID`.
    """
    wanted: Tailing = call.query
    is_long = len(wanted.q) > LONG_CHARACTERS
    _refuse_too_many(call.server, is_long=is_long)
    at = _after(call)
    asked = await call.server.matching.of(wanted.q, call.principal.scope)
    if not is_long:
        _refuse_more(call.server, asked)
    if at is None:
        at = await call.server.lookups.ask(lambda served: served.trail.size())
    stream = _apart(call, asked, at) if is_long else _stream(call, asked, at)
    return StreamingResponse(_counted(call.server, stream), media_type=sse.MEDIA_TYPE)


def _refuse_too_many(server: Server, *, is_long: bool) -> None:
    """Raise Overloaded where more would listen than can be served."""
    if server.hub.listening >= CLIENTS_MAX:
        raise Overloaded(
            f"tail: expected at most {CLIENTS_MAX} clients, found more; try again a little later"
        )
    if is_long and server.hub.apart >= LONG_CLIENTS_MAX:
        raise Overloaded(
            f"tail: expected at most {LONG_CLIENTS_MAX} clients with queries of more than "
            f"{LONG_CHARACTERS} characters, found more; ask for less, or try again a little later"
        )


def _refuse_more(server: Server, asked: Asked) -> None:
    """Raise Overloaded where more would be asked of each event than can be."""
    if server.matching.characters_with(asked) > ASKED_CHARACTERS_MAX:
        raise Overloaded(
            f"tail: expected that all queries together have at most {ASKED_CHARACTERS_MAX} "
            "characters, found more; ask for less, or for what others ask for"
        )


async def _counted(server: Server, stream: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    server.hub.listening += 1
    try:
        async with aclosing(stream):
            async for octets in stream:
                yield octets
    finally:
        server.hub.listening -= 1


def _after(call: Call) -> int | None:
    """The index from which on is wanted; what a client saw last counts before what it asked."""
    wanted: Tailing = call.query
    given = call.request.headers.getlist("last-event-id")
    if given:
        last = ", ".join(given)
        if _INDEX.fullmatch(last) is None:
            raise Malformed(
                f"last-event-id: expected the index of an entry, found {last[:40]!a}; leave it out"
            )
        return int(last) + 1
    return wanted.first if wanted.after is None else wanted.after + 1


@contextmanager
def _listened(server: Server, asked: Asked) -> Iterator[Matches]:
    """What is asked, once for all who ask the same, for as long as one of them listens."""
    # Others may have begun since we looked.
    _refuse_more(server, asked)
    matches = server.matching.begin(asked)
    try:
        yield matches
    finally:
        if server.matching.end(asked):
            server.hub.let_go(matches)


async def _stream(call: Call, asked: Asked, at: int) -> AsyncGenerator[bytes, None]:
    hub, ending = call.server.hub, call.server.ending
    with _listened(call.server, asked) as matches:
        yield sse.beginning()
        client = Client(matches, at)
        while not ending.is_set():
            if not hub.join(client):
                yield await _behind(call, client, _BEHIND_ENTRIES_MAX)
                continue
            try:
                while not (client.is_lagging or ending.is_set()):
                    octets = hub.taken(client)
                    if octets:
                        yield octets
                    elif not await client.news(seconds_max=HEARTBEAT_SECONDS):
                        yield sse.heartbeat(client.at)
            finally:
                hub.leave(client)


async def _apart(call: Call, asked: Asked, at: int) -> AsyncGenerator[bytes, None]:
    """Of one whose query may take long: it is asked in a thread that reads, and holds nobody up."""
    yield sse.beginning()
    hub, ending, loop = call.server.hub, call.server.ending, asyncio.get_running_loop()
    client, told = Client(asked.matches, at), loop.time()
    hub.apart += 1
    try:
        while not ending.is_set():
            octets = await _behind(call, client, _APART_ENTRIES_MAX)
            if not octets and loop.time() - told > HEARTBEAT_SECONDS:
                octets = sse.heartbeat(client.at)
            if octets:
                told = loop.time()
                yield octets
    finally:
        hub.apart -= 1


async def _behind(call: Call, client: Client, count: int) -> bytes:
    """The next run from the log itself; nothing where the log ends, a moment later."""
    first, matches, origin = client.at, client.matches, call.server.origin

    def read(served: ServedTrail) -> tuple[int, bytes]:
        until = min(served.trail.size(), first + count)
        found = served.trail.entries(first=first, until=until)
        wanted = [one for one in found if matches(asked_event(one))]
        return until, b"".join(sent(one, origin) for one in wanted)

    async with call.server.hub.behind:
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
