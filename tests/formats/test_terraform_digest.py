"""The digest of a plan is what the page says, for whoever computes it."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploytrail.formats.terraform_digest import content, content_digest
from deploytrail.formats.terraform_plan import PlanDocument, parse
from tests.conftest import ROOT
from tests.formats.terraform_files import files

VECTORS: list[dict[str, str]] = json.loads(
    (ROOT / "tests" / "vectors" / "plan_digest.json").read_bytes()
)["cases"]


def document(raw: bytes) -> PlanDocument:
    found = parse(raw)
    assert isinstance(found, PlanDocument)
    return found


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["name"])
def test_a_vector_has_its_content_and_digest(case: dict[str, str]) -> None:
    found = document(case["plan"].encode())
    assert content(found).decode() == case["content"]
    assert content_digest(found) == case["digest"]
    assert f"sha256:{hashlib.sha256(case['content'].encode()).hexdigest()}" == case["digest"]


def provided(expressions: Any, **variables: Any) -> bytes:
    return json.dumps(
        {
            "format_version": "1.2",
            "planned_values": {},
            "variables": {name: {"value": value} for name, value in variables.items()},
            "configuration": {
                "provider_config": {"pg": {"name": "pg", "expressions": expressions}},
                "root_module": {"variables": {name: {} for name in variables}},
            },
        }
    ).encode()


GUESSED = "correct-horse-battery"
LITERAL = {"constant_value": GUESSED}
SECRET_PROVIDERS = {
    "a password": provided({"password": LITERAL}),
    "a key in camel case": provided({"apiKey": LITERAL}),
    "a short name": provided({"db_pass": LITERAL}),
    "a block": provided({"auth_login": [{"secret_id": LITERAL}]}),
    "a member of a literal": provided({"headers": {"constant_value": {"X-Token": GUESSED}}}),
    "all below a name": provided({"credentials": {"constant_value": [{"a": GUESSED}]}}),
    "a variable by its use": provided({"token": {"references": ["var.a"]}}, a=GUESSED),
    "a variable by its name": provided({"x": {"references": ["var.pw"]}}, pw=GUESSED),
}


@pytest.mark.parametrize("raw", SECRET_PROVIDERS.values(), ids=SECRET_PROVIDERS.keys())
def test_a_secret_of_a_provider_is_known_and_not_hashed(raw: bytes) -> None:
    found = document(raw)
    assert found.secrets.is_in(f"it said {GUESSED}.")
    assert GUESSED.encode() not in content(found)
    other = document(raw.replace(GUESSED.encode(), b"another-horse"))
    assert content_digest(found) == content_digest(other)


@pytest.mark.parametrize(
    "name", ["region", "shared_credentials_files", "private_key_path", "token_url", "compass"]
)
def test_where_a_provider_acts_is_hashed(name: str) -> None:
    found = document(provided({name: LITERAL}))
    assert not found.secrets.is_in(GUESSED)
    assert GUESSED.encode() in content(found)
    assert b"true" in content(document(provided({"skip_credentials": {"constant_value": True}})))


def test_vectors_differ_exactly_where_they_say_so() -> None:
    by_name = {case["name"]: case for case in VECTORS}
    first = [case for case in VECTORS if "same_as" not in case]
    assert len({case["digest"] for case in first}) == len(first) > 40
    for case in VECTORS:
        if "same_as" in case:
            assert case["digest"] == by_name[case["same_as"]]["digest"]


class Text(str):
    """A number's text, for the second reader below."""


def second(raw: bytes) -> str:
    """docs/sources/terraform.md once more, from its words alone, with the standard library."""
    utf_16 = raw[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = raw.decode("utf-16" if utf_16 else "utf-8-sig")
    decoder = json.JSONDecoder(parse_int=Text, parse_float=Text)
    plan = decoder.raw_decode(text[text.index('{"' if "[command]" in text else "{") :])[0]
    lists = {
        "resources": list(resources(plan)),
        "outputs": list(outputs(plan)),
        "providers": list(providers(plan)),
        "actions": list(invocations(plan)),
    }
    parts = [[name, *sorted(rows, key=written)] for name, rows in lists.items()]
    return hashlib.sha256(written(["deploytrail/plan-content/1", *parts])).hexdigest()


def root(plan: Any) -> Any:
    return (plan.get("configuration") or {}).get("root_module") or {}


def sides(change: Any, *masks: Any) -> tuple[Any, Any]:
    both = (*masks, change.get("before_sensitive"), change.get("after_sensitive"))
    return (
        encoded(change.get("before"), both, None),
        encoded(change.get("after"), both, change.get("after_unknown")),
    )


def resources(plan: Any) -> Iterator[Any]:
    keys = dict(addresses(root(plan), ""))
    for one in plan.get("resource_changes") or []:
        change, address, previous = one["change"], one["address"], one.get("previous_address")
        is_moved = previous not in (None, address)
        if change["actions"] == ["no-op"] and not change.get("importing") and not is_moved:
            continue
        paths = [encoded(path, (), None) for path in change.get("replace_paths") or []]
        bare = re.sub(r'\[(\d+|"([^"\\]|\\.)*")\]', "", address)
        head = [address, previous, one.get("deposed"), one.get("provider_name"), keys.get(bare)]
        tail = [["array", *sorted(paths, key=written)], encoded(change.get("importing"), (), None)]
        yield [*head, change["actions"], *sides(change), *tail]


def outputs(plan: Any) -> Iterator[Any]:
    prior = (plan.get("prior_state") or {}).get("values") or {}
    hidden = {
        name
        for holder in (plan.get("planned_values") or {}, prior, root(plan))
        for name, output in (holder.get("outputs") or {}).items()
        if output.get("sensitive")
    }
    for name, change in (plan.get("output_changes") or {}).items():
        if change["actions"] != ["no-op"]:
            yield [name, change["actions"], *sides(change, name in hidden)]


def providers(plan: Any) -> Iterator[Any]:
    declared = root(plan).get("variables") or {}
    given = plan.get("variables") or {}
    for key, one in ((plan.get("configuration") or {}).get("provider_config") or {}).items():
        expressions = one.get("expressions")
        names = sorted(set(re.findall(r'"var\.([A-Za-z0-9_-]+)', json.dumps(expressions))))
        hidden = {name for name in declared if is_secret(declared[name])}
        hidden |= {name for name in names if of_secret(name)} | set(used(expressions, False))
        variables = [
            [name, encoded(given[name].get("value"), (name in hidden,), None)]
            for name in names
            if name in given
        ]
        named = one.get("full_name") or one["name"]
        yield [
            key,
            named,
            one.get("module_address"),
            uncovered(expressions, False, False),
            variables,
        ]


WORDS = "accesskey|accountkey|apikey|authorization|clientkey|connectionstring|cookie|credential"
WORDS += "|encryptionkey|licensekey|masterkey|passphrase|passwd|password|privatekey|pwd|secret"
WORDS += "|sharedkey|signingkey|sshkey|storagekey|token"


def of_secret(name: str) -> bool:
    plain = re.sub("[^a-z0-9]", "", name.lower())
    if re.search("(endpoint|files?|paths?|ur[il])$", plain):
        return False
    return bool(re.search(WORDS, plain) or re.search("(^|[^a-z0-9])(pass|pin|pw)$", name.lower()))


def used(value: Any, is_below: bool) -> Iterator[str]:
    """The variables below a secret's name."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from used(one, is_below or of_secret(name))
    elif isinstance(value, list):
        for one in value:
            yield from used(one, is_below)
    elif (
        is_below and isinstance(value, str) and (found := re.match(r"var\.([A-Za-z0-9_-]+)", value))
    ):
        yield found[1]


def uncovered(value: Any, is_literal: bool, is_below: bool) -> Any:
    if isinstance(value, dict):
        return [
            "object",
            *(
                [
                    name,
                    uncovered(
                        value[name],
                        is_literal or name == "constant_value",
                        is_below or of_secret(name),
                    ),
                ]
                for name in sorted(value, key=str.encode)
            ),
        ]
    if isinstance(value, list):
        return ["array", *(uncovered(one, is_literal, is_below) for one in value)]
    is_secret = is_literal and is_below and isinstance(value, str)
    return ["(sensitive)"] if is_secret else encoded(value, (), None)


def is_secret(variable: Any) -> bool:
    return bool((variable or {}).get("sensitive"))


def invocations(plan: Any) -> Iterator[Any]:
    for one in plan.get("action_invocations") or []:
        kinds = [kind for kind in sorted(one) if kind.endswith("_action_trigger")]
        trigger = ["object", *([kind, encoded(one[kind], (), None)] for kind in kinds)]
        masks = (one.get("config_sensitive"),)
        config = encoded(one.get("config_values"), masks, one.get("config_unknown"))
        yield [one["address"], one.get("provider_name"), config, trigger]


def written(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def addresses(module: Any, prefix: str) -> list[tuple[str, str]]:
    found = [
        (prefix + one["address"], one["provider_config_key"])
        for one in module.get("resources") or []
        if "provider_config_key" in one
    ]
    for name, call in (module.get("module_calls") or {}).items():
        found += addresses(call.get("module") or {}, f"{prefix}module.{name}.")
    return found


def holds_true(mask: Any) -> bool:
    below = mask.values() if isinstance(mask, dict) else mask if isinstance(mask, list) else ()
    return mask is True or any(map(holds_true, below))


def encoded(value: Any, masks: tuple[Any, ...], unknown: Any) -> Any:
    if unknown is True:
        return ["(known after apply)"]
    if value is None and holds_true(unknown):
        value = {} if isinstance(unknown, dict) else []
    masks = tuple(mask for mask in masks if holds_true(mask))
    if value is not None and any(mask is True or type(mask) is not type(value) for mask in masks):
        return ["(sensitive)"]
    if isinstance(value, Text):
        return ["number", str(value)]
    if isinstance(value, dict):
        below = unknown if isinstance(unknown, dict) else {}
        names = value.keys() | {name for name in below if holds_true(below[name])}
        members = (
            [name, encoded(value.get(name), tuple(m.get(name) for m in masks), below.get(name))]
            for name in sorted(names, key=str.encode)
        )
        return ["object", *members]
    if isinstance(value, list):
        after = unknown if isinstance(unknown, list) else []

        def at(items: list[Any], index: int) -> Any:
            return items[index] if index < len(items) else None

        return [
            "array",
            *(
                encoded(at(value, n), tuple(at(m, n) for m in masks), at(after, n))
                for n in range(max(len(value), len(after)))
            ),
        ]
    return value


def test_a_second_reader_of_the_page_agrees_on_every_recorded_plan(fixtures: Path) -> None:
    compared = 0
    for path in files(fixtures):
        raw = path.read_bytes()
        if (path.suffix != ".json" and path.suffix != ".golden") or "invalid/" in str(path):
            continue
        found = parse(raw)
        if isinstance(found, PlanDocument) and found.kind == "plan":
            assert content_digest(found) == f"sha256:{second(raw)}", path
            compared += 1
    assert compared == 115


def test_a_second_reader_of_the_page_agrees_on_the_vectors() -> None:
    for case in VECTORS:
        assert case["digest"] == f"sha256:{second(case['plan'].encode())}", case["name"]


def test_a_redacted_plan_has_the_digest_of_the_whole_one(fixtures: Path) -> None:
    folder = fixtures / "terraform-json" / "sanitize" / "testdata"
    whole = document((folder / "basic.json").read_bytes())
    redacted = document((folder / "basic.golden").read_bytes())
    assert content_digest(whole) == content_digest(redacted)


def shuffled(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        items = list(value.items())
        chance.shuffle(items)
        return {key: shuffled(below, chance) for key, below in items}
    return [shuffled(below, chance) for below in value] if isinstance(value, list) else value


def test_the_order_of_keys_and_the_time_say_nothing_on_recorded_plans(fixtures: Path) -> None:
    chance = random.Random(7)
    folder = fixtures / "opentofu-json" / "command" / "testdata" / "show-json"
    compared = 0
    for path in sorted(folder.rglob("*.json")):
        body = json.loads(path.read_bytes())
        again = {**shuffled(body, chance), "timestamp": "2031-01-01T00:00:00Z"}
        assert content_digest(document(path.read_bytes())) == content_digest(
            document(json.dumps(again, indent=3).encode())
        )
        compared += 1
    assert compared > 15


def changed(value: Any) -> list[Any]:
    """The value with each of its leaves changed, one at a time."""
    if isinstance(value, dict):
        return [{**value, key: new} for key, below in value.items() for new in changed(below)]
    if isinstance(value, list):
        return [
            [*value[:at], new, *value[at + 1 :]]
            for at, below in enumerate(value)
            for new in changed(below)
        ]
    return [f"{value}!" if isinstance(value, str) else "something else"]


def test_every_leaf_of_what_is_applied_is_bound(fixtures: Path) -> None:
    folder = fixtures / "opentofu-json" / "command" / "testdata" / "show-json"
    body = json.loads((folder / "requires-replace" / "output.json").read_bytes())
    first = content_digest(document(json.dumps(body).encode()))
    (one,) = body["resource_changes"]
    bound = {
        "address": one["address"],
        "provider_name": one["provider_name"],
        "change": {name: one["change"][name] for name in ("before", "after", "replace_paths")},
    }
    variants = changed(bound)
    assert len(variants) > 5
    for variant in variants:
        change = {**one["change"], **variant["change"]}
        other = {**body, "resource_changes": [{**one, **variant, "change": change}]}
        assert content_digest(document(json.dumps(other).encode())) != first
