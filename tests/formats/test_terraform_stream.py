"""The lines of `-json` say what they say, whole, halved, broken or of a type to come."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deploytrail.errors import Malformed
from deploytrail.formats.terraform_run import (
    UNTOLD,
    Diagnostic,
    Drifted,
    Ended,
    Invoked,
    Output,
    Planned,
    Provisioned,
    Refreshed,
    Started,
    Summary,
    Told,
    Version,
)
from deploytrail.formats.terraform_stream import QUIET, UnknownType, message, told
from tests.formats.terraform_files import streams

RESOURCE = {"addr": "a_b.c", "resource_type": "a_b"}


def line(type_: str, **fields: Any) -> bytes:
    return json.dumps({"@level": "info", "@message": "m", "type": type_, **fields}).encode()


def read(raw: bytes) -> list[Told]:
    found = message(raw)
    assert found is not None
    return told(found)


LINES: dict[str, tuple[bytes, list[Told]]] = {
    "terraform's version": (
        line("version", terraform="1.11.4", ui="1.2"),
        [Version(tool="terraform", version="1.11.4")],
    ),
    "OpenTofu's version": (
        line("version", tofu="1.9.0", ui="1.2"),
        [Version(tool="opentofu", version="1.9.0")],
    ),
    "a planned move": (
        line(
            "planned_change",
            change={"resource": RESOURCE, "action": "move"},
            previous_resource={"addr": "a_b.old"},
        ),
        [Planned(address="a_b.c", action="move", deposed=UNTOLD, previous="a_b.old")],
    ),
    "a planned import": (
        line(
            "planned_change",
            change={"resource": RESOURCE, "action": "noop", "importing": {"id": "i-1"}},
        ),
        [Planned(address="a_b.c", action="no-op", deposed=UNTOLD, import_id="i-1")],
    ),
    "a planned removal": (
        line("planned_change", change={"resource": RESOURCE, "action": "remove"}),
        [Planned(address="a_b.c", action="forget", deposed=UNTOLD)],
    ),
    "drift": (
        line("resource_drift", change={"resource": RESOURCE, "action": "delete"}),
        [Drifted(address="a_b.c", action="delete")],
    ),
    "what is read": (
        line("refresh_start", hook={"resource": RESOURCE, "id_value": "i"}),
        [Refreshed(address="a_b.c")],
    ),
    "a start": (
        line("apply_start", hook={"resource": RESOURCE, "action": "update", "id_value": "i"}),
        [Started(address="a_b.c", action="update", deposed=UNTOLD, id="i")],
    ),
    "an end": (
        line(
            "apply_complete", hook={"resource": RESOURCE, "action": "create", "elapsed_seconds": 3}
        ),
        [Ended(address="a_b.c", action="create", deposed=UNTOLD, seconds=3)],
    ),
    "an action of a later version": (
        line("apply_errored", hook={"resource": RESOURCE, "action": "levitate"}),
        [Ended(address="a_b.c", action="unknown", deposed=UNTOLD, is_failed=True)],
    ),
    "a summary": (
        line("change_summary", changes={"add": 1, "remove": 2, "import": 3, "operation": "apply"}),
        [Summary(operation="apply", add=1, remove=2, import_=3)],
    ),
    "outputs": (
        line("outputs", outputs={"a": {"sensitive": True}, "b": {"sensitive": False, "value": 1}}),
        [Output(name="a", is_sensitive=True), Output(name="b")],
    ),
    "a diagnostic": (
        line(
            "diagnostic",
            diagnostic={
                "severity": "error",
                "summary": "s",
                "detail": "d",
                "address": "a_b.c",
                "range": {"filename": "main.tf", "start": {"line": 3}},
                "snippet": {"context": 'check "x"', "code": "…"},
            },
        ),
        [
            Diagnostic(
                is_error=True,
                summary="s",
                detail="d",
                address="a_b.c",
                file="main.tf",
                line=3,
                block='check "x"',
            )
        ],
    ),
    "a provisioner": (
        line("provision_errored", hook={"resource": RESOURCE, "provisioner": "local-exec"}),
        [Provisioned(address="a_b.c", provisioner="local-exec", state="errored")],
    ),
    "an invoked action": (
        line("action_errored", hook={"action": {"addr": "action.x.y"}, "error": "no"}),
        [Invoked(address="action.x.y", error="no", is_failed=True)],
    ),
    "progress": (line("apply_progress", hook={}), []),
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_says_what_it_says(name: str) -> None:
    raw, expected = LINES[name]
    assert read(raw) == expected


def test_a_line_keeps_its_time() -> None:
    raw = line("version", terraform="1", **{"@timestamp": "2023-01-20T15:50:04.623068999-05:00"})
    (found,) = read(raw)
    assert found.time == datetime(2023, 1, 20, 20, 50, 4, 623068, tzinfo=UTC)


NOT_OF_THE_STREAM = {
    "plain text": b"a_b.c: Creating...",
    "JSON of somebody else": b'{"level":"info"}',
    "half a line": line("version", terraform="1")[:-9],
    "not UTF-8": b'{"@level":"\xff"}',
    "nothing": b"",
}


@pytest.mark.parametrize("name", NOT_OF_THE_STREAM)
def test_what_is_not_of_the_stream_is_left_to_others(name: str) -> None:
    assert message(NOT_OF_THE_STREAM[name]) is None


REFUSED = {
    "no type": (b'{"@level":"info"}', "line.type: is missing"),
    "no address": (
        line("apply_start", hook={"resource": {}, "action": "create"}),
        "line.hook.resource.addr: is missing",
    ),
    "a count that is text": (
        line("change_summary", changes={"add": "many", "operation": "plan"}),
        "line.changes.add",
    ),
    "a time that is none": (
        line("version", terraform="1", **{"@timestamp": "noon"}),
        "line.@timestamp",
    ),
    "outputs that are a list": (line("outputs", outputs=[]), "line.outputs: expected an object"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_field_that_is_not_as_the_type_says_is_named(name: str) -> None:
    raw, reason = REFUSED[name]
    with pytest.raises(Malformed) as error:
        read(raw)
    assert reason in str(error.value)


def test_an_unknown_type_is_told_apart() -> None:
    with pytest.raises(UnknownType) as error:
        read(line("teleported"))
    assert error.value.type == "teleported"


def test_every_line_of_the_recorded_streams_is_understood(fixtures: Path) -> None:
    types: Counter[str] = Counter()
    for path in streams(fixtures):
        for raw in filter(None, path.read_bytes().splitlines()):
            found = message(raw)
            assert found is not None, path
            told(found)
            types[found["type"]] += 1
    assert sum(types.values()) == 72
    assert {"planned_change", "apply_complete", "apply_errored", "diagnostic"} <= types.keys()


def test_every_documented_example_is_understood(fixtures: Path) -> None:
    types = []
    for path in sorted((fixtures / "opentofu-docs").glob("*.json")):
        body = json.loads(path.read_bytes())
        if "@level" in body:
            told(body)
            types.append(body["type"])
    assert len(types) == 19
    assert QUIET & set(types)


def test_2000_mutated_lines_are_read_or_refused_by_name(fixtures: Path) -> None:
    chance = random.Random(1)
    raws = [raw for path in streams(fixtures) for raw in path.read_bytes().splitlines() if raw]
    outcomes: Counter[str] = Counter()
    for _ in range(2000):
        body = mutated(json.loads(chance.choice(raws)), chance)
        try:
            told(body)
            outcomes["read"] += 1
        except Malformed as error:
            outcomes["refused" if str(error).startswith("line") else str(error)] += 1
    assert outcomes.keys() == {"read", "refused"}
    assert min(outcomes.values()) > 100


def mutated(body: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    key = chance.choice(list(body))
    if isinstance(body[key], dict) and body[key] and chance.random() < 0.8:
        return {**body, key: mutated(body[key], chance)}
    if chance.random() < 0.5:
        return {name: below for name, below in body.items() if name != key}
    return {**body, key: chance.choice([None, 1, -1, 0.5, True, "x", [], {}, ["x"], {"x": 1}])}
