"""What answers say in their headers, so that the document says it too.

Values only. What every answer of the house carries beside these is in `exchange`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple


class Header(NamedTuple):
    """One of an answer: what it says always (`value`), or what that is made of (`pattern`).

    `key` names it among all; `is_always` is False where some answers of its kind lack it.
    """

    key: str
    name: str
    what: str
    value: str = ""
    pattern: str = ""
    is_always: bool = True


CACHE_CONTROL: Final = "Cache-Control"
NO_STORE: Final = Header("NoStore", CACHE_CONTROL, "Nobody keeps it.", "no-store")
NO_CACHE: Final = Header(
    "NoCache", CACHE_CONTROL, "Asked for anew each time, by its tag.", "no-cache"
)
FOR_EVER: Final = Header(
    "ForEver", CACHE_CONTROL, "It never changes.", "public, max-age=31536000, immutable"
)
FOR_ITS_READER: Final = Header(
    "ForItsReader", CACHE_CONTROL, "It never changes, and not everybody may read it.",
    "private, max-age=31536000, immutable",
)  # fmt: skip
TAG: Final = Header("Tag", "ETag", "What `If-None-Match` takes.", pattern='^"[0-9a-f]{32}"$')
REQUEST_ID: Final = Header(
    "RequestId", "X-Request-Id", "How the server's own lines name this request.",
    pattern="^[0-9a-f]{16}$",
)  # fmt: skip
REQUEST_ID_IF_READ: Final = REQUEST_ID._replace(
    key="RequestIdIfRead",
    what="How the server's own lines name this request, where it was read far enough to be one.",
    is_always=False,
)
FILE: Final = Header(
    "File", "Content-Disposition", "A browser saves it, and shows it nowhere.",
    pattern="^attachment",
)  # fmt: skip
CODING: Final = Header(
    "Coding", "Content-Encoding", "How it is packed, if it is.", pattern="^(zstd|gzip)$",
    is_always=False,
)  # fmt: skip
VARY: Final = Header("Vary", "Vary", "How it is packed depends on this.", "accept-encoding")
RETRY_AFTER: Final = Header(
    "RetryAfter", "Retry-After", "After how many seconds the same may be sent again.",
    pattern="^[1-9][0-9]*$",
)  # fmt: skip
ALLOW: Final = Header(
    "Allow", "Allow", "The methods that the path knows.", pattern="^[A-Z]+(, [A-Z]+)*$"
)
CHALLENGE: Final = Header(
    "Challenge", "WWW-Authenticate", "A token is wanted.", 'Bearer realm="deploytrail"'
)
CODINGS_READ: Final = Header(
    "CodingsRead", "Accept-Encoding", "How a body may be packed.", "gzip, zstd"
)


def described(header: Header) -> dict[str, Any]:
    """As OpenAPI has it."""
    says = {"const": header.value} if header.value else {"pattern": header.pattern}
    return {
        "description": header.what,
        "required": header.is_always,
        "schema": {"type": "string", **says},
    }


def whole(given: Iterable[Header], request_id: Header) -> tuple[Header, ...]:
    """Those of one answer, with what every answer has."""
    own = tuple(dict.fromkeys(given))
    kept = () if any(one.name == CACHE_CONTROL for one in own) else (NO_STORE,)
    return (*own, *kept, request_id)
