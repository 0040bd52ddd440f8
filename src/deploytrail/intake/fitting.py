"""An event made to fit: texts and lists that are longer than an event takes are cut, and told so.

Pure. A vendor may send a name of two thousand characters or a push of ten thousand commits; that
is no reason to lose what happened.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import inspect

from deploytrail.errors import Malformed
from deploytrail.event import EVENT_BYTES_MAX, Event
from deploytrail.untrusted import parse_event

_WORD_CHARACTERS_MAX: Final = 64
_TEXT_CHARACTERS_MIN: Final = 1_025
"""A field that may be as long is a text, of which the beginning is worth something."""
_MARK_CHARACTERS: Final = 17
MASKED_BYTES_MAX: Final = 262_144
_WORD_MAX: Final = 64
_FITTED_BYTES_MAX: Final = EVENT_BYTES_MAX - 2_048
"""An entry adds subjects, digests and a nonce to its event."""
_SIZES: Final = ((16_384, 256), (2_048, 256), (512, 64), (128, 16))
"""Of texts and lists, tried in turn until the whole is small enough."""

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Event).decode


def bounded(event: Event) -> tuple[Event, bytes]:
    """The event itself unless it is so large that masks would take long over it: then as `fitted`;
    with its JSON. Raises Malformed as that does.
    """
    octets = _encode(event)
    if len(octets) <= MASKED_BYTES_MAX:
        return event, octets
    event = fitted(event)
    return event, _encode(event)


def fitted(event: Event, octets: bytes | None = None) -> Event:
    """The event itself where it is within its types' limits, else cut so that it is.

    A text keeps its beginning, and how long it was; an id keeps its beginning and a hash of the
    whole, so that two ids stay two; a list keeps its first, and says how many more there were; an
    empty text where something must stand is left out. Raises Malformed for everything else.
    `octets` is the event's JSON, where it is known.
    """
    octets = _encode(event) if octets is None else octets
    if len(octets) <= _FITTED_BYTES_MAX:
        try:
            _decode(octets)
        except msgspec.DecodeError:
            pass
        else:
            return event
    said = msgspec.json.decode(octets)
    for text_max, list_max in _SIZES:
        octets = _encode(_plan(Event, text_max, list_max)(said))
        if len(octets) <= _FITTED_BYTES_MAX:
            return parse_event(octets)
    raise Malformed(f"event: expected at most {_FITTED_BYTES_MAX} bytes, found more; send less")


def word(text: str) -> str:
    """At most 64 characters of an id or a name, two of which stay two."""
    return cut_id(text, _WORD_CHARACTERS_MAX)


def cut_id(text: str, characters_max: int) -> str:
    if len(text) <= characters_max:
        return text
    whole = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{text[: characters_max - _MARK_CHARACTERS]}~{whole[: _MARK_CHARACTERS - 1]}"


def _cut_text(text: str, characters_max: int) -> str:
    if len(text) <= characters_max:
        return text
    mark = f"… ({len(text)} characters)"
    kept = text[: characters_max - len(mark)]
    # No half of a word: a mask does not know half of a token.
    blank = max(kept.rfind(" ", -_WORD_MAX), kept.rfind("\n", -_WORD_MAX))
    return (kept[: blank + 1] if blank >= 0 else kept[:-_WORD_MAX]) + mark


_Cut = Callable[[Any], Any]
"""Of a plain value; None is what is to be left out."""


@cache
def _plan(kind: type[Event], text_max: int, list_max: int) -> _Cut:
    return _cut(inspect.type_info(kind), _Sizes(text_max, list_max))


class _Sizes(NamedTuple):
    text: int
    list: int


def _cut(kind: inspect.Type, sizes: _Sizes) -> _Cut:
    if isinstance(kind, inspect.Metadata):
        return _cut(kind.type, sizes)
    if isinstance(kind, inspect.UnionType):
        some = [each for each in kind.types if not isinstance(each, inspect.NoneType)]
        return _cut(some[0], sizes) if len(some) == 1 else lambda value: value
    if isinstance(kind, inspect.StructType):
        return _struct(kind, sizes)
    if isinstance(kind, inspect.VarTupleType):
        return _tuple(kind, sizes)
    if isinstance(kind, inspect.StrType):
        return _text(kind, sizes)
    return lambda value: value


def _struct(kind: inspect.StructType, sizes: _Sizes) -> _Cut:
    fields: Mapping[str, _Cut] = {
        field.encode_name: _cut(field.type, sizes) for field in kind.fields
    }

    def cut(value: dict[str, Any]) -> dict[str, Any]:
        kept = {name: fields[name](inner) for name, inner in value.items() if inner is not None}
        return {name: inner for name, inner in kept.items() if inner is not None}

    return cut


def _tuple(kind: inspect.VarTupleType, sizes: _Sizes) -> _Cut:
    one = _cut(kind.item_type, sizes)
    most = min(sizes.list, kind.max_length or sizes.list)

    def cut(value: list[Any]) -> list[Any]:
        kept = [each for each in map(one, value) if each is not None]
        if len(kept) <= most:
            return kept
        return [*kept[: most - 1], _more(kept[most - 1], len(kept) - most + 1)]

    return cut


def _more(first: Any, count: int) -> Any:
    """What stands for those that are left out, in the form of those that are not."""
    told = f"({count} more)"
    if not isinstance(first, dict):
        return told
    if "path" in first:
        return {"path": told, "op": "read"}
    return {"rule": told} if "rule" in first else {"type": "more", "id": told}


def _text(kind: inspect.StrType, sizes: _Sizes) -> _Cut:
    least, most = kind.min_length or 0, kind.max_length
    is_text = most is not None and most >= _TEXT_CHARACTERS_MIN

    def cut(value: str) -> str | None:
        if len(value) < least:
            return None
        if most is None or kind.pattern is not None:
            return value
        return _cut_text(value, min(most, sizes.text)) if is_text else cut_id(value, most)

    return cut
