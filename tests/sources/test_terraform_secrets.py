"""Whatever a plan marks as a secret is in no event, marked where it stands or not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from deploytrail.errors import Malformed
from deploytrail.event import EVENT_BYTES_MAX, Event
from deploytrail.formats.terraform_plan import NotPlan, PlanDocument, parse
from deploytrail.sources.terraform import plan_events
from tests.formats.terraform_files import files, loaded
from tests.sources.terraform_runs import context, run


def applied_events(document: PlanDocument) -> list[Event]:
    """Everything that could ever be told of a plan: the plan, and an apply of all of it."""
    lines = []
    for one in document.resources:
        for word in {"create": "create", "update": "update", "delete": "delete"}:
            for type_ in ("apply_start", "apply_complete"):
                hook = {"resource": {"addr": one.address}, "action": word}
                lines.append(json.dumps({"@level": "info", "type": type_, "hook": hook}))
    done = {"operation": "apply", "add": 1}
    lines.append(json.dumps({"@level": "info", "type": "change_summary", "changes": done}))
    return [
        *plan_events(document, context()),
        *run("\n".join(lines).encode() + b"\n", document)[1],
    ]


def test_every_recorded_file_translates(fixtures: Path) -> None:
    found: Counter[str] = Counter()
    for path in files(fixtures):
        try:
            document = parse(path.read_bytes())
        except Malformed:
            document = NotPlan(reason="")
        events = applied_events(document) if isinstance(document, PlanDocument) else []
        events += run(path.read_bytes())[1]
        for event in events:
            raw = msgspec.json.encode(event)
            assert len(raw) < EVENT_BYTES_MAX
            msgspec.json.decode(raw, type=Event)
            found[event.action] += 1
    assert {"plan.created", "plan.failed", "drift.detected", "policy.check.passed"} <= found.keys()
    assert {"resource.replaced", "resource.moved", "state.output.changed"} <= found.keys()
    assert found["resource.replaced"] > 100


def test_what_a_resource_is_that_is_a_secret_is_no_name_of_it() -> None:
    lines = [
        "random_password.db: Creation complete after 0s [id=hunter2]",
        'module.a["x.y"].random_id.b["p.q"]: Creation complete after 0s [id=hunter2]',
        "random_password.db (deposed object 1a2b3c4d): Destroying... [id=hunter2]",
        "random_password.db: Destruction complete after 0s",
        "aws_instance.random_one: Creation complete after 0s [id=i-1]",
        "module.random_two.aws_instance.a: Creation complete after 0s [id=i-2]",
    ]
    events = run("\n".join(lines).encode() + b"\n")[1]
    names = {target.id: target.name for event in events for target in event.targets}
    assert names.pop("aws_instance.random_one") == "i-1"
    assert names.pop("module.random_two.aws_instance.a") == "i-2"
    assert len(names) >= 2
    assert set(names.values()) == {None}
    assert b"hunter2" not in msgspec.json.encode(events)


def marked(value: Any, mask: Any) -> Iterator[Any]:
    """The leaves that a mask marks, by a walk of its own."""
    if mask is True:
        yield value
    elif isinstance(mask, dict) and isinstance(value, dict):
        for key, below in mask.items():
            yield from marked(value.get(key), below)
    elif isinstance(mask, list) and isinstance(value, list):
        for one, below in zip(value, mask, strict=False):
            yield from marked(one, below)


def marked_leaves(body: Any) -> Iterator[Any]:
    """Everything in a plan that it calls sensitive."""
    for kind in ("resource_changes", "resource_drift"):
        for one in body.get(kind) or []:
            for side in ("before", "after"):
                yield from marked(one["change"].get(side), one["change"].get(f"{side}_sensitive"))
    for one in (body.get("output_changes") or {}).values():
        for side in ("before", "after"):
            yield from marked(one.get(side), one.get(f"{side}_sensitive"))
    holders = ((body.get("prior_state") or {}).get("values"), body.get("planned_values"))
    for values in (*holders, body.get("values")):
        for output in ((values or {}).get("outputs") or {}).values():
            yield from marked(output.get("value"), output.get("sensitive"))
        for one in resources((values or {}).get("root_module") or {}):
            yield from marked(one.get("values"), one.get("sensitive_values"))
    root = (body.get("configuration") or {}).get("root_module") or {}
    for name, one in (root.get("variables") or {}).items():
        if one.get("sensitive"):
            yield (body.get("variables") or {}).get(name, {}).get("value")


def resources(module: Any) -> Iterator[Any]:
    yield from module.get("resources") or []
    for below in module.get("child_modules") or []:
        yield from resources(below)


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for below in value.values() if isinstance(value, dict) else value:
            yield from texts(below)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def test_no_marked_leaf_of_a_recorded_plan_is_told(fixtures: Path) -> None:
    clear = 0
    for path in files(fixtures):
        body = loaded(path.read_bytes())
        if not isinstance(body, dict):
            continue
        try:
            document = parse(path.read_bytes())
        except Malformed:
            continue
        secrets = {text for leaf in marked_leaves(body) for text in texts(leaf) if text}
        clear += len(secrets)
        if not secrets or not isinstance(document, PlanDocument):
            continue
        for event in applied_events(document):
            for change in event.changes:
                values = [json.loads(side) for side in (change.old, change.new) if side is not None]
                assert secrets.isdisjoint(texts(values)), (path, change)
    assert clear == 21


def test_no_marked_leaf_is_told_however_the_plan_repeats_it(fixtures: Path) -> None:
    """Each marked text is replaced by one that stands nowhere else: it may be nowhere at all."""
    replaced = 0
    for path in files(fixtures):
        body = loaded(path.read_bytes())
        if not isinstance(body, dict) or "invalid/" in str(path):
            continue
        secrets = {text for leaf in marked_leaves(body) for text in texts(leaf) if text}
        if not secrets:
            continue
        raw = json.dumps(body)
        for at, secret in enumerate(sorted(secrets)):
            raw = raw.replace(f'": {json.dumps(secret)}', f'": "canary-{at}-canary"')
            raw = raw.replace(f"[{json.dumps(secret)}", f'["canary-{at}-canary"')
        found = parse(raw.encode())
        assert isinstance(found, PlanDocument)
        replaced += raw.count("-canary")
        for event in applied_events(found):
            assert b"-canary" not in msgspec.json.encode(event)
    assert replaced > 60
