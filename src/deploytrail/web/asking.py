"""What a request asks for: its parameters, in the address or as a form in the body.

A query that is too long for an address comes in a body; it means the same, and costs no more.
"""

from __future__ import annotations

import asyncio
from typing import Final

from msgspec import Struct
from starlette.requests import Request

from deploytrail.web import body, splitting
from deploytrail.web.body import Budget, Share
from deploytrail.web.parameters import parse
from deploytrail.web.problem import AddressTooLong, WrongType
from deploytrail.web.route import Route

FORM: Final = "application/x-www-form-urlencoded"
ADDRESS_BYTES_MAX: Final = 245_760
"""Of a query string, percent-encoded."""
FORM_BYTES_MAX: Final = 1024 * 1024
"""The same of a body: a query of ten thousand terms fits several times."""
_READ_AT_ONCE_BYTES_MAX: Final = 64 * 1024


async def asked(request: Request, route: Route, budget: Budget) -> Struct:
    """The parameters of a request. Raises Malformed for what the route does not take."""
    given: bytes = request.scope["query_string"]
    if len(given) > ADDRESS_BYTES_MAX:
        raise AddressTooLong(
            f"query: expected at most {ADDRESS_BYTES_MAX} bytes, found {len(given)}; ask for less, "
            f"or by POST, as {FORM} in the body (openapi.json)"
        )
    query = parse(given, route.query)
    return query if route.form is None else await _form(request, route.form, budget)


async def _form(request: Request, form: type[Struct], budget: Budget) -> Struct:
    media = splitting.media_type(request.headers.get("content-type", ""))
    if media != FORM:
        raise WrongType(f"content-type: expected {FORM}, found {media[:60]!a}; send a form")
    with Share(budget) as share:
        raw = await body.read(request, share, bytes_max=FORM_BYTES_MAX)
        if len(raw) <= _READ_AT_ONCE_BYTES_MAX:
            return parse(raw, form)
        # Others are not kept waiting by a long one.
        return await asyncio.get_running_loop().run_in_executor(None, parse, raw, form)
