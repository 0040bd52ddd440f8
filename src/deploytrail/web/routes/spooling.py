"""`POST /v1/spools`: what runs kept while nobody took it. `GET /v1/spool-key`: how they seal it.

`GET /v1/modes`: what a run's start needs.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct
from starlette.responses import Response

from deploytrail.access.principal import Permission
from deploytrail.app.events import spooled
from deploytrail.app.events.claimed import Heard
from deploytrail.errors import (
    Busy,
    ClockSuspect,
    CommitUnknown,
    Conflict,
    DiskFull,
    Fenced,
    Malformed,
    Overloaded,
    SenderError,
    TooLarge,
    Unreachable,
)
from deploytrail.spool.chain import Piece
from deploytrail.spool.seal import public_key
from deploytrail.trail import LOCAL_INSTANCE
from deploytrail.web import body, splitting
from deploytrail.web.answering import json
from deploytrail.web.body import Share
from deploytrail.web.call import Call
from deploytrail.web.hearing import OWNER_ASSURANCE
from deploytrail.web.problem import TooSlowSending, WrongType, problem
from deploytrail.web.replies import AllRecorded, Recorded, SpoolKey
from deploytrail.web.route import Body, Reply, Route
from deploytrail.web.routes.recording import admitting, written

MEDIA: Final = "application/x-deploytrail-spool"


_Flag = Literal["true", "false"]


class Spooling(Struct, frozen=True, kw_only=True):
    """Which piece of a spool it is."""

    begin: Annotated[
        _Flag, Meta(description="Whether it has the first line; else its first is a repeated one.")
    ] = "true"
    end: Annotated[
        _Flag, Meta(description="Whether nothing follows, so that a missing end is noticed.")
    ] = "true"
    imported: Annotated[
        _Flag, Meta(description="Whether it came in a file from elsewhere, which is then told.")
    ] = "false"


async def take(call: Call) -> Response:
    """The events of a piece, logged; one answer each, in the order of their lines."""
    _refuse_type(call.request.headers.get("content-type", ""))
    with Share(call.server.budget) as share:
        raw = await body.read(call.request, share)
        call.server.metrics.received_bytes.add(len(raw))
        asked: Spooling = call.query
        begin, end, imported = (one == "true" for one in (asked.begin, asked.end, asked.imported))
        piece = Piece(raw, begin, end, (), imported)
        is_owner = call.principal.id == LOCAL_INSTANCE
        sender = spooled.Sender(
            call.principal.id, await admitting(call), OWNER_ASSURANCE if is_owner else 0
        )
        origin, secret = await call.server.lookups.ask(
            lambda served: (served.trail.origin, served.trail.spool_secret())
        )
        trail = spooled.Trail(origin, lambda: secret)
        # Signatures take a while: others are not kept waiting by them.
        read = await asyncio.get_running_loop().run_in_executor(
            None, lambda: spooled.read(piece, by=sender, trail=trail, clock=call.server.clock)
        )
        said: list[Heard | SenderError] = [
            one if isinstance(one, SenderError) else Heard(b"", made=one)
            for one in (*read.events, *read.notices)
        ]
        answers = await written(call, said, len(raw))
    told = [
        Recorded(problem=problem(one, instance=call.id))
        if isinstance(one, SenderError)
        else Recorded(receipt=one.receipt)
        for one in answers[: len(read.events)]
    ]
    return json(AllRecorded(items=tuple(told)))


def _refuse_type(header: str) -> None:
    if splitting.media_type(header) != MEDIA:
        raise WrongType(f"content-type: expected {MEDIA}, found {header[:60]!a}; send a spool")


async def key(call: Call) -> Response:
    """It seals, and opens nothing."""
    origin, secret = await call.server.lookups.ask(
        lambda served: (served.trail.origin, served.trail.spool_secret())
    )
    return json(SpoolKey(key=str(public_key(origin, secret))))


async def modes(call: Call) -> Response:
    """Names of environments alone; what belongs there is not told."""
    return json(await call.server.lookups.ask(lambda served: dict(served.trail.modes())))


ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/spools",
        name="takeSpool",
        what="Record what a run kept aside: lines of its spool, each proven by its signature.",
        answer=take,
        permission=Permission.RECORD,
        query=Spooling,
        body=Body(
            {MEDIA: None},
            "The header of a spool and lines of it, as docs/spool.md has them. Counters that are "
            "missing become audit.gap.noticed.",
        ),
        replies=(Reply(200, "An answer for each event, in order.", type=AllRecorded),),
        problems=(
            Malformed, TooLarge, Conflict, Overloaded, WrongType, TooSlowSending,
            Busy, ClockSuspect, CommitUnknown, Fenced, Unreachable, DiskFull,
        ),
    ),
    Route(
        method="GET",
        path="/v1/spool-key",
        name="readSpoolKey",
        what="The public key to which runs seal what they keep aside for this trail.",
        answer=key,
        permission=Permission.RECORD,
        replies=(Reply(200, "As DEPLOYTRAIL_SPOOL_KEY takes it.", type=SpoolKey),),
    ),
    Route(
        method="GET",
        path="/v1/modes",
        name="listModes",
        what="What a run's start needs in each environment that is declared, by all of its names.",
        answer=modes,
        permission=Permission.RECORD,
        replies=(Reply(200, "async, guarded or strict, by name.", type=dict[str, str]),),
    ),
)  # fmt: skip
