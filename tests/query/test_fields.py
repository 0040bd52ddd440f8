"""The fields that a query can name, held against the types of the event."""

from __future__ import annotations

import sys
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.event import Event, is_concealed
from deploytrail.query.fields import BY_NAME, FIELDS, SCOPING, Field, Kind, folded, values
from tests.events import event, events

OURS = {"logged", "index"}
"""Not of an event, but of its entry."""


def hint_at(path: tuple[str, ...]) -> Any:
    """The type that an event has at a path, without None."""
    struct: Any = Event
    for name in path:
        if name == "*":
            continue
        found = next(one for one in msgspec.structs.fields(struct) if one.encode_name == name)
        hint = struct.__annotations__[found.name]
        inner = [one for one in _within(hint) if isinstance(one, type)]
        structs = [one for one in inner if issubclass(one, msgspec.Struct)]
        struct = structs[0] if structs else hint
    return struct


def _within(hint: Any) -> list[Any]:
    # A NewType stands for what it is made of.
    below = (*get_args(hint), getattr(hint, "__supertype__", None))
    return [hint, *(inner for one in below if one is not None for inner in _within(one))]


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_every_field_is_where_it_says(field: Field) -> None:
    for path in field.paths:
        if path[0] in OURS:
            continue
        hint = hint_at(path)
        assert not is_concealed(hint), "what is asked by field is clear in the entry"
        if field.kind is Kind.WORD and not field.choices:
            assert str in _within(hint)
        if field.kind is Kind.NUMBER:
            assert int in _within(hint)
        if field.kind is Kind.FLAG:
            assert hint is bool


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_what_a_field_can_be_is_what_its_type_says(field: Field) -> None:
    literals = [] if field.paths[0][0] in OURS else _within(hint_at(field.paths[0]))
    choices = tuple(one for one in literals if isinstance(one, str))
    assert field.choices == choices
    assert field.choices == tuple(map(folded, choices))
    assert field.none in ("", *choices)


def test_no_name_is_given_twice() -> None:
    names = [name for field in FIELDS for name in (field.name, *field.aliases)]
    assert sorted(names) == sorted(BY_NAME)


def test_a_scope_is_made_of_fields_that_are_there() -> None:
    assert set(BY_NAME) > SCOPING


def test_values_come_from_every_path_and_every_place_of_an_array() -> None:
    found = {
        "where": {"raw": {"repository": "acme/a"}},
        "links": {"repository": "acme/b", "caused_by": ["x", "y"]},
        "targets": [{"type": "t", "id": "one"}, {"type": "t"}, {"type": "t", "id": "two"}],
    }
    assert list(values(found, BY_NAME["repo"])) == ["acme/a", "acme/b"]
    assert list(values(found, BY_NAME["caused_by"])) == ["x", "y"]
    assert list(values(found, BY_NAME["target"])) == ["one", "two"]
    assert list(values(found, BY_NAME["error"])) == []


@given(events())
def test_values_are_of_the_kind_that_the_field_says(found: Event) -> None:
    plain = {**msgspec.to_builtins(found), "logged": "2026-11-22T10:11:12.123456Z", "index": 7}
    kinds = {
        Kind.WORD: str,
        Kind.PERSON: dict,
        Kind.NUMBER: int,
        Kind.TIME: str,
        Kind.FLAG: bool,
    }
    for field in FIELDS:
        for value in values(plain, field):
            assert type(value) is kinds[field.kind]


def test_every_event_has_an_action() -> None:
    assert list(values(msgspec.to_builtins(event()), BY_NAME["action"])) == ["deployment.started"]


def test_folding_again_changes_no_character() -> None:
    characters = (chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000)
    assert [one for one in characters if folded(folded(one)) != folded(one)] == []


@given(st.text())
def test_folding_again_changes_nothing(text: str) -> None:
    assert folded(folded(text)) == folded(text)


def test_texts_are_compared_without_case_in_one_form_of_unicode() -> None:
    assert folded("PROD") == "prod"
    assert folded("Straße") == folded("STRASSE")
    assert folded("é") == folded("e\u0301")
    assert folded("\uff30rod") == "prod"
