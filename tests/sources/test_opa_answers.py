"""What a policy answered is only said where its form says it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from deploytrail.kit.delivery import fetched
from deploytrail.sources.opa import SOURCE
from deploytrail.testing import RECEIVED, events

ANSWERS: dict[str, tuple[str, Any, tuple[str, str]]] = {
    "allow is true": ("a/allow", True, ("allow", "success")),
    "allow is false": ("/a/allow", False, ("deny", "denied")),
    "allow is a text": ("a/allow", "false", ("deny", "denied")),
    "deny is true": ("a/deny", True, ("deny", "denied")),
    "deny is false": ("a/deny", False, ("allow", "success")),
    "deny lists nothing": ("a/deny", [], ("allow", "success")),
    "deny lists something": ("a/deny", ["x"], ("deny", "denied")),
    "deny is an empty object": ("a/deny", {}, ("allow", "success")),
    "deny is an object": ("a/deny", {"sg": "open"}, ("deny", "denied")),
    "deny is a number": ("a/deny", 3, ("unknown", "unknown")),
    "it warns": ("a/warn", ["x"], ("warn", "success")),
    "a word that says nothing": ("a/is_admin", True, ("unknown", "unknown")),
    "an object without such words": ("a", {"roles": []}, ("unknown", "unknown")),
    "an object of deny": ("a", {"deny": ["x"]}, ("deny", "denied")),
    "allow counts before deny": ("a", {"allow": True, "deny": ["x"]}, ("allow", "success")),
    "null": ("a/allow", None, ("unknown", "unknown")),
    "dots instead of slashes": ("data.a.allow", True, ("allow", "success")),
}


def decided(**said: Any) -> dict[str, Any]:
    body = {"decision_id": "d-1", "timestamp": "2026-11-22T10:00:00Z", "path": "a/allow"} | said
    (event,) = events(SOURCE, fetched(msgspec.json.encode([body]), RECEIVED))
    return event


@pytest.mark.parametrize("why", ANSWERS)
def test_an_answer_is_what_its_rule_says(why: str) -> None:
    path, result, expected = ANSWERS[why]
    event = decided(path=path, result=result)
    assert (event["policy"]["decision"], event["outcome"]) == expected


def test_the_input_is_not_kept_and_its_digest_does_not_depend_on_its_order() -> None:
    one = decided(result=True, input={"user": "mallory", "n": 1})
    other = decided(result=True, input={"n": 1, "user": "mallory"})
    assert one["policy"]["input_digest"] == other["policy"]["input_digest"]
    assert "mallory" not in str(one)


NO_DIGEST: dict[str, dict[str, Any]] = {
    "nothing was given": {},
    "a part was erased": {"input": {"a": 1}, "erased": ["/input/password"]},
    "a part was masked": {"input": {"a": 1}, "masked": ["/input/a"]},
    "a fraction has no sure form": {"input": {"a": 0.1}},
    "nor has a key that is not ASCII": {"input": {"ä": 1}},
}


@pytest.mark.parametrize("why", NO_DIGEST)
def test_there_is_no_digest_of_what_the_policy_did_not_see_so(why: str) -> None:
    assert "input_digest" not in decided(result=True, **NO_DIGEST[why])["policy"]


def test_what_was_erased_elsewhere_leaves_the_digest() -> None:
    event = decided(result=True, input={"a": 1}, erased=["/nd_builtin_cache"])
    assert event["policy"]["input_digest"].startswith("sha256:")


ERRORS: dict[str, tuple[Any, str]] = {
    "an object": ({"code": "eval_error", "message": "no"}, "no"),
    "a list": ([{"code": "rego_type_error", "message": "no"}], "no"),
    "a text": ("no", "no"),
    "an empty list": ([], "without a text"),
}


@pytest.mark.parametrize("why", ERRORS)
def test_an_error_is_no_decision(why: str) -> None:
    said, text = ERRORS[why]
    event = decided(error=said)
    assert (event["action"], event["outcome"]) == ("policy.check.errored", "failure")
    assert event["policy"]["decision"] == "error"
    assert event["error"]["text"] == text


def test_a_decision_without_a_question_is_malformed() -> None:
    event = decided(path=None, result=True)
    assert event["action"] == "integration.delivery.malformed"
    assert "body.path" in event["error"]["text"]


def test_decisions_and_the_log_of_the_console_stand_line_by_line() -> None:
    line = {"level": "info", "msg": "Decision Log", "decision_id": "d", "path": "a/allow"}
    body = msgspec.json.encode(line | {"timestamp": "2026-11-22T10:00:00Z", "result": True})
    (event,) = events(SOURCE, fetched(body, RECEIVED))
    assert event["source"]["delivery"] == "d"
    nameless = msgspec.json.encode({**line, "decision_id": None})
    (event,) = events(SOURCE, fetched(nameless, RECEIVED))
    assert event["action"] == "integration.delivery.malformed"
