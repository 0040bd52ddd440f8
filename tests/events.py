"""Events of the cast: one by hand, and any that the types of `event.py` allow."""

from __future__ import annotations

from datetime import datetime
from itertools import count
from types import NoneType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st
from msgspec import Meta, structs

from deploytrail.clock import at_microseconds, uuid7
from deploytrail.event import Actor, Event, EventId, Reason, Source, is_concealed
from tests.fakes import NOON

MARK = "never in an entry: "
"""How every concealed text of `events()` begins."""
_NOON_MS = int(NOON.timestamp() * 1000)
_numbers = count(1)

ALICE = Actor(type="user", id="github:alice", name="Alice Example")
BOB = Actor(type="user", id="github:bob", name="Bob Example")


def new_id() -> EventId:
    """A UUIDv7 of noon that no other event of this run has."""
    return uuid7(_NOON_MS, next(_numbers).to_bytes(10, "big"))


def event(**fields: Any) -> Event:
    """Alice deployed; whatever is given differs."""
    plain = Event(
        id=new_id(),
        action="deployment.started",
        outcome="success",
        time=NOON,
        actor=ALICE,
        source=Source(tool="terraform", instance="local"),
        reason=Reason(from_="stated", text="the read replica lags"),
    )
    return structs.replace(plain, **fields)


def body(**fields: Any) -> bytes:
    """As `event`, as its sender would write it."""
    return msgspec.json.encode(event(**fields))


_texts = st.text(st.characters(exclude_categories=["Cs"]))
_marks = st.builds(lambda text: MARK + text, st.text('aé"\\/ \n😀', max_size=20))
_times = st.integers(946_684_800_000_000, 1_767_225_600_000_000).map(at_microseconds)


def events() -> st.SearchStrategy[Event]:
    """Any event: every field present or not, in every shape that its type allows."""
    return _struct(Event)


def _struct(struct: type[Any]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(struct, include_extras=True)
    required: dict[str, Any] = {}
    optional: dict[str, Any] = {}
    for field in structs.fields(struct):
        kind = required if field.required else optional
        kind[field.name] = _value(hints[field.name])
    whole = st.fixed_dictionaries(required, optional=optional)
    return whole.map(lambda fields: struct(**fields))


def _value(hint: Any, bounds: Meta | None = None, *, is_marked: bool = False) -> Any:
    if hint is EventId:
        return st.builds(uuid7, st.integers(0, _NOON_MS), st.binary(min_size=10, max_size=10))
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        meta = next(one for one in arguments[1:] if isinstance(one, Meta))
        return _value(arguments[0], meta, is_marked=is_marked or is_concealed(hint))
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(_value(arguments[0], is_marked=is_marked), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(st.text("ABC_", min_size=1), _marks, max_size=3)
    if NoneType in arguments and (origin is Union or origin.__name__ == "UnionType"):
        return st.one_of(*(_value(one) for one in arguments if one is not NoneType))
    return _plain(hint, bounds, is_marked=is_marked)


def _plain(hint: type[Any], bounds: Meta | None, *, is_marked: bool) -> Any:
    if issubclass(hint, msgspec.Struct):
        return _struct(hint)
    if hint is str and is_marked:
        return _marks
    if hint is str:
        return _texts.filter(bool).map(lambda text: text[:64].ljust(3, "."))
    if hint is int and bounds is not None:
        below = bounds.le if bounds.le is not None else (bounds.lt or 0) - 1
        return st.integers(int(bounds.ge or 0), int(below))
    return {bool: st.booleans(), datetime: _times}[hint]
