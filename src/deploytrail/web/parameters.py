"""Parameters of a query string, read strictly into the struct in which a route declares them.

Pure. A parameter is text, a whole number within bounds, one of some words, or a list with commas.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar, get_args, get_origin
from urllib.parse import unquote_to_bytes

from msgspec import NODEFAULT, Meta, Struct, structs

from deploytrail.errors import Malformed

_PAIRS_MAX: Final = 64
_WHOLE: Final = re.compile("0|[1-9][0-9]{0,15}")
_T = TypeVar("_T", bound=Struct)


class Kind(NamedTuple):
    """What the text of a parameter is read as."""

    type: type[Any]
    words: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None


def parse(given: bytes, wanted: type[_T]) -> _T:
    """Raises Malformed for a parameter that is unknown, given twice, missing, or not what it is.

    How much may be given is for others to say.
    """
    if not given and not _required(wanted):
        empty: _T = _empty(wanted)
        return empty
    kinds = _kinds(wanted)
    found: dict[str, Any] = {}
    for name, text in _pairs(given):
        if name not in kinds:
            known = ", ".join(kinds) or "no parameters"
            raise Malformed(f"{name[:60]!a}: expected {known}, found this one; leave it out")
        if name in found:
            raise Malformed(f"{name}: expected once, found twice; give it once")
        found[name] = _value(name, text, kinds[name])
    for name in _required(wanted):
        if name not in found:
            raise Malformed(f"{name}: is missing; add it")
    return wanted(**found)


def _pairs(given: bytes) -> list[tuple[str, str]]:
    if not given:
        return []
    parts = given.split(b"&", _PAIRS_MAX)
    if len(parts) > _PAIRS_MAX:
        raise Malformed(f"query: expected at most {_PAIRS_MAX} parameters, found more")
    return [_pair(part) for part in parts if part]


def _pair(part: bytes) -> tuple[str, str]:
    name, _, value = part.partition(b"=")
    return _text(name), _text(value)


def _text(octets: bytes) -> str:
    try:
        text = unquote_to_bytes(octets.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("query: expected UTF-8, percent-encoded, found other bytes") from None
    if "\x00" in text:
        raise Malformed("query: expected text, found a zero byte; leave it out")
    return text


def _value(name: str, text: str, kind: Kind) -> Any:
    if kind.words and text not in kind.words:
        raise Malformed(f"{name}: expected one of {', '.join(kind.words)}, found {text[:60]!a}")
    if kind.type is int:
        return _number(name, text, kind)
    if kind.type is tuple:
        return _listed(name, text, kind)
    if kind.high is not None and len(text) > kind.high:
        raise Malformed(f"{name}: expected at most {kind.high} characters, found {len(text)}")
    if len(text) < (kind.low or 0):
        raise Malformed(f"{name}: expected something, found nothing; leave it out")
    return text


def _number(name: str, text: str, kind: Kind) -> int:
    low, high = kind.low or 0, 2**53 - 1 if kind.high is None else kind.high
    if _WHOLE.fullmatch(text) is None or not low <= int(text) <= high:
        raise Malformed(
            f"{name}: expected a whole number from {low} to {high}, found {text[:40]!a}"
        )
    return int(text)


def _listed(name: str, text: str, kind: Kind) -> tuple[str, ...]:
    items = tuple(text.split(",")) if text else ()
    if not all(items) or len(items) < (kind.low or 0) or len(items) > (kind.high or _PAIRS_MAX):
        raise Malformed(
            f"{name}: expected {kind.low or 0} to {kind.high or _PAIRS_MAX} words with commas "
            f"between, found {text[:60]!a}"
        )
    return items


# Once for each type: to resolve its annotations takes longer than to answer a request.
@cache
def _required(wanted: type[Struct]) -> tuple[str, ...]:
    return tuple(field.encode_name for field in structs.fields(wanted) if field.required)


@cache
def _empty(wanted: type[Struct]) -> Any:
    """As where nothing was given: frozen, so one serves all."""
    return wanted()


@cache
def _kinds(wanted: type[Struct]) -> dict[str, Kind]:
    return {field.encode_name: kind_of(field.type) for field in structs.fields(wanted)}


def kind_of(hint: Any) -> Kind:
    """What a field's type says; None as one of several is only for absence."""
    if get_origin(hint) is Annotated:
        meta = next(one for one in get_args(hint)[1:] if isinstance(one, Meta))
        return _kind(get_args(hint)[0], meta)
    return _kind(hint, Meta())


def _kind(hint: Any, meta: Meta) -> Kind:
    arguments = [each for each in get_args(hint) if each is not type(None)]
    if get_origin(hint) is Literal:
        return Kind(str, tuple(arguments))
    if get_origin(hint) is tuple:
        return Kind(tuple, (), meta.min_length, meta.max_length)
    if type(None) in get_args(hint):
        return _kind(arguments[0], meta)
    if hint is int:
        return Kind(int, (), _bound(meta.ge), _bound(meta.le))
    return Kind(str, (), meta.min_length, meta.max_length)


def _bound(value: float | None) -> int | None:
    return None if value is None else int(value)


def has_default(field: structs.FieldInfo) -> bool:
    return field.default is not NODEFAULT
