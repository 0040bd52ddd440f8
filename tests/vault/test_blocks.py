"""Which blocks are concealed is read from the event's types, so a new field needs no list."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from deploytrail.vault.blocks import BY_POINTER, put, take


def test_the_blocks_of_an_event_are_those_with_concealed_fields() -> None:
    """What stands here stands in logs: a pointer may be added, and none may ever go."""
    assert {
        pointer: (set(block.fields), block.is_array) for pointer, block in BY_POINTER.items()
    } == {
        "/actor": ({"id", "name"}, False),
        "/on_behalf_of": ({"id", "name"}, False),
        "/client": ({"address", "user_agent", "runner"}, False),
        "/source": ({"url"}, False),
        "/error": ({"text"}, False),
        "/targets": ({"name"}, True),
        "/changes": ({"old", "new"}, True),
        "/reason": ({"text"}, False),
        "/links": ({"ref"}, False),
        "/policy/violations": ({"text"}, True),
        "/vcs": ({"message"}, False),
        "/command": ({"arguments", "variables", "directory"}, False),
    }


HELD: dict[str, tuple[str, dict[str, Any], dict[str, Any] | None, dict[str, Any]]] = {
    "a block": (
        "/reason",
        {"reason": {"from": "none", "text": "t"}},
        {"text": "t"},
        {"reason": {"from": "none"}},
    ),
    "a block that vanishes": ("/client", {"client": {"address": "a"}}, {"address": "a"}, {}),
    "an empty block": ("/client", {"client": {}}, None, {"client": {}}),
    "no block": ("/client", {}, None, {}),
    "an array": (
        "/changes",
        {"changes": [{"path": "a"}, {"path": "b", "old": "1", "new": "2"}]},
        {"1": {"old": "1", "new": "2"}},
        {"changes": [{"path": "a"}, {"path": "b"}]},
    ),
    "an array without": (
        "/targets",
        {"targets": [{"type": "a"}]},
        None,
        {"targets": [{"type": "a"}]},
    ),
    "an array below": (
        "/policy/violations",
        {"policy": {"violations": [{"rule": "r", "text": "t"}]}},
        {"0": {"text": "t"}},
        {"policy": {"violations": [{"rule": "r"}]}},
    ),
    "nothing below": (
        "/policy/violations",
        {"policy": {"engine": "opa"}},
        None,
        {"policy": {"engine": "opa"}},
    ),
    "nothing above": ("/policy/violations", {}, None, {}),
}


@pytest.mark.parametrize("reason", HELD)
def test_taking_and_putting_are_a_pair(reason: str) -> None:
    pointer, whole, taken, rest = HELD[reason]
    event = deepcopy(whole)
    assert take(event, BY_POINTER[pointer]) == taken
    assert event == rest
    if taken is not None:
        put(event, BY_POINTER[pointer], taken)
        assert event == whole
