"""`POST /v1/events`: events come in, receipts go out."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from deploytrail.access.principal import Permission
from deploytrail.access.scope import refuse_outside
from deploytrail.app.events.claimed import Heard
from deploytrail.app.events.recording import Recorded as Logged
from deploytrail.app.events.recording import Submission
from deploytrail.entry import base64url
from deploytrail.errors import (
    Behind,
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
from deploytrail.formats import cloudevents
from deploytrail.query.tree import EVERYTHING
from deploytrail.web import body, hearing, splitting
from deploytrail.web.answering import json
from deploytrail.web.body import Share
from deploytrail.web.call import Call
from deploytrail.web.hearing import Form, Said
from deploytrail.web.problem import TooSlowSending, WrongType, problem
from deploytrail.web.reading import ServedTrail
from deploytrail.web.replies import AllRecorded, Recorded
from deploytrail.web.route import Body, Part, Reply, Route
from deploytrail.web.writer import Answers as Written
from deploytrail.web.writer import Wanted

_READ_SECONDS_MAX: Final = 10
_READ_AT_ONCE_BYTES_MAX: Final = 256 * 1024
_WITH_ENTRIES: Final = 3
"""How much larger a body is together with its entries and disclosures in Base64, about."""
_Answer = TypeVar("_Answer")


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
        form = hearing.form(call.request.headers)
        raw = await body.read(call.request, share)
        call.server.metrics.received_bytes.add(len(raw))
        if call.query.include == "entry":
            # Of what is answered, too, no more is in memory than there is room for.
            share.grow_to(min(_WITH_ENTRIES * len(raw), body.IN_FLIGHT_BYTES_MAX))
        said = await _said(call, raw, form)
        size = len(raw)
        # Its events stand by themselves now, for as long as they wait.
        del raw
        answers = await written(call, said.events, size)
        told = await _told(call, answers)
    if not said.is_single:
        return json(AllRecorded(items=tuple(told)))
    (answer,) = answers
    if isinstance(answer, SenderError):
        raise answer
    return json(told[0], 201 if answer.is_first else 200)


async def _said(call: Call, raw: bytes, form: Form) -> Said:
    by = hearing.Sender(call.principal.id, await admitting(call))
    read = partial(hearing.said, raw, form, by=by, clock=call.server.clock)
    if len(raw) <= _READ_AT_ONCE_BYTES_MAX:
        return read()
    # Others are not kept waiting by a long one.
    return await asyncio.get_running_loop().run_in_executor(None, read)


async def admitting(call: Call) -> Callable[[Event], None] | None:
    """What keeps events out that lie outside of one's scope; None where there is no outside."""
    principal = call.principal
    if principal.scope == EVERYTHING:
        return None
    asked = await call.server.matching.of("", principal.scope)
    return lambda event: refuse_outside(principal, msgspec.to_builtins(event), covers=asked.matches)


async def written(
    call: Call, said: Sequence[Heard | Submission | SenderError], size: int
) -> Written:
    """What became of each, durable; those that are no event are not even offered."""
    events = [each for each in said if not isinstance(each, SenderError)]
    answers: Written = []
    if events:
        waiting: asyncio.Future[Written] = asyncio.get_running_loop().create_future()
        call.server.writer.offer(Wanted(events, size, partial(_tell, waiting)))
        answers = await waiting
    rest = iter(answers)
    return [each if isinstance(each, SenderError) else next(rest) for each in said]


def _tell(waiting: asyncio.Future[Written], answers: Written | Exception) -> None:
    if waiting.done():
        # Who sent it is gone; what it sent is logged all the same.
        return
    if isinstance(answers, Exception):
        waiting.set_exception(answers)
    else:
        waiting.set_result(answers)


async def _told(call: Call, answers: Written) -> list[Recorded]:
    wanted: Recording = call.query
    logged = [one.receipt.index for one in answers if isinstance(one, Logged)]
    more: dict[int, dict[str, Any]] = {index: {} for index in logged}
    if logged and wanted.wait == "published":
        is_published = await _is_published(call, max(logged))
        more = {index: {"published": is_published} for index in logged}
    if logged and wanted.include == "entry":
        entries = await _read(call, lambda served: _entries(served, logged))
        more = {index: more[index] | entries[index] for index in logged}
    return [
        Recorded(receipt=one.receipt, **more[one.receipt.index])
        if isinstance(one, Logged)
        else Recorded(problem=problem(one, instance=call.id))
        for one in answers
    ]


async def _is_published(call: Call, index: int) -> bool:
    """Whether a checkpoint covers it, waited for: the event is durable either way."""
    try:
        await call.server.signed.until(index)
    except Behind:
        return False
    return True


async def _read(call: Call, question: Callable[[ServedTrail], _Answer]) -> _Answer:
    """Of what is logged already: whoever sent it is not refused because others read."""
    return await call.server.lookups.ask_again(question, seconds_max=_READ_SECONDS_MAX)


def _entries(served: ServedTrail, indexes: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The bytes and the disclosures of entries, as `Recorded` has them."""
    found = {}
    for index in indexes:
        octets = served.trail.show(index).entry
        disclosures = served.trail.disclosures([octets])
        found[index] = {
            "entry": b64encode(octets).decode(),
            "disclosures": {base64url(key): base64url(each) for key, each in disclosures.items()},
        }
    return found


_ENCODED: Final = "(?:[!#$&-~]|%[0-9A-Fa-f]{2})+"
_ATTRIBUTES: Final = (
    Part(
        "ce-specversion",
        "Says that the request is a CloudEvent in binary mode: its attributes are headers, "
        "percent-encoded, and its data is the body, as JSON, which may be empty.",
        r"1\.0",
    ),
    Part("ce-id", "Of a CloudEvent: its id.", _ENCODED),
    Part("ce-source", "Of a CloudEvent: where it comes from.", _ENCODED),
    Part("ce-type", "Of a CloudEvent: an action, or what else it is.", _ENCODED),
    Part("ce-time", "Of a CloudEvent: when it happened (RFC 3339).", _ENCODED),
    Part("ce-subject", "Of a CloudEvent: what it is about.", _ENCODED),
)

ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/events",
        name="recordEvents",
        what="Record events: durable when the answer comes. The same again gives the same receipt.",
        answer=record,
        permission=Permission.RECORD,
        query=Recording,
        headers=_ATTRIBUTES,
        body=Body(
            {
                splitting.JSON: Event | list[Event],
                splitting.NDJSON: None,
                cloudevents.JSON: dict[str, Any],
                cloudevents.BATCH: list[dict[str, Any]],
            },
            "One event, an array of events, or one event a line; or CloudEvents, whose data is an "
            "event, or which are told as they are. Behind the line of an event its evidence may "
            'follow, each a line {"attachment_of": ID, "type": "output", "data": BASE64}, of type '
            "output, plan or delivery: it is kept encrypted beside the log; the event names it.",
        ),
        replies=(
            Reply(201, "A single event, now logged.", type=Recorded),
            Reply(200, "A single event that was logged before.", type=Recorded),
            Reply(200, "An answer for each of several.", type=AllRecorded),
        ),
        problems=(
            Malformed, TooLarge, Conflict, Overloaded, WrongType, TooSlowSending,
            Busy, ClockSuspect, CommitUnknown, Fenced, Unreachable, DiskFull,
        ),
    ),
)  # fmt: skip
