"""`POST /v1/events`: events come in, receipts go out."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, structs
from starlette.responses import Response

from deploytrail.access.principal import Permission
from deploytrail.app import published
from deploytrail.app.claimed import Heard
from deploytrail.app.recording import Recorded
from deploytrail.entry import base64url
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
from deploytrail.event import Event
from deploytrail.web import body, splitting
from deploytrail.web.answering import json
from deploytrail.web.body import Share
from deploytrail.web.call import Call
from deploytrail.web.problem import TooSlowSending, WrongType, problem
from deploytrail.web.reading import ServedTrail
from deploytrail.web.replies import Accepted, Answers, Refused
from deploytrail.web.route import Body, Reply, Route
from deploytrail.web.writer import Answers as Written
from deploytrail.web.writer import Wanted

PUBLISHED_SECONDS_MAX: Final = 10
_POLL_SECONDS: Final = 0.1


class Recording(Struct, frozen=True, kw_only=True):
    """How an answer is wanted."""

    wait: Annotated[
        Literal["logged", "published"],
        Meta(description="Until when to wait: durable in the log, or under a signed checkpoint."),
    ] = "logged"
    include: Annotated[
        Literal["entry", ""],
        Meta(description="`entry`: with the entry's bytes and disclosures."),
    ] = ""


async def record(call: Call) -> Response:
    """What was sent, logged; one answer an event."""
    with Share(call.server.budget) as share:
        media = splitting.media_type(call.request.headers.get("content-type", ""))
        if media not in {splitting.JSON, splitting.NDJSON}:
            raise WrongType(
                f"content-type: expected {splitting.JSON} or {splitting.NDJSON}, found "
                f"{media[:60]!a}; say how the events are written"
            )
        raw = await body.read(call.request, share)
        call.server.metrics.received_bytes.add(len(raw))
        cut = splitting.cut(raw, media)
        answers = await _written(call, cut.bodies, len(raw))
        told = await _told(call, answers)
    if not cut.is_single:
        return json(Answers(items=tuple(told)))
    (one,) = told
    (answer,) = answers
    if isinstance(one, Refused):
        assert isinstance(answer, SenderError)
        raise answer
    return json(one, 201 if isinstance(answer, Recorded) and answer.is_first else 200)


async def _written(call: Call, bodies: Sequence[bytes | SenderError], size: int) -> Written:
    """What became of each, durable; those that are no event are not even offered."""
    events = [Heard(each, call.principal.id) for each in bodies if isinstance(each, bytes)]
    written: Written = []
    if events:
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[Written] = loop.create_future()

        def told(answers: Written | Exception) -> None:
            loop.call_soon_threadsafe(_tell, waiting, answers)

        call.server.writer.offer(Wanted(events, size, told))
        written = await waiting
    rest = iter(written)
    return [next(rest) if isinstance(each, bytes) else each for each in bodies]


def _tell(waiting: asyncio.Future[Written], answers: Written | Exception) -> None:
    if waiting.done():
        # Who sent it is gone; what it sent is logged all the same.
        return
    if isinstance(answers, Exception):
        waiting.set_exception(answers)
    else:
        waiting.set_result(answers)


async def _told(call: Call, answers: Written) -> list[Accepted | Refused]:
    wanted: Recording = call.query
    told: list[Accepted | Refused] = [
        Accepted(receipt=one.receipt)
        if isinstance(one, Recorded)
        else Refused(problem=problem(one, instance=call.id))
        for one in answers
    ]
    logged = [one.receipt.index for one in answers if isinstance(one, Recorded)]
    if not logged:
        return told
    if wanted.wait == "published":
        is_published = await _is_published(call, max(logged))
        told = [_with(one, published=is_published) for one in told]
    if wanted.include == "entry":
        entries = await call.server.readers.ask(lambda served: _entries(served, logged))
        told = [
            _with(one, **entries[one.receipt.index]) if isinstance(one, Accepted) else one
            for one in told
        ]
    return told


async def _is_published(call: Call, index: int) -> bool:
    """Whether a checkpoint covers it, waited for: the event is durable either way."""
    deadline = asyncio.get_running_loop().time() + PUBLISHED_SECONDS_MAX
    while True:
        size = await call.server.readers.ask(
            lambda served: published.size_signed(served.trail.store)
        )
        if size > index:
            return True
        if asyncio.get_running_loop().time() > deadline or call.server.ending.is_set():
            return False
        await asyncio.sleep(_POLL_SECONDS)


def _entries(served: ServedTrail, indexes: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The bytes and the disclosures of entries, as `Accepted` has them."""
    found = {}
    for index in indexes:
        octets = served.trail.show(index).entry
        disclosures = served.trail.disclosures([octets])
        found[index] = {
            "entry": b64encode(octets).decode(),
            "disclosures": {base64url(key): base64url(each) for key, each in disclosures.items()},
        }
    return found


def _with(one: Accepted | Refused, **more: Any) -> Accepted | Refused:
    return structs.replace(one, **more) if isinstance(one, Accepted) else one


ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/events",
        name="recordEvents",
        what="Record events: durable when the answer comes. The same again gives the same receipt.",
        answer=record,
        permission=Permission.RECORD,
        query=Recording,
        body=Body(
            {splitting.JSON: Event | list[Event], splitting.NDJSON: None},
            "One event, an array of events, or one event a line.",
        ),
        replies=(
            Reply(201, "A single event, now logged.", type=Accepted),
            Reply(200, "A single event that was logged before, or an answer for each of several.",
                  type=Accepted | Answers),
        ),
        problems=(
            Malformed, TooLarge, Conflict, Overloaded, WrongType, TooSlowSending,
            Busy, ClockSuspect, CommitUnknown, Fenced, Unreachable, DiskFull,
        ),
    ),
)  # fmt: skip
