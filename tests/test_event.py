"""The event's types: what they admit, and which text leaves the entry for the vault."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import given
from msgspec import structs

from deploytrail.event import Event, is_concealed
from tests.events import body, event, events
from tests.searching import examples


@examples(50)
@given(events())
def test_an_event_is_read_back_from_its_own_json(event: Event) -> None:
    assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event


def test_an_event_cannot_be_changed() -> None:
    frozen: Any = event()
    with pytest.raises(AttributeError, match="immutable"):
        frozen.outcome = "failure"


def test_what_is_absent_is_not_written() -> None:
    written = msgspec.json.decode(body(reason=None))
    assert written.keys() == {"id", "action", "outcome", "time", "actor", "source"}


def fields(struct: type[Any], path: str = "") -> Iterator[tuple[str, Any]]:
    hints = get_type_hints(struct, include_extras=True)
    for field in structs.fields(struct):
        hint = hints[field.name]
        yield f"{path}{field.encode_name}", hint
        for inner in inside(hint):
            yield from fields(inner, f"{path}{field.encode_name}.")


def inside(hint: Any) -> Iterator[type[Any]]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint
    for argument in get_args(hint):
        yield from inside(argument)


def test_names_addresses_changed_values_and_free_text_are_concealed() -> None:
    """LOG.md, "Vault": what is listed here never stands in the log; nothing may leave the list."""
    concealed = {path for path, hint in fields(Event) if is_concealed(hint)}
    assert concealed == {
        "actor.id",
        "actor.name",
        "on_behalf_of.id",
        "on_behalf_of.name",
        "client.address",
        "client.user_agent",
        "client.runner",
        "targets.name",
        "changes.old",
        "changes.new",
        "reason.text",
        "links.ref",
        "error.text",
        "policy.violations.text",
        "vcs.message",
        "command.arguments",
        "command.variables",
        "command.directory",
        "source.url",
    }


def test_only_text_is_ever_unbounded_in_kind() -> None:
    """No field takes just anything: floats and foreign objects have no place in an entry."""
    leaves = {leaf for _, hint in fields(Event) for leaf in plain(hint)}
    assert not leaves & {float, object, Any, bytes}


def plain(hint: Any) -> Iterator[Any]:
    arguments = get_args(hint)
    yield from (leaf for argument in arguments for leaf in plain(argument))
    if not arguments:
        yield hint if isinstance(hint, type) else None
