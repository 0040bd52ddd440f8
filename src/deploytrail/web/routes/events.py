"""`GET /v1/events…`: what was recorded, one by one."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Final

from starlette.responses import Response

from deploytrail.access.principal import Permission
from deploytrail.app import published
from deploytrail.app.events.asked_event import asked_event
from deploytrail.errors import NotFound
from deploytrail.trail import Shown
from deploytrail.web.answering import json, shown
from deploytrail.web.call import Call
from deploytrail.web.header import FILE
from deploytrail.web.reading import ServedTrail
from deploytrail.web.replies import EventProven
from deploytrail.web.route import Part, Reply, Route

_BYTES: Final = "application/octet-stream"


async def show(call: Call) -> Response:
    """One event with its receipt and its proof."""
    shown_by = await _showing(call)

    def found(served: ServedTrail) -> EventProven:
        one = shown_by(served)
        whole = shown(one, call.server.origin)
        proof = published.proof_of(served.trail.store, one.index, one.entry)
        return EventProven(
            **{name: getattr(whole, name) for name in whole.__struct_fields__},
            proof=None if proof is None else proof.decode(),
            entry=b64encode(one.entry).decode(),
        )

    return json(await call.server.lookups.ask(found))


async def evidence(call: Call) -> Response:
    """The bytes of an attachment, as they were sent."""
    shown_by = await _showing(call)

    def found(served: ServedTrail) -> bytes:
        return served.trail.attachment(shown_by(served).index, call.parts["evidence"])

    return Response(
        await call.server.lookups.ask(found),
        headers={"content-disposition": "attachment"},
        media_type=_BYTES,
    )


async def _showing(call: Call) -> Callable[[ServedTrail], Shown]:
    """How the event that is asked for is shown, asked in the thread of a reader.

    What is out of one's scope looks absent: the same words, whichever it is.
    """
    wanted = call.parts["event"]
    absent = NotFound(
        f"event {wanted[:60]!a}: expected one of this log within your scope, found none; "
        "/v1/events lists them"
    )
    asked = await call.server.matching.of("", call.principal.scope)

    def shown_by(served: ServedTrail) -> Shown:
        try:
            one = served.show(wanted)
        except NotFound:
            raise absent from None
        if not asked.matches(asked_event(one)):
            raise absent
        return one

    return shown_by


ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/events/{event}",
        name="showEvent",
        what="One event by its id or its index, with its receipt and its proof.",
        answer=show,
        permission=Permission.READ,
        parts=(Part("event", "The event's id, or the index of its entry."),),
        replies=(Reply(200, "The event.", type=EventProven),),
        problems=(NotFound,),
    ),
    Route(
        method="GET",
        path="/v1/events/{event}/evidence/{evidence}",
        name="readEvidence",
        what="The bytes behind one of an event's `evidence`, until they are erased.",
        answer=evidence,
        permission=Permission.READ,
        parts=(
            Part("event", "The event's id, or the index of its entry."),
            Part("evidence", "The `id` of the evidence."),
        ),
        replies=(Reply(200, "The bytes, unpacked and decrypted.", _BYTES, headers=(FILE,)),),
        problems=(NotFound,),
    ),
)
