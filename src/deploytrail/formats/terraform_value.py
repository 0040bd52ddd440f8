"""Values of Terraform's JSON: numbers as they are written, secrets dropped, unknowns marked.

Pure. `parse_value` reads text, `json_text` writes a value as JSON again.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, TypeAlias

from msgspec import Struct

from deploytrail.errors import Malformed

DEPTH_MAX: Final = 128
COVER: Final = "(sensitive)"
_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)


class Number(Struct, frozen=True, gc=False):
    """A JSON number as its text: 1, 1.0 and 1e0 are three texts."""

    text: str


class Sensitive(Struct, frozen=True, gc=False):
    """Where a secret stood. `equality` compares two of one run of ours, and is never written."""

    fingerprint: str | None = None
    equality: int = 0


class Unknown(Struct, frozen=True, gc=False):
    """A value that is known only after the apply."""


UNKNOWN: Final = Unknown()

Value: TypeAlias = (
    "bool | str | Number | Sensitive | Unknown | list[Value] | dict[str, Value] | None"
)


def parse_value(text: str) -> tuple[Any, str]:
    """The first JSON value of `text`, numbers as `Number`, and what stands behind it.

    Raises Malformed for what isn't RFC 8259, for duplicate keys, lone surrogates, NaN and more
    than 128 levels.
    """
    try:
        value, end = _decoder.raw_decode(text)
    except json.JSONDecodeError as error:
        raise Malformed(f"plan: expected JSON; {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise Malformed(_TOO_DEEP) from None
    _refuse_depth(value)
    if not text.isascii() or _SURROGATE_ESCAPE.search(text):
        _refuse_surrogates(value)
    return value, text[end:]


def step(path: str, key: str) -> str:
    """The path of an object's member, as Terraform writes it: `a.b` or `a["b c"]`."""
    if not _IDENTIFIER.fullmatch(key):
        return f"{path}[{json.dumps(key, ensure_ascii=False)}]"
    return f"{path}.{key}" if path else key


def json_text(value: Any) -> str:
    """Compact JSON with sorted keys; numbers as they were written."""
    if isinstance(value, Number):
        return value.text
    if isinstance(value, dict):
        members = (
            f"{json.dumps(key, ensure_ascii=False)}:{json_text(value[key])}"
            for key in sorted(value)
        )
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(json_text, value)) + "]"
    if isinstance(value, Sensitive):
        return f'"{COVER}"'
    if isinstance(value, Unknown):
        return '"(known after apply)"'
    return json.dumps(value, ensure_ascii=False)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Malformed(f"plan: expected each key once, found {twice!r} twice; write it anew")
    return found


def _refuse_constant(text: str) -> Any:
    raise Malformed(f"plan: expected a JSON number, found {text}")


_TOO_DEEP: Final = f"plan: expected at most {DEPTH_MAX} levels, found more; flatten its values"
_decoder: Final = json.JSONDecoder(
    parse_int=Number,
    parse_float=Number,
    parse_constant=_refuse_constant,
    object_pairs_hook=_unique,
)


def _refuse_depth(value: Any) -> None:
    """Level by level, so that the check itself needs no depth."""
    level = [value]
    for _ in range(DEPTH_MAX):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        if not below:
            return
        level = below
    raise Malformed(_TOO_DEEP)


def _refuse_surrogates(value: Any) -> None:
    try:
        json_text(value).encode()
    except UnicodeEncodeError as error:
        found = f"the lone surrogate U+{ord(error.object[error.start]):04X}"
        raise Malformed(f"plan: expected Unicode, found {found}; write the character") from None
