"""Where an event has text: the fields of each block that hold any, read once from its type.

Pure. So a walk through an event touches no number, no time and no word of a closed list.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from msgspec import Meta, Struct, structs

from deploytrail.event import Event


class TextField(NamedTuple):
    """A field of a block that is text, texts, a block or blocks."""

    name: str
    pointer: str
    """From the event, without positions in arrays; equal for a block wherever it stands."""
    length_max: int | None
    """Of one text, in characters; None for blocks."""


def text_fields(block: type[Struct]) -> tuple[TextField, ...]:
    """The fields with text of a block of an event, in their order; none of variables' values."""
    return _plan()[block]


@cache
def _plan() -> dict[type[Struct], tuple[TextField, ...]]:
    plan: dict[type[Struct], tuple[TextField, ...]] = {}
    _add(Event, "", plan)
    return plan


def _add(
    block: type[Struct], pointer: str, plan: dict[type[Struct], tuple[TextField, ...]]
) -> None:
    # A block that stands at two places (an actor) is planned at its last: no free text is in one.
    hints = get_type_hints(block, include_extras=True)
    fields: list[TextField] = []
    for field in structs.fields(block):
        own = f"{pointer}/{field.encode_name}"
        inner, length_max = _leaf(hints[field.name], None)
        if inner is str:
            fields.append(TextField(field.name, own, length_max))
        elif inner is not None:
            fields.append(TextField(field.name, own, None))
            _add(inner, own, plan)
    plan[block] = tuple(fields)


def _leaf(hint: Any, length_max: int | None) -> tuple[Any, int | None]:
    """The text or block that a field is made of, else None; with the length of a text."""
    if getattr(hint, "__supertype__", None) is str or hint is str:
        return str, length_max
    if isinstance(hint, type) and issubclass(hint, Struct):
        return hint, None
    if get_origin(hint) is Literal or isinstance(hint, type):
        return None, None
    arguments = get_args(hint)
    if get_origin(hint) is dict:
        return None, None
    for meta in getattr(hint, "__metadata__", ()):
        if isinstance(meta, Meta) and meta.max_length is not None and arguments[0] is str:
            length_max = meta.max_length
    found = (_leaf(one, length_max) for one in arguments if not isinstance(one, Meta))
    return next((each for each in found if each[0] is not None), (None, None))
