"""The texts of an event that are searched by words: the clear ids, and every concealed text.

Pure. Which texts are concealed is read once from the types of `event.py`. Each text is searched by
itself: a phrase does not begin in one and end in another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

import msgspec

from deploytrail.event import Event, is_concealed
from deploytrail.query.fields import values_at
from deploytrail.query.words import clear_texts, concealed_texts


def _paths(struct: type[msgspec.Struct], above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Of every concealed field, `*` standing for each item of an array."""
    # event.py has its annotations evaluated, so there is nothing to resolve.
    hints = struct.__annotations__
    for field in msgspec.structs.fields(struct):
        path = (*above, field.encode_name)
        if is_concealed(hints[field.name]):
            yield path
            continue
        for inner, is_array in _structs(hints[field.name]):
            yield from _paths(inner, (*path, "*") if is_array else path)


def _structs(hint: Any, *, is_array: bool = False) -> Iterator[tuple[type[msgspec.Struct], bool]]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint, is_array
    for argument in get_args(hint):
        is_tuple = getattr(hint, "__origin__", None) is tuple
        yield from _structs(argument, is_array=is_array or is_tuple)


CONCEALED: Final = tuple(_paths(Event, ()))
"""Where an event has concealed texts."""
_BY_BLOCK: Final = {
    name: tuple(path[1:] for path in CONCEALED if path[0] == name)
    for name in dict.fromkeys(path[0] for path in CONCEALED)
}


def texts(event: Mapping[str, Any]) -> Iterator[str]:
    """In no particular order; the same text may come twice."""
    yield from clear_texts(event)
    for name, paths in _BY_BLOCK.items():
        block = event.get(name)
        if block is None:
            continue
        for path in paths:
            for found in values_at(block, path):
                yield from (found,) if isinstance(found, str) else concealed_texts(found)
