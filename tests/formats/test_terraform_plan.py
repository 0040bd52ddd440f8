"""Every recorded plan is read or told not to be one; no marked leaf gets out in clear."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from deploytrail.errors import Malformed
from deploytrail.formats.terraform_digest import content_digest
from deploytrail.formats.terraform_plan import NotPlan, PlanDocument, parse
from deploytrail.formats.terraform_value import Number, Sensitive, Unknown
from tests.formats.terraform_files import files, loaded

NOT_PLANS = {
    "cloud/testdata/apply-json-with-error/plan-redacted.json": "format_version",
    "cloud/testdata/plan-json-error/plan-redacted.json": "format_version",
    "parser/resources/plan_vpc_endpoint/tfplan.json": "format_version",
    "validate-": "`validate`",
}
MALFORMED = {
    "SOURCE.txt": "expected JSON",
    "testdata/invalid/": "more behind it",
    ".log": "more behind it",
    ".jsonlog": "more behind it",
}


def plan(**fields: Any) -> bytes:
    return json.dumps({"format_version": "1.2", "resource_changes": [], **fields}).encode()


def resource(**change: Any) -> dict[str, Any]:
    return {
        "address": "a_b.c",
        "mode": "managed",
        "type": "a_b",
        "name": "c",
        "provider_name": "p",
        "change": {"actions": ["create"], "before": None, "after": {}, **change},
    }


def document(raw: bytes) -> PlanDocument:
    found = parse(raw)
    assert isinstance(found, PlanDocument)
    return found


def test_every_recorded_file_is_a_plan_a_state_or_told_why_not(fixtures: Path) -> None:
    kinds: Counter[str] = Counter()
    for path in files(fixtures):
        try:
            found = parse(path.read_bytes())
        except Malformed as error:
            reason = next(text for part, text in MALFORMED.items() if part in str(path))
            kinds["malformed" if reason in str(error) else f"{path}: {error}"] += 1
            continue
        if isinstance(found, NotPlan):
            reason = next(text for part, text in NOT_PLANS.items() if part in str(path))
            assert reason in found.reason, path
        kinds[found.kind if isinstance(found, PlanDocument) else "other"] += 1
    assert kinds == {"plan": 115, "state": 10, "other": 15, "malformed": 22}


def test_recorded_plans_are_read_whole(fixtures: Path) -> None:
    totals: Counter[str] = Counter()
    for path in files(fixtures):
        raw = path.read_bytes()
        try:
            found = parse(raw)
        except Malformed:
            continue
        body = loaded(raw)
        if isinstance(found, PlanDocument) and found.kind == "plan":
            assert len(found.resources) == len(body.get("resource_changes") or [])
            assert len(found.outputs) == len(body.get("output_changes") or {})
            totals["resources"] += len(found.resources)
            totals["outputs"] += len(found.outputs)
            totals["drift"] += len(found.drift)
            totals["checks"] += len(found.checks)
            totals["providers"] += len(found.providers)
            totals["prior"] += len(found.state.resources)
            totals["planned"] += len(found.planned.resources)
            totals["variables"] += len(found.variables)
            totals["errored"] += found.is_errored
            totals["invocations"] += len(found.invocations)
    assert all(totals.values()), totals
    assert totals["resources"] == 592


def test_utf_16_and_a_wrapper_line_are_read(fixtures: Path) -> None:
    folder = fixtures / "terraform-plans-checkov" / "parser" / "resources" / "plan_encodings"
    assert document((folder / "tfplan_win_utf16.json").read_bytes()).resources
    infracost = fixtures / "terraform-plans-infracost" / "cmd" / "infracost" / "testdata"
    assert document((infracost / "plan_with_terraform_wrapper.json").read_bytes()).resources


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_a_plan_is_the_same_in_every_encoding(encoding: str) -> None:
    text = plan(resource_changes=[resource(after={"ünï": "é😀"})]).decode()
    assert content_digest(document(text.encode(encoding))) == content_digest(
        document(text.encode())
    )


def leaves(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for below in value.values() for text in leaves(below)]
    if isinstance(value, list):
        return [text for below in value for text in leaves(below)]
    return [value.text if isinstance(value, Number) else value] if value is not None else []


def test_the_masks_are_walked_in_their_three_forms() -> None:
    cases: list[tuple[Any, Any, Any]] = [
        ({"p": "x"}, True, Sensitive),
        ({"p": "x", "q": 1}, {"p": True}, {"p": Sensitive, "q": Number("1")}),
        ({"p": ["a", "b"]}, {"p": [False, True]}, {"p": ["a", Sensitive]}),
        ({"p": "x"}, {"p": {"deeper": True}}, {"p": Sensitive}),
        ({"p": [1]}, {"p": {"0": True}}, {"p": Sensitive}),
        ({"p": "x"}, {"p": {"deeper": False}}, {"p": "x"}),
        ({"p": None}, {"p": True}, {"p": None}),
    ]
    for value, mask, expected in cases:
        found = document(plan(resource_changes=[resource(after=value, after_sensitive=mask)]))
        assert shape(found.resources[0].after) == expected


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(below) for key, below in value.items()}
    if isinstance(value, list):
        return [shape(below) for below in value]
    return Sensitive if isinstance(value, Sensitive) else value


def test_what_is_unknown_is_marked_where_nothing_stands_yet() -> None:
    change = resource(
        after={"known": 1, "list": [{"a": 1}]},
        after_unknown={"id": True, "list": [{"b": True}, True], "nested": {"x": [True]}},
    )
    after = document(plan(resource_changes=[change])).resources[0].after
    assert after == {
        "known": Number("1"),
        "list": [{"a": Number("1"), "b": Unknown()}, Unknown()],
        "id": Unknown(),
        "nested": {"x": [Unknown()]},
    }


def test_secrets_of_variables_and_outputs_are_dropped_by_their_declaration() -> None:
    found = document(
        plan(
            variables={"pw": {"value": "hunter2-long"}, "size": {"value": 1}},
            output_changes={"o": {"actions": ["create"], "before": None, "after": "swordfish"}},
            prior_state={"values": {"outputs": {"o": {"sensitive": True, "value": "swordfish"}}}},
            configuration={
                "root_module": {
                    "variables": {"pw": {"sensitive": True, "default": "default-secret"}},
                    "module_calls": {
                        "m": {
                            "expressions": {"key": {"constant_value": "literal-secret"}},
                            "module": {"variables": {"key": {"sensitive": True}}},
                        }
                    },
                }
            },
        )
    )
    assert shape(found.variables) == {"pw": Sensitive, "size": Number("1")}
    assert shape(found.outputs[0].after) is Sensitive
    assert shape(found.state.outputs) == {"o": Sensitive}
    for secret in ("hunter2-long", "swordfish", "default-secret", "literal-secret"):
        assert found.secrets.is_in(secret)


NAMED = frozenset({"password", "db_password", "apiToken", "client-secret"})
UNNAMED = frozenset({"password_length", "secret", "token_url", "secret_name"})


@pytest.mark.parametrize("name", sorted(NAMED | UNNAMED))
def test_what_a_name_gives_away_as_a_secret_is_found_wherever_else_it_stands(name: str) -> None:
    copies = {"input": {name: "hunter2-long", "other": "x-hunter2-long"}}
    in_attribute = document(plan(resource_changes=[resource(after=copies)]))
    in_variable = document(plan(variables={name: {"value": "hunter2-long"}}))
    for found in (in_attribute, in_variable):
        assert found.secrets.is_in("postgres://app:hunter2-long@db") == (name in NAMED)


def test_a_fingerprint_shows_equality_at_one_path_only() -> None:
    change = resource(
        after={"p": "x", "q": "x"}, before={"p": "x"}, after_sensitive={"p": True, "q": True}
    )
    raw = plan(resource_changes=[change])
    found = parse(raw, fingerprint=lambda path, value: f"{path}|{value}")
    assert isinstance(found, PlanDocument)
    one = found.resources[0]
    assert isinstance(one.before, dict)
    assert isinstance(one.after, dict)
    assert one.before["p"] == one.after["p"] == Sensitive('a_b.c.p|"x"', hash('"x"'))
    assert one.after["q"] != one.after["p"]


def test_counts_are_those_that_the_tool_prints() -> None:
    def of(*actions: str, **more: Any) -> dict[str, Any]:
        return {**resource(actions=list(actions)), **more}

    counts = document(
        plan(
            resource_changes=[
                of("create"),
                of("update"),
                of("delete"),
                of("delete", "create"),
                of("create", "delete"),
                of("forget"),
                of("no-op", previous_address="a_b.old"),
                of("read", mode="data"),
                resource(actions=["no-op"], importing={"id": "x"}),
            ]
        )
    ).counts
    assert (counts.add, counts.change, counts.destroy) == (3, 1, 3)
    assert (counts.replace, counts.import_, counts.move, counts.forget) == (2, 1, 1, 1)


def test_an_action_of_a_later_version_is_kept_and_called_unknown() -> None:
    found = document(plan(resource_changes=[resource(actions=["levitate"])])).resources[0]
    assert (found.actions, found.action, found.has_effect) == (("levitate",), "unknown", True)


REFUSED = {
    "not JSON": (b"plan", "expected JSON"),
    "nothing": (b"", "expected JSON"),
    "not UTF-8": (b'{"format_version":"\xff"}', "expected UTF-8"),
    "half of UTF-16": (b"\xff\xfe{", "expected UTF-16"),
    "a duplicate key": (b'{"format_version":"1.0","format_version":"1.1"}', "twice"),
    "NaN": (b'{"format_version":"1.0","a":NaN}', "NaN"),
    "a lone surrogate": (b'{"format_version":"1.0","a":"\\ud800"}', "U+D800"),
    "two documents": (b'{"format_version":"1.0"}\n{"a":1}', "more behind it"),
    "too deep": (b'{"a":' * 200 + b"1" + b"}" * 200, "128 levels"),
    "deeper than a stack": (b"{" + b'"a":[' + b"[" * 100_000, "128 levels"),
    "a version that is a number": (b'{"format_version":1.2}', "plan.format_version"),
    "changes that are an object": (
        b'{"format_version":"1.0","resource_changes":{}}',
        "plan.resource_changes: expected an array",
    ),
    "no address": (
        plan(resource_changes=[{"change": {"actions": ["create"]}, "type": "a"}]),
        "plan.resource_changes[0].address: is missing",
    ),
    "no actions": (
        plan(resource_changes=[resource(actions=[])]),
        "plan.resource_changes[0].change.actions",
    ),
    "a mask that is text": (
        plan(resource_changes=[resource(after={"a": 1}, after_sensitive="yes")]),
        "a_b.c: expected a mask",
    ),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_not_as_the_format_says_is_refused(reason: str) -> None:
    raw, message = REFUSED[reason]
    with pytest.raises(Malformed) as error:
        parse(raw)
    assert message in str(error.value)


OTHERS = {
    "an array": (b'[{"format_version":"1.0"}]', "object"),
    "a version to come": (b'{"format_version":"2.0","resource_changes":[]}', "2.0"),
    "the answer of validate": (b'{"format_version":"1.0","valid":true}', "validate"),
    "an empty object": (b"{}", "format_version"),
}


@pytest.mark.parametrize("reason", OTHERS)
def test_sound_json_that_is_no_plan_is_told_to_be_that(reason: str) -> None:
    raw, part = OTHERS[reason]
    found = parse(raw)
    assert isinstance(found, NotPlan)
    assert part in found.reason


def mutated(value: Any, chance: random.Random) -> Any:
    """The value with one place below it deleted, or replaced by something of another kind."""
    if isinstance(value, dict) and value:
        key = chance.choice(list(value))
        if chance.random() < 0.3:
            return {name: below for name, below in value.items() if name != key}
        return {**value, key: mutated(value[key], chance)}
    if isinstance(value, list) and value:
        at = chance.randrange(len(value))
        return [*value[:at], mutated(value[at], chance), *value[at + 1 :]]
    return chance.choice([None, True, "text", 7, [], {}, ["x"], {"x": True}])


def test_2000_mutated_plans_are_read_or_refused_by_name(fixtures: Path) -> None:
    chance = random.Random(20261122)
    small = [path for path in files(fixtures) if path.stat().st_size < 9_000]
    bodies = [body for path in small if isinstance(body := loaded(path.read_bytes()), dict)]
    outcomes: Counter[str] = Counter()
    for _ in range(2000):
        body = mutated(chance.choice(bodies), chance)
        try:
            found = parse(json.dumps(body).encode())
        except Malformed as error:
            outcomes["refused" if ": " in str(error) else str(error)] += 1
            continue
        if isinstance(found, PlanDocument):
            content_digest(found)
        outcomes["read" if isinstance(found, PlanDocument) else "other"] += 1
    assert outcomes.keys() == {"refused", "read", "other"}
    assert outcomes["refused"] > 100
    assert outcomes["read"] > 700
