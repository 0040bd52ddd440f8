"""Canonical JSON: RFC 8785 where every parser agrees, and a refusal that names the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from deploytrail import canonical
from deploytrail.canonical import DEPTH_MAX, INTEGER_MAX
from deploytrail.errors import Malformed
from tests.events import events
from tests.searching import examples

_texts = st.text(st.characters(exclude_categories=["Cs"]))
_keys = st.text(st.characters(max_codepoint=127))
_leaves = st.none() | st.booleans() | st.integers(-INTEGER_MAX, INTEGER_MAX) | _texts
VALUES = st.recursive(
    _leaves, lambda below: st.lists(below) | st.dictionaries(_keys, below), max_leaves=30
)
ASSETS = "jcs/trailofbits-rfc8785/test/assets"


def nested(depth: int, innermost: Any = None) -> Any:
    """`depth` arrays around a value, or an empty array innermost where none is given."""
    value: Any = [] if innermost is None else [innermost]
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.mark.parametrize("name", ["arrays", "unicode"])
def test_published_vectors_come_out_byte_for_byte(vectors: Path, name: str) -> None:
    value = json.loads((vectors / ASSETS / f"input/{name}.json").read_bytes())
    expected = (vectors / ASSETS / f"outhex/{name}.txt").read_text(encoding="ascii")
    assert canonical.encode(value) == bytes.fromhex(expected)


@pytest.mark.parametrize("name", ["french", "structures", "values", "weird"])
def test_published_vectors_with_floats_or_other_keys_are_refused(vectors: Path, name: str) -> None:
    value = json.loads((vectors / ASSETS / f"input/{name}.json").read_bytes())
    with pytest.raises(Malformed, match="expected"):
        canonical.encode(value)


@given(VALUES)
def test_it_writes_what_the_reference_writes(value: Any) -> None:
    assert canonical.encode(value) == rfc8785.dumps(value)


@given(VALUES)
def test_what_it_wrote_reads_back_as_the_same(value: Any) -> None:
    octets = canonical.encode(value)
    assert json.loads(octets) == value
    assert canonical.encode(json.loads(octets)) == octets


@examples(50)
@given(events())
def test_any_event_is_written_as_the_reference_writes_it(event: Any) -> None:
    assert canonical.encode_checked(event) == rfc8785.dumps(msgspec.to_builtins(event))


@pytest.mark.parametrize("value", [INTEGER_MAX, -INTEGER_MAX, 0])
def test_integers_up_to_2_to_the_53_are_written(value: int) -> None:
    assert canonical.encode(value) == b"%d" % value


@pytest.mark.parametrize("innermost", [None, 1, {}])
def test_32_levels_are_written(innermost: Any) -> None:
    depth = DEPTH_MAX if innermost != {} else DEPTH_MAX - 1
    assert json.loads(canonical.encode(nested(depth, innermost))) == nested(depth, innermost)


REFUSED: dict[str, tuple[Any, str]] = {
    "2^53": ({"a": [0, 2**53]}, r"a\[1\]: expected an integer .*; found 9007199254740992"),
    "-2^53": (-(2**53), "value: expected an integer"),
    "float": ({"a": {"b": 1.0}}, r"a\.b: expected .*; found 1.0"),
    "nan": ([float("nan")], r"\[0\]: expected .*; found nan"),
    "infinity": ([float("inf")], r"\[0\]: expected .*; found inf"),
    "bytes": ({"a": b""}, "a: expected .*; found a bytes"),
    "set": ({"a": {1}}, "a: expected .*; found a set"),
    "integer key": ({"a": {1: 2}}, "a: expected ASCII keys, not 1"),
    "other key": ({"a": {"é": 2}}, "a: expected ASCII keys, not 'é'"),
    "33 arrays": (nested(DEPTH_MAX + 1), "expected at most 32 levels"),
    "33 levels": (nested(DEPTH_MAX, {}), "expected at most 32 levels"),
    "10,000 levels": (nested(10_000), "expected at most 32 levels"),
    "lone surrogate": (
        {"a": ["ok", "x\ud800"]},
        r"a\[1\]: expected Unicode.*U\+D800 at character 1",
    ),
    "lone low surrogate": ("\udfff", "value: expected Unicode"),
    "lone surrogate in a key": ({"\ud800": 1}, "value: expected ASCII keys"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_parsers_disagree_on_is_refused_with_its_path(reason: str) -> None:
    value, message = REFUSED[reason]
    with pytest.raises(Malformed, match=message):
        canonical.encode(value)


@pytest.mark.parametrize("wrap", [str, lambda text: {"a": text}, lambda text: ["b", text]])
def test_a_surrogate_is_refused_without_the_check_too(wrap: Callable[[str], Any]) -> None:
    with pytest.raises(Malformed, match="lone surrogate"):
        canonical.encode_checked(wrap("\udc00"))
