"""Which blocks of an event are concealed, read once from the types of `event.py`.

Pure. A block is an object with concealed fields, or an array of such objects; its disclosure holds
those fields, of an array by the decimal index of each item.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any, Final, NamedTuple, get_args

import msgspec

from deploytrail.event import Event, is_concealed


class ConcealedBlock(NamedTuple):
    """Where concealed fields stand: `/client`, or `/policy/violations` with `is_array`."""

    pointer: str
    path: tuple[str, ...]
    fields: frozenset[str]
    is_array: bool
    names: tuple[str, ...]
    """`fields` in the order of `hidden`."""
    hidden: Callable[[Any], Any]
    """The struct's concealed values: a tuple, or the value itself where there is one field."""
    absent: Any
    """What `hidden` gives where nothing is concealed."""
    bare: dict[str, Any]
    """By attribute, what a struct has in their place once they are taken."""
    empty: msgspec.Struct | None
    """The struct that says nothing; None where a field is required."""
    is_text: bool
    """An object below the event with nothing but optional texts to conceal."""


def _blocks(
    struct: type[msgspec.Struct], path: tuple[str, ...], *, is_array: bool
) -> Iterator[ConcealedBlock]:
    # event.py has its annotations evaluated, so there is nothing to resolve.
    hints = struct.__annotations__
    fields = msgspec.structs.fields(struct)
    concealed = [field for field in fields if is_concealed(hints[field.name])]
    if concealed:
        bare = {field.name: _default(field) for field in concealed}
        hidden: Callable[[Any], Any] = attrgetter(*bare)
        is_text = not is_array and len(path) == 1 and all(one is None for one in bare.values())
        yield ConcealedBlock(
            pointer="/" + "/".join(path),
            path=path,
            fields=frozenset(field.encode_name for field in concealed),
            is_array=is_array,
            names=tuple(field.encode_name for field in concealed),
            hidden=hidden,
            absent=tuple(bare.values()) if len(bare) > 1 else next(iter(bare.values())),
            bare=bare,
            empty=None if any(field.required for field in fields) else struct(),
            is_text=is_text,
        )
    named = [(field.encode_name, hints[field.name]) for field in fields]
    for name, hint in named:
        for inner, inner_is_array in _structs(hint):
            yield from _blocks(inner, (*path, name), is_array=inner_is_array)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def _structs(hint: Any, *, is_array: bool = False) -> Iterator[tuple[type, bool]]:
    """The structs that a field holds: directly, optional, or as the items of a tuple."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint, is_array
    for argument in get_args(hint):
        is_tuple = getattr(hint, "__origin__", None) is tuple
        yield from _structs(argument, is_array=is_array or is_tuple)


BLOCKS: Final = tuple(_blocks(Event, (), is_array=False))
BY_POINTER: Final = {block.pointer: block for block in BLOCKS}


def has_any(block: ConcealedBlock, holder: Any) -> bool:
    """Whether the value of the event's field `path[0]`, not None, hides anything in that block."""
    for name in block.path[1:]:
        holder = getattr(holder, name)
    hidden, absent = block.hidden, block.absent
    if not block.is_array:
        return bool(hidden(holder) != absent)
    return any(hidden(item) != absent for item in holder)


def take(event: dict[str, Any], block: ConcealedBlock) -> dict[str, Any] | None:
    """Remove a block's concealed fields from the event and return them, or None if it has none."""
    holder: Any = event
    last = block.path[-1]
    for name in block.path[:-1]:
        holder = holder.get(name)
        if holder is None:
            return None
    found: Any = holder.get(last)
    if found is None:
        return None
    if block.is_array:
        return _taken_from_items(found, block.fields)
    taken = {name: found.pop(name) for name in block.fields if name in found}
    if taken and not found:
        del holder[last]
    return taken or None


def put(event: dict[str, Any], block: ConcealedBlock, taken: dict[str, Any]) -> None:
    """The reverse of `take`. Raises ValueError where `taken` is not what `take` returns."""
    holder = event
    for name in block.path[:-1]:
        holder = holder.setdefault(name, {})
    if block.is_array:
        items = holder.get(block.path[-1], [])
        for at, fields in taken.items():
            _put_fields(_item(items, at), block.fields, fields)
    else:
        _put_fields(holder.setdefault(block.path[-1], {}), block.fields, taken)


def _taken_from_items(items: list[Any], fields: frozenset[str]) -> dict[str, Any] | None:
    taken = {}
    for at, item in enumerate(items):
        own = {name: item.pop(name) for name in fields if name in item}
        if own:
            taken[str(at)] = own
    return taken or None


def _item(items: Any, at: str) -> Any:
    if not (at.isascii() and at.isdigit() and str(int(at)) == at and int(at) < len(items)):
        raise ValueError(f"no item {at!r}")
    return items[int(at)]


def _put_fields(target: Any, allowed: frozenset[str], fields: Any) -> None:
    if not isinstance(target, dict) or not isinstance(fields, dict):
        raise ValueError("not an object")
    for name, value in fields.items():
        if name not in allowed or name in target:
            raise ValueError(f"no concealed field {name!r}")
        target[name] = value
