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
ADDRESS_BYTES_MAX: Final = 61_440
"""Of an address, percent-encoded. The parser of HTTP can't take one of 64 KiB apart."""
FORM_BYTES_MAX: Final = 1024 * 1024
"""The same of a body: a query of ten thousand terms fits several times."""
_READ_AT_ONCE_BYTES_MAX: Final = 64 * 1024


async def asked(request: Request, route: Route, budget: Budget) -> Struct:
    """The parameters of a request. Raises Malformed for what the route does not take."""
    given: bytes = request.scope["query_string"]
    if len(given) > ADDRESS_BYTES_MAX:
        raise too_long(len(given))
    query = parse(given, route.query)
    return query if route.form is None else await _form(request, route.form, budget)


def too_long(found: int) -> AddressTooLong:
    """Of an address of so many bytes."""
    return AddressTooLong(
        f"address: expected at most {ADDRESS_BYTES_MAX} bytes, found {found}; ask for less, or by "
        f"POST at .../query, as {FORM} in the body (openapi.json)"
    )


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
