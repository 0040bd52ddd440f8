"""Problems: what an error says over HTTP (RFC 9457).

Pure. Status and words come from the error itself; the edge adds the few errors that only HTTP has.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct
from starlette.responses import Response

from deploytrail.errors import (
    DeploytrailError,
    Misconfigured,
    SenderError,
    Unknown,
    Unreachable,
)
from deploytrail.query.unreadable import Unreadable
from deploytrail.web.header import ALLOW, CHALLENGE, CODINGS_READ, RETRY_AFTER, Header

MEDIA_TYPE: Final = "application/problem+json"
_RETRY_SECONDS: Final = {429: 1, 503: 2, 507: 30}
"""After how long the same may be sent again, by status."""
_OWN: Final = ("server:", "Authorization:")
"""How what this edge itself says of being unreachable begins."""
_OURS: Final = "something failed on our side; the request id names it in the server's log"


class WrongMethod(SenderError):
    """The path is known, and knows other methods."""

    status = 405

    def __init__(self, allowed: str) -> None:
        super().__init__(f"method: expected one of {allowed}; use one of these")
        self.allowed = allowed


class NotAcceptable(SenderError):
    """Nothing of what the client takes can be given."""

    status = 406


class AddressTooLong(SenderError):
    """A request whose address is longer than is read."""

    status = 414


class TooSlowSending(SenderError):
    """A request whose body did not come in time."""

    status = 408


class WrongType(SenderError):
    """A body in a form or coding that is not read here."""

    status = 415


class HeadersTooLarge(SenderError):
    """More header than is read."""

    status = 431


class InOtherWords(Exception):
    """An error whose sender reads other words than those of a problem: `response` has them."""

    def __init__(self, error: DeploytrailError, response: Response) -> None:
        super().__init__(str(error))
        self.error = error
        self.response = response


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457. `detail` is the error's text; `instance` the id of the request.

    Of a query that can't be read, `column` says where, from 1, and `expected` what could stand
    there.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str = ""
    column: int | None = None
    expected: str = ""


class Kind(NamedTuple):
    """One of the problems that there are: what `type` names."""

    name: str
    status: int
    title: str


def kind_of(error: type[DeploytrailError]) -> Kind:
    """Its name is that of the class, its title what the class says first."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "-", error.__name__).lower()
    title = re.split("[.;:]", (error.__doc__ or error.__name__).strip(), maxsplit=1)[0]
    return Kind(name, error.status, title)


INTERNAL: Final = Kind("internal", 500, "Something failed on our side")


def problem(error: BaseException, *, instance: str = "") -> Problem:
    """What an error says to whoever sent the request; of one that nobody expected, nothing."""
    kind, detail = INTERNAL, _OURS
    if isinstance(error, DeploytrailError):
        kind = kind_of(type(error))
        detail = str(error) or kind.title
    if isinstance(error, Unreachable | Misconfigured) and not detail.startswith(_OWN):
        # Where our store is, and by whose name we get in, is told to nobody; the journal has it.
        detail = f"{kind.title}; the server's log says why, under the request's id"
    query = error if isinstance(error, Unreadable) else None
    return Problem(
        type=f"/problems/{kind.name}",
        title=kind.title,
        status=kind.status,
        detail=detail,
        instance=instance,
        column=None if query is None else query.column,
        expected="" if query is None else query.expected,
    )


def headers_named(error: type[BaseException]) -> tuple[Header, ...]:
    """What goes into the header beside the problem of such an error."""
    named = {WrongMethod: ALLOW, Unknown: CHALLENGE, WrongType: CODINGS_READ}
    own = [header for kind, header in named.items() if issubclass(error, kind)]
    return (RETRY_AFTER, *own) if _status(error) in _RETRY_SECONDS else tuple(own)


def headers_of(error: BaseException) -> dict[str, str]:
    """The same with what they say."""
    return {one.name.lower(): _said(one, error) for one in headers_named(type(error))}


def _said(header: Header, error: BaseException) -> str:
    if header is ALLOW and isinstance(error, WrongMethod):
        return error.allowed
    return str(_RETRY_SECONDS[_status(type(error))]) if header is RETRY_AFTER else header.value


def _status(error: type[BaseException]) -> int:
    return error.status if issubclass(error, DeploytrailError) else INTERNAL.status


def encoded(found: Problem) -> bytes:
    return msgspec.json.encode(found)
