"""An event is told in one sentence, whatever is absent, erased or of another type."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from deploytrail.actions import CATALOGUE, summary
from deploytrail.event import Event
from deploytrail.sentence import counted
from tests.events import events
from tests.searching import examples

UPDATED: dict[str, Any] = {
    "action": "resource.updated",
    "outcome": "success",
    "actor": {"type": "user", "id": "github:alice"},
    "source": {"tool": "terraform", "instance": "local"},
    "where": {"unit": "network", "environment": "prod"},
    "targets": [{"type": "aws_instance", "id": "aws_instance.web"}],
}
PEOPLE: dict[str, tuple[dict[str, Any], str]] = {
    "a name": ({"type": "user", "id": "github:alice", "name": "Alice"}, "Alice"),
    "an id": ({"type": "user", "id": "github:alice"}, "github:alice"),
    "an erased person": ({"type": "user"}, "somebody whose name is not shown"),
    "nobody known": ({"type": "unknown"}, "somebody unknown"),
    "anonymous": ({"type": "anonymous"}, "somebody anonymous"),
    "the system": ({"type": "system"}, "the system"),
    "another shape": ({"type": ["user"]}, "someone"),
}


@pytest.mark.parametrize(("actor", "words"), PEOPLE.values(), ids=PEOPLE.keys())
def test_a_sentence_names_who_acted(actor: dict[str, Any], words: str) -> None:
    assert summary({**UPDATED, "actor": actor}) == f"{words} updated aws_instance.web in prod"


SENTENCES: dict[str, tuple[dict[str, Any], str]] = {
    "nothing known": ({}, "someone did something"),
    "a newer action": ({"action": "code.dreamt"}, "someone did code.dreamt"),
    "an action alone": ({"action": "resource.updated"}, "someone updated a resource"),
    "a plan": (
        {
            "action": "plan.created",
            "plan": {"tool": "terraform", "add": 1, "change": 0, "destroy": 2},
            "where": {"unit": "network", "environment": "prod"},
        },
        "someone planned network in prod: 1 to add, 2 to destroy",
    ),
    "an empty plan": (
        {"action": "plan.created", "plan": {"tool": "tofu"}},
        "someone planned changes: no changes",
    ),
    "a command": (
        {
            "action": "runtime.command.finished",
            "outcome": "failure",
            "command": {"tool": "make", "arguments": ["deploy", "-j8"]},
        },
        "someone ran make deploy -j8 (failed)",
    ),
    "a command whose arguments were erased": (
        {"action": "runtime.command.started", "command": {"tool": "make"}},
        "someone started make",
    ),
    "a failure that the action tells": (
        {"action": "deployment.failed", "outcome": "failure", "where": {"unit": "network"}},
        "someone could not deploy network",
    ),
    "a partial deployment": (
        {"action": "deployment.failed", "outcome": "partial"},
        "someone could not deploy a unit (a part of it was done)",
    ),
    "a refusal": (
        {"action": "resource.deleted", "outcome": "denied", "targets": [{"type": "x", "id": "db"}]},
        "someone was not allowed to delete db",
    ),
    "what is done": (
        {
            "action": "deployment.succeeded",
            "outcome": "success",
            "plan": {"tool": "terraform", "add": 5, "change": 1},
            "where": {"unit": "web", "environment": "prod"},
        },
        "someone deployed web to prod: 5 added, 1 changed",
    ),
    "what was done in vain": (
        UPDATED | {"action": "resource.created", "outcome": "failure"},
        "github:alice could not create aws_instance.web in prod",
    ),
    "what may have been done": (
        UPDATED | {"action": "resource.forgotten", "outcome": "unknown"},
        "github:alice may have forgotten aws_instance.web in prod",
    ),
    "what is being done": (
        UPDATED | {"outcome": "pending"},
        "github:alice is updating aws_instance.web in prod",
    ),
    "a start, which is pending by its name": (
        {"action": "deployment.started", "outcome": "pending"},
        "someone started to deploy a unit",
    ),
    "a cancelled deployment": (
        {"action": "deployment.cancelled", "outcome": "denied"},
        "someone cancelled the deployment of a unit",
    ),
    "a command that nobody saw end": (
        {"action": "runtime.command.finished", "outcome": "unknown"},
        "someone ran a command (nobody knows how it went)",
    ),
    "a new output": (
        {
            "action": "state.output.changed",
            "targets": [{"type": "output", "id": "output.pw", "change": "create"}],
            "where": {"unit": "web"},
        },
        "the output pw of web was created",
    ),
    "an output that changed": (
        {"action": "state.output.changed", "targets": [{"id": "output.pw", "change": "update"}]},
        "the output pw changed",
    ),
    "several targets": (
        {"action": "resource.read", "targets": [{"id": "a"}, {"id": "b"}, {"id": "c"}]},
        "someone read a and 2 more",
    ),
    "an agent for somebody": (
        {
            "action": "agent.tool.called",
            "actor": {"type": "agent", "id": "agent:deployer"},
            "on_behalf_of": {"type": "user", "id": "github:alice"},
            "targets": [{"name": "kubectl"}],
        },
        "agent:deployer for github:alice called kubectl",
    ),
    "an artifact": (
        {"action": "build.artifact.signed", "artifact": {"id": "acme/web", "version": "1.2"}},
        "someone signed acme/web 1.2",
    ),
    "a repository of the tool's own words": (
        {"action": "code.pushed", "where": {"raw": {"repository": "acme/infra"}}},
        "someone pushed to a branch of acme/infra",
    ),
    "a very long name": (
        {"action": "resource.read", "targets": [{"id": "x" * 500}]},
        f"someone read {'x' * 119}…",
    ),
}


@pytest.mark.parametrize(("shown", "words"), SENTENCES.values(), ids=SENTENCES.keys())
def test_the_sentence_about(shown: dict[str, Any], words: str) -> None:
    assert summary(shown) == words


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "name", "type", "raw", "unit"]), inner, max_size=3)
    ),
    max_leaves=6,
)
EVENTS = st.fixed_dictionaries(
    {"action": st.sampled_from(sorted(CATALOGUE))},
    # Every field of an event but the action, of any type.
    optional=dict.fromkeys(Event.__struct_fields__[2:], ANYTHING),
)


@given(EVENTS)
def test_no_event_keeps_a_sentence_from_being_said(shown: dict[str, Any]) -> None:
    said = summary(shown)

    assert said
    assert not said.startswith(" ")


def test_every_action_has_a_sentence_without_and_with_everything() -> None:
    everything = dict(
        UPDATED,
        links={"repository": "acme/infra", "ref": "main"},
        artifact={"id": "acme/web"},
        plan={"add": 1},
        access={"permission": "admin"},
        command={"tool": "make"},
        agent={"tool": "deployer"},
    )
    for name in CATALOGUE:
        for said in (summary({"action": name}), summary({**everything, "action": name})):
            assert not re.search(r"[{}\[\]|]|  |None", said), (name, said)


COUNTED = {
    "0 entries": (0, "entry"),
    "1 entry": (1, "entry"),
    "1,234 entries": (1234, "entry"),
    "1 more event": (1, "more event"),
    "2 more events": (2, "more event"),
}


@pytest.mark.parametrize("words", COUNTED)
def test_one_is_no_plural(words: str) -> None:
    assert counted(*COUNTED[words]) == words


@examples(100)
@given(events(), st.sampled_from(sorted(CATALOGUE)))
def test_an_event_is_told_as_its_json_is(event: Event, action: str) -> None:
    said = structs.replace(event, action=action)
    assert summary(said) == summary(msgspec.to_builtins(said))
