"""Shapes: what a source reads of a foreign body, written as types.

Pure. A shape names only the fields that are read; whatever else a body says is skipped without
being kept. A field that must be there has no default; one that may be absent, or null, has.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final, TypeVar, cast

import msgspec
from msgspec import Struct

from deploytrail.errors import Malformed, TooLarge

S = TypeVar("S")


class Shape(Struct, frozen=True, gc=False):
    """A part of a foreign body. Unknown fields are skipped; names are those of the body."""


def read(octets: bytes | msgspec.Raw, shape: type[S], *, what: str = "body") -> S:
    """A JSON text as that shape.

    Raises Malformed for what is no JSON in UTF-8, or not of that shape, with the path of the field
    and never with a value: `body.user.login: is missing`.
    """
    try:
        found: S = _decoder(cast("Any", shape)).decode(octets)
    except msgspec.ValidationError as error:
        raise Malformed(_told(str(error), what)) from None
    except RecursionError:
        raise Malformed(f"{what}: expected fewer levels, found too many; flatten it") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"{what}: expected JSON; {_syntax(error)}; mend its syntax") from None
    return found


def read_capped(
    octets: bytes | msgspec.Raw, shape: type[S], *, bytes_max: int, what: str = "body"
) -> S:
    """As `read`; raises TooLarge over `bytes_max` before anything is read."""
    size = len(bytes(octets))
    if size > bytes_max:
        raise TooLarge(f"{what}: expected at most {bytes_max} bytes, found {size}; send less")
    return read(octets, shape, what=what)


@cache
def _decoder(shape: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(shape)


_MISSING: Final = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_GOT: Final = re.compile(r"Expected (.*), got (.*)", re.DOTALL)
_WORDS: Final = (
    (" | null", ""),
    ("`str`", "text"),
    ("`int`", "an integer"),
    ("`float`", "a number"),
    ("`bool`", "true or false"),
    ("`datetime`", "an RFC 3339 time"),
    ("`object`", "an object"),
    ("`array`", "an array"),
    ("`null`", "null"),
    ("`", ""),
)


def _told(message: str, what: str) -> str:
    """msgspec's message in our words, without anything that stood in the body."""
    text, _, path = message.rpartition(" - at `$")
    if not text:
        text, path = message, ""
    where = what + path.removesuffix("`")
    missing = _MISSING.fullmatch(text)
    if missing is not None:
        return f"{where}.{missing[1]}: is missing"
    got = _GOT.fullmatch(text)
    if got is not None:
        return f"{where}: expected {_spoken(got[1])}, found {_spoken(got[2])}"
    if text.startswith("Invalid enum value"):
        return f"{where}: expected one of the words that are known there, found another"
    return f"{where}: expected another value ({_spoken(text.partition('`')[0].strip().lower())})"


def _spoken(text: str) -> str:
    for word, ours in _WORDS:
        text = text.replace(word, ours)
    return text


def _syntax(error: Exception) -> str:
    """Where and why, in the parser's words, which cite nothing of the body."""
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is no UTF-8"
    return re.sub(r"[^ -~]", "?", str(error))[:120]


def texts(value: Any) -> str | None:
    """A scalar as text, for fields that senders write now as text and now as a number."""
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise Malformed("body: expected text or a number, found an object or an array")
