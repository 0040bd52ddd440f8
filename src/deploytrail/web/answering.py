"""Answers in the making: JSON, and an entry in the shape of `replies`."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from deploytrail.actions import summary
from deploytrail.app.events.document import receipt_of
from deploytrail.app.events.fresh import Fresh
from deploytrail.trail import Receipt, Shown
from deploytrail.web.header import NO_CACHE
from deploytrail.web.replies import EventShown
from deploytrail.web.route import JSON

_encoder = msgspec.json.Encoder()


def encoded(value: Any) -> bytes:
    return _encoder.encode(value)


def json(value: Any, status: int = 200) -> Response:
    return Response(_encoder.encode(value), status, media_type=JSON)


def tagged(request: Request, octets: bytes, media: str) -> Response:
    """What seldom changes: whoever has it already is told so, without it (RFC 9110 §13.1.2)."""
    tag = f'"{sha256(octets).hexdigest()[:32]}"'
    headers = {"cache-control": NO_CACHE.value, "etag": tag}
    given = request.headers.get("if-none-match", "")
    known = {each.strip().removeprefix("W/") for each in given.split(",")}
    if known & {tag, "*"}:
        return Response(status_code=304, headers=headers)
    return Response(octets, headers=headers, media_type=media)


class _FreshShown(msgspec.Struct, gc=False):
    """As `EventShown`, of an event that is in JSON already; of a new one nothing is withheld."""

    id: str
    index: int
    leaf: str
    logged: str
    summary: str
    event: msgspec.Raw
    withheld: tuple[()]
    receipt: Receipt


def fresh_shown(one: Fresh) -> object:
    """To be encoded: the same bytes as of what the trail shows of it later."""
    receipt = one.receipt
    return _FreshShown(
        id=receipt.id,
        index=receipt.index,
        leaf=receipt.leaf,
        logged=receipt.logged,
        summary=summary(one.event),
        event=msgspec.Raw(one.json),
        withheld=(),
        receipt=receipt,
    )


def shown(one: Shown, origin: str) -> EventShown:
    return EventShown(
        id=str(one.event["id"]),
        index=one.index,
        leaf=one.leaf,
        logged=str(one.event["logged"]),
        summary=summary(one.event),
        event=one.event,
        withheld=one.withheld,
        receipt=receipt_of(one, origin),
    )
