"""Plans and runs of Terraform as events: ours beside them, real ones run here, secrets nowhere."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from deploytrail import actions
from deploytrail.errors import TooLarge
from deploytrail.event import EVENT_BYTES_MAX, Event
from deploytrail.sources.terraform import (
    Reading,
    plan_block,
    plan_events,
    read_plan,
)
from tests.sources.terraform_runs import (
    NOON,
    RECORDINGS,
    SECRET,
    context,
    names,
    plan_of,
    run,
)

LATER = datetime(2026, 11, 24, tzinfo=UTC)

RECORDED = {
    "create": ("create.jsonl", "create.plan.json"),
    "mixed": ("mixed.jsonl", "mixed.plan.json"),
    "mixed, as people see it": ("mixed.txt", "mixed.plan.json"),
    "mixed, without its plan": ("mixed.jsonl", None),
    "plan": ("plan.jsonl", None),
    "plan, as people see it": ("plan.txt", None),
    "a plan that fails": ("plan_failed.jsonl", None),
    "destroy": ("destroy.jsonl", None),
    "destroy, as people see it": ("destroy.txt", None),
    "a postcondition that fails": ("postcondition.txt", None),
}


def told(name: str) -> list[Any]:
    """The events of a recording, those of its plan first, without what the context gave."""
    output, plan = RECORDED[name]
    document = plan_of((RECORDINGS / plan).read_bytes()) if plan else None
    events = plan_events(document, context()) if document else []
    events += run((RECORDINGS / output).read_bytes(), document)[1]
    return [
        {name: value for name, value in msgspec.to_builtins(event).items() if name not in GIVEN}
        for event in events
    ]


GIVEN = ("id", "actor", "source", "schema")


@pytest.mark.parametrize("name", RECORDED)
def test_a_recording_gives_the_events_beside_it(name: str) -> None:
    expected = json.loads((RECORDINGS / "events.json").read_bytes())[name]
    assert json.loads(json.dumps(told(name))) == expected


@pytest.mark.parametrize("name", RECORDED)
def test_events_are_such_as_the_catalogue_takes(name: str) -> None:
    output, plan = RECORDED[name]
    document = plan_of((RECORDINGS / plan).read_bytes()) if plan else None
    for event in run((RECORDINGS / output).read_bytes(), document)[1]:
        assert actions.check(event, LATER) == event
        again = msgspec.json.decode(msgspec.json.encode(event), type=Event)
        assert again == event


def test_the_secret_of_the_recordings_is_in_no_event() -> None:
    raws = [path.read_text() for path in RECORDINGS.iterdir() if path.name != "events.json"]
    assert sum(raw.count(SECRET) for raw in raws) > 20
    for name in RECORDED:
        assert SECRET not in json.dumps(told(name))


def test_chunks_of_any_size_give_the_same_events() -> None:
    raw = (RECORDINGS / "mixed.txt").read_bytes()
    for size in (1, 7, 4096):
        reading = Reading()
        for at in range(0, len(raw), size):
            reading.feed(raw[at : at + size], NOON)
        assert (reading.finish(), reading.events(context())) == run(raw)


def test_parts_count_on_from_where_the_wrapper_is() -> None:
    reading = Reading()
    reading.feed((RECORDINGS / "destroy.jsonl").read_bytes())
    reading.finish()
    events = reading.events(context(part=3, tool="opentofu", instance="ci"))
    assert [event.source.part for event in events] == list(range(3, 3 + len(events)))
    assert {event.source.delivery for event in events} == {"run-1"}
    assert {event.source.tool for event in events} == {"opentofu"}


def test_what_is_between_the_lines_does_no_harm() -> None:
    noise = [b"\xff\xfe\xfd", b"{", b'{"@level":"info"}', b'{"@level":"x","type":"teleported"}']
    raw = (RECORDINGS / "destroy.jsonl").read_bytes()
    mixed = b"\n".join(line for one in raw.split(b"\n") for line in (one, *noise))
    facts, events = run(mixed)
    assert names(events) == names(run(raw)[1])
    assert facts.unrecognised == {"teleported": raw.count(b"\n") + 1}
    assert facts.malformed == raw.count(b"\n") + 1


def test_facts_tell_what_a_failed_apply_did() -> None:
    facts, _ = run((RECORDINGS / "mixed.txt").read_bytes())
    assert (facts.operation, facts.is_complete, facts.errors) == ("apply", False, 1)
    assert (facts.added, facts.changed, facts.destroyed, facts.imported) == (2, 2, 1, 1)
    assert facts.error is not None
    assert (facts.error.code, facts.error.location) == ("provisioner", "main.tf:32")
    assert facts.error.text == "local-exec provisioner error\n\nexit status 3"


def test_an_absurd_time_of_the_tool_gives_way_to_ours() -> None:
    raw = (RECORDINGS / "destroy.jsonl").read_bytes()
    for year in (b"1970", b"9999"):
        (event,) = run(raw.replace(b'"2026-', b'"' + year + b"-"))[1]
        assert event.time == NOON


def test_a_lock_that_is_held_is_told() -> None:
    raw = b"Error: Error acquiring the state lock\n\nError message: resource unavailable\n"
    assert names(run(raw)[1]) == [("state.lock.refused", "failure", "")]


def test_a_plan_binds_file_and_content() -> None:
    document = plan_of((RECORDINGS / "mixed.plan.json").read_bytes())
    (created, *_) = plan_events(document, context(), file_digest="sha256:00")
    assert created.plan == plan_block(document, tool="terraform", file_digest="sha256:00")
    assert created.plan is not None
    assert (created.plan.add, created.plan.replace, created.plan.forget) == (3, 1, 2)


def test_a_state_gives_no_events() -> None:
    assert plan_events(plan_of(b'{"format_version":"1.0","values":{}}'), context()) == []


def test_a_plan_above_the_limit_is_refused() -> None:
    class Huge(bytes):
        def __len__(self) -> int:
            return 300 * 1024 * 1024

    with pytest.raises(TooLarge):
        read_plan(Huge(b"{}"))


def test_an_event_of_a_huge_resource_stays_below_the_limit() -> None:
    after = {f"key{at}": "\u0001é" * 1_500 for at in range(300)}
    changed = {"actions": ["create"], "before": None, "after": after}
    address = 'module.m["' + "x" * 5_000 + '"].a_b.c'
    one = {"address": address, "type": "a_b", "provider_name": "p", "change": changed}
    small: dict[str, Any] = {"actions": ["create"], "before": None, "after": {}}
    many = [{**one, "address": f"a_b.c{at}", "change": small} for at in range(500)]
    document = plan_of(
        json.dumps({"format_version": "1.2", "resource_changes": [one, *many]}).encode()
    )
    lines = [f"{address}: Creating...", f"{address}: Creation complete after 1s", ""]
    raw = "\n".join(lines).encode()
    error = b"Error: " + b"e\x01" * 50_000 + b"\n\n  with a_b.c1,\n"
    events = [*run(b"a_b.c1: Creating...\n" + raw + error, document)[1]]
    events += plan_events(document, context())
    assert {e.action for e in events} == {"resource.created", "plan.created"}
    for event in events:
        assert len(msgspec.json.encode(event)) < EVENT_BYTES_MAX - 4_000
        msgspec.json.decode(msgspec.json.encode(event), type=Event)
    created = next(e for e in events if e.action == "resource.created" and e.changes)
    assert int(created.changes[-1].new or "") == 300 - (len(created.changes) - 1)
    planned = events[-1].targets
    assert planned[-1].type == "more"
    assert int(planned[-1].id or "") == 501 - (len(planned) - 1)


def test_2000_mutated_streams_and_outputs_are_read() -> None:
    chance = random.Random(20261122)
    raws = [(RECORDINGS / name).read_bytes() for name in ("mixed.jsonl", "mixed.txt", "plan.txt")]
    document = plan_of((RECORDINGS / "mixed.plan.json").read_bytes())
    for _ in range(2000):
        raw = bytearray(chance.choice(raws))
        for _ in range(chance.randrange(1, 20)):
            at = chance.randrange(len(raw))
            raw[at : at + chance.choice((0, 1, 9, 99))] = chance.choice(
                (b"", b"\n", b"\xff", b'"', b"{}", b"null", b"\x1b[", b"Error: ")
            )
        facts, events = run(bytes(raw), chance.choice((document, None)))
        assert facts.lines > 0
        for event in events:
            msgspec.json.decode(msgspec.json.encode(event), type=Event)
            assert actions.find(event.action) is not None


def test_a_deposed_object_is_told_by_its_key_with_its_values() -> None:
    gone = {"actions": ["delete"], "before": {"size": 1}, "after": None}
    kept = {"actions": ["no-op"], "before": {"size": 2}, "after": {"size": 2}}
    one = {"address": "a_b.c", "type": "a_b", "provider_name": "p"}
    both = [{**one, "change": kept}, {**one, "deposed": "1a2b3c4d", "change": gone}]
    raw = json.dumps({"format_version": "1.2", "resource_changes": both, "resource_drift": both})
    document = plan_of(raw.encode())
    shown = "a_b.c (deposed 1a2b3c4d)"
    drift, planned = ("drift.detected", "success", "a_b.c"), ("plan.created", "success", shown)
    assert names(plan_events(document, context())) in ([planned, drift], [planned])
    lines = (
        b"a_b.c (deposed object 1a2b3c4d): Destroying...\na_b.c: Destruction complete after 0s\n"
    )
    (event,) = run(lines, document)[1]
    assert names([event]) == [("resource.deleted", "success", shown)]
    assert (event.targets[0].type, event.changes[0].old) == ("a_b", "1")
