"""A body cut into events, each as its sender wrote it: one object, an array, or one a line.

Pure. What an event says is read later, by whoever records it; here only where each begins and ends.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from deploytrail.errors import Malformed, TooLarge
from deploytrail.web.problem import WrongType

EVENTS_MAX: Final = 10_000
"""In one request."""
JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
_COMMAS_MAX: Final = 1024 * 1024
"""In an array: more of them would be more events than are read, or text that is nothing else."""
_raws = msgspec.json.Decoder(list[msgspec.Raw])
_BLANK: Final = b" \t\r\n"


class Cut(NamedTuple):
    """The events of a body, in order; `is_single` where the body is one."""

    bodies: list[bytes]
    is_single: bool


def media_type(header: str) -> str:
    """The type of a body, lower case. Raises WrongType for an encoding that is not UTF-8."""
    kind, *parameters = header.split(";")
    for each in parameters:
        name, _, value = each.strip().partition("=")
        if name.lower() == "charset" and value.strip('"').lower() not in {"utf-8", "utf8"}:
            raise WrongType(f"content-type: expected UTF-8, found {value[:40]!a}; encode it so")
    return kind.strip().lower()


def cut(body: bytes, media: str) -> Cut:
    """Raises Malformed where there are no events, or no end of one; TooLarge for too many."""
    if media == NDJSON:
        # No more pieces than are read, and as many empty ones: sixteen million cost seconds.
        pieces = body.split(b"\n", 2 * EVENTS_MAX)
        if len(pieces) > 2 * EVENTS_MAX and pieces[-1].strip(_BLANK):
            raise _too_many("more lines")
        return Cut(counted([line for line in pieces if line.strip(_BLANK)]), is_single=False)
    first = body.lstrip(_BLANK)[:1]
    if first == b"[":
        return Cut(counted(array(body)), is_single=False)
    if first != b"{":
        raise Malformed(
            'body: expected an event such as {"action": …}, an array of them, or one a line, '
            f"found {_found(body)}"
        )
    return Cut([body], is_single=True)


def array(body: bytes) -> list[bytes]:
    """The items of a JSON array, as they were written; raises TooLarge for too many."""
    if body.count(b",") > _COMMAS_MAX:
        raise _too_many(f"more than {_COMMAS_MAX} commas")
    try:
        found = _raws.decode(body)
        if len(found) > EVENTS_MAX:
            raise _too_many(str(len(found)))
        return [bytes(each) for each in found]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"body: expected a JSON array of events; {error}"[:300]) from None


def counted(found: list[bytes]) -> list[bytes]:
    """The same; raises Malformed where there are none, TooLarge for too many."""
    if not found:
        raise Malformed("body: expected events, found none; send an object, or one a line")
    if len(found) > EVENTS_MAX:
        raise _too_many(str(len(found)))
    return found


def _too_many(found: str) -> TooLarge:
    return TooLarge(
        f"body: expected at most {EVENTS_MAX} events, found {found}; send fewer at once"
    )


def _found(body: bytes) -> str:
    if not body.strip(_BLANK):
        return "nothing"
    return f"what begins with {body.lstrip(_BLANK)[:12]!r}"
