"""`GET /v1/fingerprint-key`: by which who records elsewhere marks the secrets that it drops."""

from __future__ import annotations

from base64 import b64encode
from typing import Annotated, Final

from msgspec import Meta, Struct
from starlette.responses import Response

from deploytrail.access.principal import Permission
from deploytrail.access.scope import refuse_project
from deploytrail.web.answering import json
from deploytrail.web.call import Call
from deploytrail.web.replies import FingerprintKey
from deploytrail.web.route import Reply, Route


class Keyed(Struct, frozen=True, kw_only=True):
    """Of which project."""

    project: Annotated[
        str, Meta(min_length=1, max_length=64, description="`where.project` of the events.")
    ] = "unknown"


async def key(call: Call) -> Response:
    """It opens nothing: with it, equal secrets of one project are seen to be equal."""
    wanted: Keyed = call.query
    refuse_project(call.principal, wanted.project)
    found = await call.server.lookups.ask(
        lambda served: served.trail.fingerprint_key(wanted.project)
    )
    answer = FingerprintKey(project=wanted.project, key=b64encode(found).decode())
    return json(answer)


ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/fingerprint-key",
        name="readFingerprintKey",
        what="The key under which secrets of one project leave a fingerprint when dropped.",
        answer=key,
        permission=Permission.RECORD,
        query=Keyed,
        replies=(Reply(200, "32 bytes, in base64.", type=FingerprintKey),),
    ),
)
