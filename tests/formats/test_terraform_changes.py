"""Changes tell what differs, drop what is secret, and say what they leave out."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from deploytrail.event import Change
from deploytrail.formats.terraform_changes import CHANGES_BYTES_MAX, changes, differences
from deploytrail.formats.terraform_secrets import Secrets
from deploytrail.formats.terraform_value import UNKNOWN, Number, Sensitive


def told(before: Any, after: Any, secrets: Secrets | None = None) -> tuple[Change, ...]:
    return changes(differences(before, after), secrets or Secrets())


def test_leaves_that_differ_are_told_with_their_paths() -> None:
    before = {"same": "x", "n": Number("1"), "tags": {"a b": "1", "gone": "2"}, "list": ["a"]}
    after = {
        "same": "x",
        "n": Number("1.0"),
        "tags": {"a b": "3"},
        "list": ["a", "b"],
        "id": UNKNOWN,
    }
    assert [(one.path, one.op, one.old, one.new) for one in told(before, after)] == [
        ("id", "add", None, '"(known after apply)"'),
        ("list[1]", "add", None, '"b"'),
        ("n", "update", "1", "1.0"),
        ('tags["a b"]', "update", '"1"', '"3"'),
        ("tags.gone", "remove", '"2"', None),
    ]


def test_a_value_of_another_kind_is_told_leaf_by_leaf() -> None:
    assert [(one.path, one.op) for one in told({"a": {"b": "x"}}, {"a": "y"})] == [
        ("a.b", "remove"),
        ("a", "add"),
    ]
    assert [(one.path, one.op) for one in told({"a": {"b": "x"}}, {"a": UNKNOWN})] == [
        ("a.b", "update")
    ]


def test_a_secret_leaves_fingerprints_and_nothing_else() -> None:
    (one,) = told({"p": Sensitive("f1", 1)}, {"p": Sensitive("f2", 2)})
    assert one == Change(
        path="p", op="update", sensitive=True, old_fingerprint="f1", new_fingerprint="f2"
    )
    assert told({"p": Sensitive(None, 1)}, {"p": Sensitive(None, 1)}) == ()


def test_a_copy_of_a_secret_is_dropped_where_nobody_marked_it() -> None:
    secrets = Secrets()
    secrets.add("hunter2-clear")
    for copy in ("hunter2-clear", "user:hunter2-clear@host"):
        (one,) = told(None, {"url": copy}, secrets)
        assert one == Change(path="url", op="add", sensitive=True)


def test_an_attribute_whose_name_gives_it_away_is_dropped() -> None:
    found = told(None, {"password": "correct-horse", "bucket": "logs"})
    assert "correct-horse" not in repr(found)
    assert '"logs"' in repr(found)


def test_a_token_inside_of_a_value_is_masked_and_the_text_stays_json() -> None:
    (one,) = told(None, {"user_data": "export GH=ghp_0123456789abcdefghijABCDEFGHIJ456789"})
    assert one.new is not None
    assert "ghp_0123456789" not in one.new
    assert json.loads(one.new).startswith("export GH=")


def test_300_leaves_fit_and_the_rest_is_counted() -> None:
    found = told(None, {f"key{at:03}": "v" for at in range(300)})
    assert len(found) == 251
    assert found[-1] == Change(path="(more)", op="update", new="50")


def test_300_long_leaves_fit_and_the_rest_is_counted() -> None:
    found = told(None, {f"key{at:03}": "é" * 5_000 for at in range(300)})
    assert len(msgspec.json.encode(found)) <= CHANGES_BYTES_MAX + 1_000
    assert int(found[-1].new or "") == 300 - (len(found) - 1)


def test_a_long_value_is_cut_and_says_so() -> None:
    (one,) = told(None, {"text": "x" * 10_000})
    assert one.new is not None
    cut = json.loads(one.new)["truncated"]
    assert (cut["characters"], len(cut["start"]), len(cut["sha256"])) == (10_000, 1_000, 64)
