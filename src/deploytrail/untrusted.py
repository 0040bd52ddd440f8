"""Foreign JSON: read strictly, and never silently empty.

A field of a foreign body is required, optional or refused by name. Pure. What a body may be is
RFC 8259 in UTF-8 without duplicate keys: two parsers that keep different ones of two equal keys
would see two different events.
"""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Any, Final, Literal, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from deploytrail.canonical import DEPTH_MAX, path_of
from deploytrail.errors import Malformed, SenderError, TooLarge
from deploytrail.event import EVENT_BYTES_MAX, Event
from deploytrail.redact import mask

T = TypeVar("T")

_plain = msgspec.json.Encoder()


@cache
def _events() -> msgspec.json.Decoder[Event]:
    # Made at the first use: it takes milliseconds, and a wrapped command reads no event.
    return msgspec.json.Decoder(Event)


def parse_event(raw: bytes) -> Event:
    """An event from JSON as a sender wrote it.

    Only what types can tell is checked here: names, shapes, sizes, zones. `actions.check` knows
    the catalogue and the time. Raises Malformed, naming the field, or TooLarge.
    """
    if len(raw) > EVENT_BYTES_MAX:
        raise TooLarge(
            f"event: expected at most {EVENT_BYTES_MAX} bytes, found {len(raw)}; "
            "keep what is larger as an attachment"
        )
    try:
        event = _events().decode(raw)
    except msgspec.ValidationError as error:
        raise Malformed(_invalid(raw, str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(raw, error) from None
    if not _has_all_keys(raw, event):
        _refuse_duplicates(raw)
    return event


def parse_json(raw: bytes, *, what: str = "body", bytes_max: int, depth_max: int = 64) -> Any:
    """Any JSON value of a foreign body; floats are read as floats.

    Raises TooLarge over `bytes_max`, Malformed for everything that isn't RFC 8259 in UTF-8, for
    duplicate keys, lone surrogates, numbers that no float can hold, and more than `depth_max`
    levels of objects and arrays.
    """
    if len(raw) > bytes_max:
        raise TooLarge(f"{what}: expected at most {bytes_max} bytes, found {len(raw)}; send less")
    # The slow parser is for foreign bodies and for telling faults; most runs of ours see neither.
    import json

    _refuse_other_encodings(raw, what)
    try:
        value = json.loads(raw.decode("utf-8"), **_READING)
    except UnicodeDecodeError as error:
        raise Malformed(
            f"{what}: expected UTF-8, found byte {error.start} that is not; encode it as UTF-8"
        ) from None
    except json.JSONDecodeError as error:
        raise Malformed(
            f"{what}: expected JSON; {error.msg} at character {error.pos}; mend its syntax"
        ) from None
    except RecursionError:
        raise Malformed(f"{what}: {_too_deep(depth_max)}") from None
    except ValueError:
        raise Malformed(f"{what}: expected numbers of at most 4,300 digits, found more") from None
    _refuse_faults(value, what, depth_max)
    return value


class Untrusted:
    """One object of a foreign body, with the path that leads to it.

    Reading a field either gives a value of the asked type or raises Malformed with the path:
    `body.user.login: is missing`. `None` and absence are the same: nothing was said.
    """

    __slots__ = ("_fields", "path")

    def __init__(self, fields: Any, path: str = "body") -> None:
        if not isinstance(fields, dict):
            raise Malformed(f"{path}: expected an object, found {_kind(fields)}")
        self._fields = fields
        self.path = path

    def __contains__(self, name: str) -> bool:
        return self._fields.get(name) is not None

    def names(self) -> list[str]:
        return list(self._fields)

    def text(self, name: str) -> str:
        return self._required(name, self.optional_text(name))

    def optional_text(self, name: str) -> str | None:
        return self._typed(name, str, "text")

    def integer(self, name: str) -> int:
        return self._required(name, self.optional_integer(name))

    def optional_integer(self, name: str) -> int | None:
        value = self._fields.get(name)
        if isinstance(value, bool):
            raise Malformed(f"{self.path}.{name}: expected an integer, found a boolean")
        return self._typed(name, int, "an integer")

    def optional_boolean(self, name: str) -> bool | None:
        return self._typed(name, bool, "true or false")

    def block(self, name: str) -> Untrusted:
        """The object under `name`."""
        return self._required(name, self.optional_block(name))

    def optional_block(self, name: str) -> Untrusted | None:
        value = self._fields.get(name)
        return None if value is None else Untrusted(value, f"{self.path}.{name}")

    def blocks(self, name: str) -> list[Untrusted]:
        """The objects of the array under `name`; empty where it is absent."""
        found = self._typed(name, list, "an array") or []
        return [Untrusted(item, f"{self.path}.{name}[{at}]") for at, item in enumerate(found)]

    def texts(self, name: str) -> list[str]:
        """The strings of the array under `name`; empty where it is absent."""
        found = self._typed(name, list, "an array") or []
        for at, item in enumerate(found):
            if not isinstance(item, str):
                raise Malformed(f"{self.path}.{name}[{at}]: expected text, found {_kind(item)}")
        return found

    def raw(self, name: str) -> Any:
        """Whatever stands under `name`, or None. For values that are kept, not understood."""
        return self._fields.get(name)

    def _typed(self, name: str, kind: type[T], expected: str) -> T | None:
        value = self._fields.get(name)
        if value is None or isinstance(value, kind):
            return value
        raise Malformed(f"{self.path}.{name}: expected {expected}, found {_kind(value)}")

    def _required(self, name: str, value: T | None) -> T:
        if value is None:
            raise Malformed(f"{self.path}.{name}: is missing")
        return value


def _has_all_keys(raw: bytes, event: Event) -> bool:
    """Whether no duplicate key can have been dropped: cheap, and unsure where it says no.

    Without `\\u` escapes, a body has as many quotes as its encoding unless the decoder dropped a
    key, or the body spells out a default. A dropped key takes at least two quotes with it, and
    the encoding adds nothing that the body didn't have.
    """
    # One byte is looked for twice as fast as two.
    if b"\\" in raw and b"\\u" in raw:
        return False
    return raw.count(b'"') == _plain.encode(event).count(b'"')


def _refuse_duplicates(raw: bytes) -> None:
    """As `parse_json`, for bytes that are known to be an event but for duplicate keys."""
    import json

    try:
        _refuse_faults(json.loads(raw, **_READING), "event", DEPTH_MAX)
    except Malformed as error:
        raise Malformed(str(error).removeprefix("event.")) from None


class _Fault(NamedTuple):
    """Stands where a value is that may not be, until its path is known."""

    expected: str
    found: str


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                found[name] = _Fault("each key once", "it twice; send it once")
            seen.add(name)
    return found


def _constant(text: str) -> _Fault:
    return _Fault("a JSON number", f"{text}; leave it out or send text")


_READING: Final[dict[str, Any]] = {"object_pairs_hook": _unique, "parse_constant": _constant}


def _refuse_faults(value: Any, what: str, depth_max: int) -> None:
    """Refuse what JSON's grammar allows and we don't; level by level, so no stack overflows."""
    level = [value]
    for depth in range(depth_max + 1):
        below: list[Any] = []
        for item in level:
            kind = type(item)
            if depth == depth_max and kind in {dict, list}:
                raise Malformed(f"{_where(value, item, what)}: {_too_deep(depth_max)}")
            if kind is dict:
                below.extend(item.values())
                below.extend(key for key in item if not key.isascii())
            elif kind is list:
                below.extend(item)
            else:
                _refuse_fault(value, item, what)
        if not below:
            return
        level = below


def _refuse_fault(root: Any, item: Any, what: str) -> None:
    fault = item if isinstance(item, _Fault) else None
    if isinstance(item, str) and not item.isascii() and _LONE.search(item):
        fault = _Fault("Unicode", "a lone surrogate; send the whole character")
    elif isinstance(item, float) and math.isinf(item):
        fault = _Fault("a number below 1.8e308", "a larger one; send it as text")
    if fault is not None:
        where = _where(root, item, what)
        raise Malformed(f"{where}: expected {fault.expected}, found {fault.found}")


_LONE: Final = re.compile("[\ud800-\udfff]")


def _where(root: Any, culprit: Any, what: str) -> str:
    """The path of a value below `what`; of a key, only `what`."""
    path = path_of(root, culprit)
    if not path:
        return what
    return _ascii(what + path if path.startswith("[") else f"{what}.{path}")


def _refuse_other_encodings(raw: bytes, what: str) -> None:
    if raw.startswith(b"\xef\xbb\xbf"):
        raise Malformed(f"{what}: expected UTF-8 without a byte order mark; leave it out")
    if b"\x00" in raw:
        raise Malformed(f"{what}: expected UTF-8, found a zero byte, as in UTF-16; send UTF-8")


def _too_deep(depth_max: int) -> str:
    return f"expected at most {depth_max} levels, found more; flatten it"


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "text", bool: "a boolean", int: "an integer"}
    return "nothing" if value is None else names.get(type(value), f"a {type(value).__name__}")


def _unreadable(raw: bytes, error: Exception) -> Malformed:
    """Why these bytes are no JSON: the standard library's parser tells it better."""
    try:
        parse_json(raw, what="event", bytes_max=EVENT_BYTES_MAX, depth_max=DEPTH_MAX)
    except SenderError as better:
        return Malformed(str(better).removeprefix("event."))
    return Malformed(f"event: expected JSON; {error}")


_NAMED: Final = re.compile(r"Object (missing required|contains unknown) field `(.*)`", re.DOTALL)
_LEAP: Final = re.compile(r"[0-9]:[0-9]{2}:60")
_LEAPLESS: Final = "a second from 00 to 59"
_ADVICE: Final = {
    _LEAPLESS: "leap seconds are not taken: write it as the second before",
    "RFC 3339": "write it as 2026-11-22T10:11:12.123456Z",
    "its zone": "add Z or an offset such as +01:00",
    "a time": "write it as 2026-11-22T10:11:12.123456Z",
    "length <=": "shorten it, or keep it as an attachment",
    "at least 1": "leave it out where there is nothing to say",
}


def _invalid(raw: bytes, message: str) -> str:
    """msgspec's message in our words: the path, what was expected, what was found, what to do."""
    text, at, path = message.rpartition(" - at `$")
    if not at or not path.endswith("`"):
        text, path = message, ""
    where = path.removesuffix("`").removeprefix(".")
    named = _NAMED.fullmatch(text)
    if named is not None:
        return _misnamed(where, named[2], is_missing=named[1].startswith("missing"))
    expected = _spoken(text.partition(", got ")[0].removeprefix("Expected "))
    if text.startswith("Invalid enum value"):
        expected = f"one of {', '.join(map(str, _allowed(where)))}"
    elif text.startswith("Invalid RFC3339"):
        expected = _LEAPLESS if _LEAP.search(_found(raw, where)) else "an RFC 3339 time"
    elif text == "Number out of range":
        expected = "a number below 2^53"
    advice = next((hint for word, hint in _ADVICE.items() if word in expected), "")
    found = _found(raw, where) if where else _spoken(text.rpartition(", got ")[2])
    sentence = f"{where or 'event'}: expected {expected}{found and f', found {found}'}"
    return sentence + (f"; {advice}" if advice else "")


_WORDS: Final = {
    " | null": "",
    "`str`": "text",
    "`int`": "an integer",
    "`bool`": "true or false",
    "`datetime`": "a time",
    "`object`": "an object",
    "`array`": "an array",
    "a timezone component": "its zone",
    "length >= 1": "at least 1 character",
    "length": "a length",
    "`": "",
}


def _spoken(text: str) -> str:
    """The types in msgspec's words as people say them."""
    for word, ours in _WORDS.items():
        text = text.replace(word, ours)
    return text


def _misnamed(where: str, name: str, *, is_missing: bool) -> str:
    path = _ascii(f"{where}.{name}".removeprefix("."))
    if is_missing and not where:
        return f"{path}: is missing; every event says id, action, outcome, time, actor and source"
    if is_missing:
        return f"{path}: is missing, and {where} needs it; add it"
    fields = ", ".join(_block(_hint(where)).__struct_encode_fields__)
    return f"{path}: is no field of {where or 'an event'}; it has {fields}"


def _found(raw: bytes, where: str) -> str:
    """What stands at a path of msgspec's; empty where that can't be told."""
    if where.endswith("[...]"):
        return ""
    try:
        value = msgspec.json.decode(raw)
        for name, at in re.findall(r"([a-z_]+)|\[([0-9]+)\]", where):
            value = value[name] if name else value[int(at)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, LookupError, TypeError):
        return ""
    if isinstance(value, str):
        return _ascii(repr(value)) if len(value) <= 64 else f"{len(value)} characters"
    if isinstance(value, list):
        return f"{len(value)} of them"
    return str(value)[:40] if isinstance(value, int | float) else _kind(value)


def _allowed(where: str) -> tuple[Any, ...]:
    """The words that an event may say at a path, read from its types."""
    hints = _leaves(_hint(where))
    return next((get_args(found) for found in hints if get_origin(found) is Literal), ())


def _hint(where: str) -> Any:
    hint: Any = Event
    for name in re.findall(r"[a-z_]+", where):
        struct = _block(hint)
        fields = dict(zip(struct.__struct_encode_fields__, struct.__struct_fields__, strict=True))
        hint = get_type_hints(struct)[fields[name]]
    return hint


def _block(hint: Any) -> Any:
    return next(found for found in _leaves(hint) if hasattr(found, "__struct_fields__"))


def _leaves(hint: Any) -> list[Any]:
    """The types that a hint is made of, without unions and containers around them."""
    if get_origin(hint) is Literal or not get_args(hint):
        return [hint]
    return [leaf for argument in get_args(hint) for leaf in _leaves(argument)]


def _ascii(text: str) -> str:
    """Foreign text on its way into a message: short, without secrets and control characters."""
    shown = mask(text).encode("ascii", "backslashreplace").decode()
    shown = "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in shown)
    return shown if len(shown) <= 120 else f"{shown[:120]}…"
