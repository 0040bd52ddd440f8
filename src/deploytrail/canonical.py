"""Canonical JSON: RFC 8785, restricted so that every parser agrees on every value.

ASCII keys, no floats, integers below 2^53, no lone surrogates, at most 32 levels. What the
restriction leaves out is what implementations of RFC 8785 get wrong. Pure.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from deploytrail.errors import Malformed

DEPTH_MAX: Final = 32
INTEGER_MAX: Final = 2**53 - 1

_CONTAINERS: Final = (dict, list, tuple)

_sorted = msgspec.json.Encoder(order="sorted")


def encode(value: Any) -> bytes:
    """The canonical bytes of dicts, lists, tuples, strings, integers, booleans and None.

    Raises Malformed, naming the path, for anything else.
    """
    _check(value)
    return encode_checked(value)


def encode_checked(value: Any) -> bytes:
    """As `encode`, for values whose types already rule out what `encode` refuses.

    msgspec sorts keys by their bytes, which for ASCII keys is RFC 8785's order by UTF-16 units,
    and escapes strings as RFC 8785 §3.2.2.2 asks. Raises Malformed for lone surrogates.
    """
    try:
        return _sorted.encode(value)
    except UnicodeEncodeError as error:
        raise Malformed(_surrogate(msgspec.to_builtins(value), error)) from None


def _surrogate(root: Any, error: UnicodeEncodeError) -> str:
    culprit = error.object
    return (
        f"{path_of(root, culprit) or 'value'}: expected Unicode, found the lone surrogate "
        f"U+{ord(culprit[error.start]):04X} at character {error.start}; send the whole character"
    )


def _check(value: Any) -> None:
    """Refuse what the restriction rules out; level by level, so depth can't overflow a stack."""
    level = [value]
    for depth in range(DEPTH_MAX + 1):
        below: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is str or kind is bool or item is None:
                continue
            if kind is int:
                if not -INTEGER_MAX <= item <= INTEGER_MAX:
                    raise Malformed(_at(value, item, "an integer between -(2^53-1) and 2^53-1"))
            elif depth == DEPTH_MAX and kind in _CONTAINERS:
                raise Malformed(_at(value, item, f"at most {DEPTH_MAX} levels; flatten it"))
            elif kind is dict:
                for key in item:
                    if type(key) is not str or not key.isascii():
                        raise Malformed(_at(value, item, f"ASCII keys, not {key!r}"))
                below.extend(item.values())
            elif kind is list or kind is tuple:
                below.extend(item)
            else:
                raise Malformed(_at(value, item, "object, array, string, integer, boolean or null"))
        if not below:
            return
        level = below


def _at(root: Any, culprit: Any, expected: str) -> str:
    path = path_of(root, culprit) or "value"
    return f"{path}: expected {expected}; found {_shown(culprit)}"


def path_of(root: Any, culprit: Any) -> str | None:
    """Where that very object stands, as `a.b[2]`; None if nowhere. Only on the way to an error."""
    queue: list[tuple[str, Any]] = [("", root)]
    for path, item in queue:
        if item is culprit:
            return path.removeprefix(".")
        if isinstance(item, dict):
            queue.extend((f"{path}.{key}", below) for key, below in item.items())
        elif isinstance(item, list | tuple):
            queue.extend((f"{path}[{at}]", below) for at, below in enumerate(item))
    return None


def _shown(value: Any) -> str:
    if isinstance(value, int | float):
        return str(value)[:40]
    return f"a {type(value).__name__}"
