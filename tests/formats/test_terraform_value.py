"""Values keep their text, and paths read as the tool writes them."""

from __future__ import annotations

from deploytrail.formats.terraform_value import Number, json_text, parse_value, step


def test_numbers_keep_their_text() -> None:
    text = '{"a":[1,1.0,1e0,-0,123456789012345678901234567890.10]}'
    value, rest = parse_value(text)
    assert value["a"][1] == Number("1.0")
    assert (json_text(value), rest) == (text, "")


def test_a_path_reads_as_the_tool_writes_it() -> None:
    assert step("", "tags") == "tags"
    assert step("tags", "Name") == "tags.Name"
    assert step("tags", "a b") == 'tags["a b"]'
    assert step("tags", "ünï") == 'tags["ünï"]'
